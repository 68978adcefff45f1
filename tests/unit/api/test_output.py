"""What a run printed: whole, a range of its bytes, or by pieces; and every try at it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cellgate.contract.states import FailureReason
from service.store import lifecycle, run_actions
from service.store.claims import Claim
from service.store.recorder import record_checkpoint, record_log
from tests.api_client import Api, assert_refused, begin, get

TEXTS = ["loading…\n", "", "Größe: 3\n", "🦉 done\n", "plain\n"]
WHOLE = "".join(TEXTS).encode()
JSON = {"Accept": "application/json"}


def printed(api: Api, texts: list[str]) -> Claim:
    """Return a running run that has printed these chunks."""
    api.dataset()
    claim = begin(api)
    for number, text in enumerate(texts, start=1):
        say(api, claim, number, text)
    return claim


def say(api: Api, claim: Claim, number: int, text: str) -> None:
    with api.database.begin() as session:
        assert record_log(session, run_id=claim.run_id, attempt=claim.attempt, number=number, text=text)


def end(api: Api, claim: Claim) -> None:
    with api.database.begin() as session:
        run_actions.cancel_run(session, claim.run_id)
        lifecycle.cancelled(session, run_id=claim.run_id, attempt=claim.attempt)


def ranges() -> st.SearchStrategy[str]:
    at = st.integers(0, len(WHOLE) + 5)
    return st.one_of(
        st.tuples(at, at).map(lambda pair: f"bytes={min(pair)}-{max(pair)}"),
        at.map(lambda first: f"bytes={first}-"),
        at.map(lambda last: f"bytes=-{last}"),
    )


def expected(byte_range: str) -> bytes:
    first, last = byte_range.removeprefix("bytes=").split("-")
    if not first:
        return WHOLE[max(len(WHOLE) - int(last), 0) :]
    return WHOLE[int(first) : int(last) + 1 if last else None]


def test_any_range_is_a_slice_of_the_bytes_of_the_whole_text(api: Api) -> None:
    path = f"/v1/runs/{printed(api, TEXTS).run_id}/logs"
    assert api.client.get(path).content == WHOLE

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ranges())
    @example(f"bytes={len(WHOLE) - 1}-")
    @example(f"bytes={len(WHOLE)}-")
    @example("bytes=6-6")
    @example("bytes=-0")
    def check(byte_range: str) -> None:
        answer = api.client.get(path, headers={"Range": byte_range})
        if part := expected(byte_range):
            begins = len(WHOLE) - len(part) if byte_range.startswith("bytes=-") else int(byte_range[6:].split("-")[0])
            assert (answer.status_code, answer.content) == (206, part)
            assert answer.headers["Content-Range"] == f"bytes {begins}-{begins + len(part) - 1}/{len(WHOLE)}"
            assert answer.headers["Accept-Ranges"] == "bytes"
        else:
            assert_refused(answer, status=416, code="range_not_satisfiable", pointers=[])
            assert answer.headers["Content-Range"] == f"bytes */{len(WHOLE)}"

    check()


@pytest.mark.parametrize("byte_range", ["bytes=0-1,3-4", "bytes=5-2", "bytes=-", "lines=1-2", "bytes=x-"])
def test_what_is_no_single_range_gets_the_whole(api: Api, byte_range: str) -> None:
    answer = api.client.get(f"/v1/runs/{printed(api, TEXTS).run_id}/logs", headers={"Range": byte_range})

    assert (answer.status_code, answer.content) == (200, WHOLE)


def test_only_the_output_of_an_ended_run_has_a_tag_and_what_is_held_is_not_sent_again(api: Api) -> None:
    claim = printed(api, TEXTS)
    path = f"/v1/runs/{claim.run_id}/logs"
    assert "ETag" not in api.client.get(path).headers
    end(api, claim)

    tag = api.client.get(path).headers["ETag"]
    held = api.client.get(path, headers={"If-None-Match": tag})
    part = api.client.get(path, headers={"Range": "bytes=0-3", "If-Range": tag})
    other = api.client.get(path, headers={"Range": "bytes=0-3", "If-Range": '"other"'})

    assert (held.status_code, held.content) == (304, b"")
    assert (part.status_code, part.content) == (206, WHOLE[:4])
    assert (other.status_code, other.content) == (200, WHOLE)


def test_a_range_of_output_that_may_still_grow_is_not_given_on_a_condition(api: Api) -> None:
    path = f"/v1/runs/{printed(api, TEXTS).run_id}/logs"

    assert api.client.get(path, headers={"Range": "bytes=0-3", "If-Range": '"held"'}).status_code == 200


def test_pieces_are_read_one_after_the_other_until_the_run_has_ended(api: Api) -> None:
    claim = printed(api, TEXTS)
    path = f"/v1/runs/{claim.run_id}/logs"

    first = api.client.get(f"{path}?limit=3", headers=JSON).json()
    rest = api.client.get(f"{path}?limit=3&after={first['next']}", headers=JSON).json()
    nothing = api.client.get(f"{path}?after={rest['next']}", headers=JSON).json()
    say(api, claim, 6, "last\n")
    end(api, claim)
    last = api.client.get(f"{path}?after={nothing['next']}", headers=JSON).json()

    assert [chunk["text"] for chunk in first["chunks"] + rest["chunks"]] == TEXTS
    assert [chunk["number"] for chunk in first["chunks"]] == [1, 2, 3]
    assert (nothing["chunks"], nothing["next"], nothing["ended"]) == ([], rest["next"], False)
    assert ([chunk["text"] for chunk in last["chunks"]], last["ended"]) == (["last\n"], True)
    assert not api.client.get(f"{path}?limit=3", headers=JSON).json()["ended"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/plain; charset=utf-8"),
        ("application/json", "application/json"),
        ("text/plain;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, text/plain", "text/plain; charset=utf-8"),
    ],
)
def test_output_is_text_unless_json_is_preferred(api: Api, accept: str, kind: str) -> None:
    answer = api.client.get(f"/v1/runs/{printed(api, ['x']).run_id}/logs", headers={"Accept": accept})

    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == (kind, "Accept")


def test_text_does_not_come_by_pieces(api: Api) -> None:
    answer = api.client.get(f"/v1/runs/{printed(api, ['x']).run_id}/logs?after=1.1&limit=3")

    assert_refused(answer, status=422, code="invalid_spec", pointers=["#query/after", "#query/limit"])


def test_every_try_at_a_run_is_reported(api: Api) -> None:
    claim = printed(api, ["x"])
    with api.database.begin() as session:
        record_checkpoint(session, run_id=claim.run_id, attempt=1, path=f"{claim.path}/checkpoint", step=40)
        lifecycle.fail(
            session, run_id=claim.run_id, attempt=1, reason=FailureReason.DATA_ERROR, detail="bad", exit_code=4
        )

    tries: list[dict[str, Any]] = get(api, f"/v1/runs/{claim.run_id}/attempts")

    assert [(one["attempt"], one["worker"], one["checkpoint_step"]) for one in tries] == [(1, "worker-1", 40)]
    assert (tries[0]["outcome"], tries[0]["exit_code"]) == ("failed", 4)
    assert tries[0]["finished_at"] > tries[0]["started_at"]


@pytest.mark.parametrize("of", ["attempts", "logs", "logs/stream", "events/stream"])
def test_what_a_run_reported_that_is_not_there_is_not_found(api: Api, of: str) -> None:
    answer = api.client.get(f"/v1/runs/run_{'0' * 26}/{of}")

    assert_refused(answer, status=404, code="not_found", pointers=[])


def test_a_stream_of_an_ended_run_tells_all_and_ends(api: Api) -> None:
    claim = printed(api, TEXTS)
    end(api, claim)

    lines = api.client.get(f"/v1/runs/{claim.run_id}/logs/stream", headers={"Last-Event-ID": "1.3"}).text.split("\n")

    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line for line in lines if line.startswith(("id", "event"))] == [
        "event: log",
        "id: 1.4",
        "event: log",
        "id: 1.5",
        "event: end",
    ]
    assert [item["text"] for item in data[:-1]] == TEXTS[3:]
    assert data[-1] == {"run": claim.run_id, "state": "cancelled"}


def test_a_stream_is_not_begun_after_what_is_no_cursor(api: Api) -> None:
    answer = api.client.get(f"/v1/runs/{printed(api, []).run_id}/logs/stream", headers={"Last-Event-ID": "yesterday"})

    assert_refused(answer, status=422, code="invalid_request", pointers=["#header/Last-Event-ID"])
