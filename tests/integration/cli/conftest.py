"""The command line, run in this process against the real API."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cellgate.cli.main import main
from service.commands.app import main as service_main
from tests.live_server import LiveServer, run_live_server


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one command ended."""

    code: int
    out: str
    err: str


Cellgate = Callable[..., Outcome]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The API over a database of this module's own."""
    with run_live_server(tmp_path_factory.mktemp("deployment")) as running:
        yield running


@pytest.fixture(scope="module")
def ready_dataset(context: LiveServer) -> str:
    """A data set named `made`, which is ready."""
    made = context.dataset()
    context.trainers().work()
    return made


@pytest.fixture(scope="module")
def finished(context: LiveServer, ready_dataset: str) -> str:
    """An experiment that ended with shipping the ensemble."""
    submitted = context.experiment(ready_dataset, "finished")
    context.trainers().work()
    return submitted


@pytest.fixture
def cellgate(context: LiveServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cellgate:
    """Run the command line against the deployment; a command of the server's runs in this process as well."""
    monkeypatch.delenv("CELLGATE_TOKEN", raising=False)
    # Of whatever runs the tests.
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str | Path, server: str = context.url) -> Outcome:
        handed_over = arguments[0] in ("token", "backup", "restore")
        options = [] if handed_over else ["--server", server]
        monkeypatch.setattr(sys, "argv", ["cellgate", *options, *map(str, arguments)])
        capfd.readouterr()
        try:
            service_main() if handed_over else main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        recorded = capfd.readouterr()
        return Outcome(code=code, out=recorded.out, err=recorded.err)

    return run
