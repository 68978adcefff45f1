"""Names, messages and output of others on the command line: nothing in them acts on the terminal or hides."""

import json

import httpx
import pytest

from cellgate.client.errors import Refused
from cellgate.contract.api.problem import MistakeAnswer, Problem
from cellgate.contract.states import FailureReason
from service.store.claims import claim_next
from service.store.lifecycle import fail, mark_running
from service.store.recorder import record_log
from tests.hostile_text import EVERYTHING, HOSTILE, hidden_characters
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer


@pytest.fixture(scope="module")
def hostile_run(context: LiveServer) -> str:
    """The run of a data set with a hostile name, which failed with a hostile message and output."""
    context.dataset(f"set {EVERYTHING}")
    with context.database.begin() as session:
        claim = claim_next(session, worker="worker-1", queues=["cpu"], lease_s=3600)
        assert claim is not None
        mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
        record_log(session, run_id=claim.run_id, attempt=claim.attempt, number=1, text=f"one\r\n{EVERYTHING}\r")
        record_log(session, run_id=claim.run_id, attempt=claim.attempt, number=2, text="\nlast\n")
        fail(
            session,
            run_id=claim.run_id,
            attempt=claim.attempt,
            reason=FailureReason.DATA_ERROR,
            detail=f"! {EVERYTHING}",
        )
    return claim.run_id


def test_tables_and_messages_show_escapes(hostile_run: str, context: LiveServer, cellgate: Cellgate) -> None:
    dataset = json.loads(cellgate("dataset", "ls", "--json").out)[0]
    experiment = context.experiment(dataset["id"], f"question {EVERYTHING}")
    for command in (
        ("dataset", "ls"),
        ("dataset", "show", dataset["id"]),
        ("ls",),
        ("show", experiment),
        ("show", hostile_run),
    ):
        done = cellgate(*command)
        assert hidden_characters(done.out + done.err, colours=True) == [], command
    assert "a\\x1b[31mred" in cellgate("ls").out


@pytest.mark.usefixtures("hostile_run")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_in_a_table_as_the_table_of_hostile_texts_has_it(
    name: str, context: LiveServer, cellgate: Cellgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Wide enough for every name on one line.
    monkeypatch.setenv("COLUMNS", "250")
    text, shown = HOSTILE[name]
    dataset = json.loads(cellgate("dataset", "ls", "--json").out)[0]["id"]
    context.experiment(dataset, f"<{text}>")
    assert f"<{shown}>" in cellgate("ls").out


@pytest.mark.usefixtures("hostile_run")
def test_json_keeps_the_text_and_hides_nothing(cellgate: Cellgate) -> None:
    out = cellgate("dataset", "ls", "--json").out
    assert f"set {EVERYTHING}" in [dataset["name"] for dataset in json.loads(out)]
    assert hidden_characters(out) == []


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_output_of_a_run_is_shown_with_escapes_unless_it_is_asked_for_raw(
    follow: list[str], hostile_run: str, cellgate: Cellgate
) -> None:
    shown = cellgate("logs", hostile_run, *follow).out
    assert hidden_characters(shown) == []
    assert shown.startswith("one\n")
    assert shown.endswith("\nlast\n")
    assert "\x1b[31mred" in cellgate("logs", hostile_run, *follow, "--raw").out


def test_errors_of_a_server_are_shown_with_escapes(cellgate: Cellgate, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(status=422, detail=EVERYTHING, errors=[MistakeAnswer(pointer=EVERYTHING, detail=EVERYTHING)])

    def refuse(*_: object, **__: object) -> httpx.Response:
        raise Refused(problem)

    monkeypatch.setattr("cellgate.client._sync.connection.checked", refuse)
    done = cellgate("ls")
    assert done.code == 3
    assert hidden_characters(done.err, colours=True) == []


def test_wrong_usage_is_told_with_escapes(cellgate: Cellgate) -> None:
    done = cellgate("ls", server=f"http:/{EVERYTHING}")
    assert done.code == 2
    assert hidden_characters(done.err, colours=True) == []
