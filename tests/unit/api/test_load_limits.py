"""What one request may cost the service: its answer's size, its body's shape, its share of threads and statements."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from fastapi import Request, Response
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from cellgate.client.errors import Refused
from cellgate.contract.api.problem import Problem
from service.api.buffers import BodyBuffers
from service.api.connection_errors import ServerBusy
from service.api.json_shape import JsonShape, shape_of
from service.api.turns import QUEUED_PER_TURN, HeavyReads
from service.settings import Settings
from service.store.database import Database
from service.store.statement_limits import took_too_long
from service.telemetry.metrics import SHARED_S, Telemetry
from tests.api_client import Api, RecordingNotifier, assert_refused


def test_a_problem_lists_the_first_mistakes_and_counts_the_others(api: Api) -> None:
    body = {"name": "q", "dataset": "ds_" + "0" * 26} | {f"field{number:05}": 0 for number in range(1_500)}

    answer = api.client.post("/v1/experiments", json=body)

    pointers = [f"/field{number:05}" for number in range(50)]
    problem = assert_refused(answer, status=422, code="invalid_request", pointers=pointers)
    assert problem["errors_left_out"] == 1_450
    assert problem["detail"] == "the request has 1500 mistakes; nothing was done"
    assert len(answer.content) < 10_000


def test_the_number_of_mistakes_that_are_listed_is_a_setting(api: Api) -> None:
    assert api.settings.max_mistakes == 50
    problem = api.client.post("/v1/experiments", json={"seeds": [0, 0]}).json()
    assert problem["errors_left_out"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {"n" * 500_000: 0},
        {"name": "q", "dataset": "d" * 500_000},
        {"name": ["v" * 500_000]},
    ],
    ids=["a name", "a value", "a value in a list"],
)
def test_a_problem_does_not_repeat_long_texts(body: dict[str, object], api: Api) -> None:
    answer = api.client.post("/v1/experiments", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


def test_the_client_says_how_many_mistakes_were_left_out() -> None:
    problem = Problem(status=422, detail="the request has 61 mistakes", errors_left_out=11)
    assert str(Refused(problem)) == "the request has 61 mistakes\n  and 11 more"


@pytest.mark.parametrize(
    ("text", "values", "members", "depth"),
    [
        (b"", 1, 0, 0),
        (b"null", 1, 0, 0),
        (b"[1, 2, 3]", 4, 0, 1),
        (b'{"a": {"b": [0, {}]}}', 6, 2, 4),
        (b'["[[[[,,,,", "\\"[[[,::"]', 3, 0, 1),
        (b'["\\\\", [[0]]]', 5, 0, 3),
        (b'"[[[[[', 1, 0, 0),
        (b"[" * 10, 11, 0, 10),
    ],
)
def test_depth_values_and_members_are_counted_outside_of_strings(
    text: bytes, values: int, members: int, depth: int
) -> None:
    assert shape_of(text, most_values=100) == JsonShape(values=values, members=members, depth=depth)


def test_a_body_with_more_members_than_any_spec_is_refused_before_each_becomes_a_mistake(api: Api) -> None:
    def post(number: int) -> Any:
        return api.client.post("/v1/experiments", json={f"field{n}": 0 for n in range(number)})

    assert_refused(post(2_001), status=413, code="body_too_complex", pointers=[])
    counted = post(2_000).json()
    assert (len(counted["errors"]), counted["errors_left_out"]) == (50, 1_952)


@pytest.mark.parametrize("text", [b'"' * 1_000_001, b'"' + b"\\\\" * 500_000, b'"\\' * 500_000, b"[" * 1_000_000])
def test_hostile_text_of_a_megabyte_is_counted_quickly(text: bytes) -> None:
    begun = time.process_time()
    shape_of(text, most_values=1000)
    assert time.process_time() - begun < 2


def test_bodies_share_what_they_may_hold_and_give_it_back() -> None:
    buffers = BodyBuffers(100)
    with buffers.of_request() as first, buffers.of_request() as second:
        first.add(60)
        second.add(40)
        with pytest.raises(ServerBusy):
            first.add(1)
    assert buffers.held_bytes == 0


def request(path: str, method: str = "GET", query: bytes = b"", *, held: bool = False) -> Request:
    headers = [(b"if-none-match", b'W/"run_1-1"')] if held else []
    return Request({"type": "http", "path": path, "method": method, "query_string": query, "headers": headers})


@dataclass
class Work:
    """Answers that wait until they are released."""

    at_work: int = 0
    most_at_work: int = 0

    def __post_init__(self) -> None:
        self.released = asyncio.Event()

    async def answer(self, _: Request) -> Response:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        await self.released.wait()
        self.at_work -= 1
        return Response()

    async def answer_in_turn(self, reads: HeavyReads, asked: Request) -> Response:
        """Answer a request as the middleware does."""
        turn = await reads.turn_of(asked)
        try:
            return await self.answer(asked)
        finally:
            turn.end()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_only_so_many_heavy_reads_are_at_work_and_the_others_wait() -> None:
    async def scenario() -> Work:
        work, reads = Work(), HeavyReads(2)
        asked = [asyncio.create_task(work.answer_in_turn(reads, request("/v1/usage"))) for _ in range(10)]
        await settled()
        work.released.set()
        await asyncio.gather(*asked)
        return work

    assert asyncio.run(scenario()).most_at_work == 2


def test_beyond_a_queue_heavy_reads_are_refused_and_other_requests_are_not() -> None:
    async def scenario() -> None:
        work, reads = Work(), HeavyReads(1)
        answer = partial(work.answer_in_turn, reads)
        asked = [asyncio.create_task(answer(request("/metrics"))) for _ in range(1 + QUEUED_PER_TURN)]
        await settled()
        with pytest.raises(ServerBusy):
            await answer(request("/v1/experiments"))
        # These are answered at once: they wait for no change.
        for query in (b"wait=0", b"wait=20", b"wait="):
            with pytest.raises(ServerBusy):
                await answer(request("/v1/runs/run_1/metrics", query=query, held=query == b"wait=0"))
        for path in ("/v1/audit", "/v1/uploads"):
            with pytest.raises(ServerBusy):
                await answer(request(path))
        others = [
            request("/livez"),
            request("/readyz"),
            request("/v1/experiments", "POST"),
            request("/v1/runs/run_1/status"),
            request("/v1/runs/run_1/metrics", query=b"wait=20", held=True),
        ]
        asked += [asyncio.create_task(answer(other)) for other in others]
        await settled()
        assert work.at_work == 1 + len(others)
        work.released.set()
        await asyncio.gather(*asked)

    asyncio.run(scenario())


def test_however_many_scrape_the_metrics_are_made_once_a_second(settings: Settings) -> None:
    database, now = Database(settings.database), [0.0]
    telemetry = Telemetry(database, RecordingNotifier(), settings, clock=lambda: now[0])
    first = telemetry.page("")
    assert telemetry.page("") is first
    assert telemetry.page("application/openmetrics-text") is not first
    now[0] = SHARED_S
    assert telemetry.page("") is not first
    database.dispose()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def stopped(database: Database) -> OperationalError:
    with pytest.raises(OperationalError) as error, database.read() as session:
        session.execute(text(ENDLESS))
    return error.value


def test_a_statement_that_takes_too_long_is_stopped_and_the_connection_goes_on(settings: Settings) -> None:
    database = Database(settings.database, statement_timeout_s=0.05)
    assert took_too_long(stopped(database))
    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.dispose()


def test_a_statement_that_took_too_long_is_a_503_of_its_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(api.settings.database, statement_timeout_s=0.05)
    error = stopped(database)
    database.dispose()

    def fail(*_: object, **__: object) -> Callable[[], None]:
        raise error

    monkeypatch.setattr("service.api.routes.operations.queue_loads", fail)
    answer = api.client.get("/v1/queues")
    assert_refused(answer, status=503, code="query_timeout", pointers=[])
    assert int(answer.headers["Retry-After"]) > 0
