"""The built wheel in an environment of its own, without extras: what a build machine installs.

Slow: it builds the wheel, makes an environment and installs five libraries with what they need from the package index.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live_server import LiveServer, run_live_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGES = ("cellgate", "service", "worker", "trainers", "migrations")
SERVER = {"service", "worker", "trainers", "migrations"}
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("CELLGATE_", "PYTHON"))}


def run(*command: str | Path, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


QUIET = ("--quiet", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    sources.mkdir()
    for name in FILES:
        shutil.copy(REPOSITORY / name, sources)
    for name in PACKAGES:
        # Without what a checkout may hold besides its sources: an old build would end up in the wheel.
        shutil.copytree(REPOSITORY / name, sources / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
    built = run(
        *(sys.executable, "-m", "pip", "wheel", *QUIET, "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, sources),
        cwd=folder,
        # These tests need no dashboard; a checkout has one after `make dashboard` alone.
        WITHOUT_DASHBOARD="1",
    )
    assert built.returncode == 0, built.stderr
    [found] = folder.glob("*.whl")
    return found


def environment_with(requirement: str, folder: Path) -> Path:
    """Return the `bin` folder of a new environment with the requirement and what it needs."""
    made = run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    assert made.returncode == 0, made.stderr
    constraints = ("-c", REPOSITORY / "constraints.txt")
    done = run(folder / "bin" / "pip", "install", *QUIET, "--no-compile", *constraints, requirement, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The `bin` folder of an environment with nothing but the wheel and its own requirements."""
    return environment_with(str(wheel), wheel.parent / "bare")


@pytest.fixture(scope="module")
def server(wheel: Path) -> Path:
    """The `bin` folder of an environment with the extra `server` besides, as in the image of the API."""
    return environment_with(f"{wheel}[server]", wheel.parent / "server")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The API over a database of this module's own."""
    with run_live_server(tmp_path_factory.mktemp("deployment")) as running:
        yield running


def test_cellgate_is_all_that_becomes_importable(installed: Path, tmp_path: Path) -> None:
    code = "import pkgutil; print(*{module.name for module in pkgutil.iter_modules()})"
    names = set(run(installed / "python", "-I", "-c", code, cwd=tmp_path).stdout.split())

    assert "cellgate" in names
    assert names & {*SERVER, "tests", "bench", "scripts", "sqlalchemy", "fastapi", "torch"} == set()


def test_version_and_help_work(installed: Path, tmp_path: Path) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]

    assert run(installed / "cellgate", "--version", cwd=tmp_path).stdout == f"cellgate {version}\n"
    shown = run(installed / "cellgate", "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert "run-worker" in shown.stdout


def test_a_build_machine_submits_watches_and_fetches(installed: Path, context: LiveServer, tmp_path: Path) -> None:
    # given a server with a finished experiment
    dataset = context.dataset()
    context.trainers().work()
    experiment = context.experiment(dataset, "finished")
    context.trainers().work()
    cellgate = (installed / "cellgate", "--server", context.url)

    # when the command line and the client are used against it
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: submitted\nseeds: [7]\n")
    submitted = run(*cellgate, "submit", spec, "--dataset", dataset, cwd=tmp_path)
    watched = run(*cellgate, "watch", experiment, cwd=tmp_path)
    fetched = run(*cellgate, "report", experiment, "--out", tmp_path / "report.json", cwd=tmp_path)
    verified = run(*cellgate, "decision", "verify", experiment, cwd=tmp_path)
    code = f"from cellgate import Client; print(Client({context.url!r}).decision({experiment!r}).outcome)"
    decided = run(installed / "python", "-c", code, cwd=tmp_path)

    # then each does its work; the decision is recomputed by the rules that the wheel carries
    assert (submitted.returncode, watched.returncode, fetched.returncode) == (0, 0, 0), submitted.stderr
    assert (tmp_path / "report.json").stat().st_size > 1000
    assert "byte for byte" in verified.stdout, verified.stderr
    assert decided.stdout == "ensemble\n", decided.stderr


@pytest.mark.parametrize(
    ("arguments", "install"),
    [
        (("up", "--help"), "cellgate[server,worker,embedded]"),
        (("serve",), "cellgate[server]"),
        (("token", "ls"), "cellgate[server]"),
        (("run-worker",), "cellgate[worker]"),
        (("predict", "bundle", "file.c"), "cellgate[worker]"),
        (("bundle", "check", "bundle"), "cellgate[worker]"),
    ],
)
def test_a_command_that_needs_an_extra_names_it(
    installed: Path, tmp_path: Path, arguments: tuple[str, ...], install: str
) -> None:
    ended = run(installed / "cellgate", *arguments, cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"pip install '{install}'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_extra_server_is_enough_for_the_api_and_the_reconciler(server: Path, tmp_path: Path) -> None:
    # both import everything that they use before they miss a broker
    assert run(server / "cellgate", "migrate", cwd=tmp_path).returncode == 0
    for command in ("serve", "run-reconciler"):
        ended = run(server / "cellgate", command, cwd=tmp_path)
        assert ended.returncode == 2, ended.stderr
        assert "CELLGATE_REDIS_URL is not set" in ended.stderr


def test_up_without_the_extra_worker_names_it_and_what_does_without(server: Path, tmp_path: Path) -> None:
    refused = run(server / "cellgate", "up", cwd=tmp_path)

    assert refused.returncode == 2
    assert "cellgate[worker]" in refused.stderr
    assert "--no-worker" in refused.stderr
