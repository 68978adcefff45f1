"""`Client().experiment(name)`: what one asks of an experiment from Python, with either client."""

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest

from cellgate import AsyncClient, Client, NotIdentified
from cellgate.client.frames import CurvePoint
from cellgate.contract.conclusion import Outcome
from tests.live_server import LiveServer


def test_an_experiment_is_asked_by_its_name(context: LiveServer, finished: str) -> None:
    with Client(context.url) as client:
        found = client.experiment("finished")

        assert found.id == finished
        assert found.wait().conclusion is not None
        assert found.gate().verdict == "pass"
        assert found.decision().outcome == "ensemble"
        assert [(run.cell, run.seed) for run in found.runs()] == [
            *[("preflight", 0), (51, 0), (51, 1)],
            *[(52, 0), (52, 1), (54, 0)],
        ]
        assert all(run.result is not None for run in found.runs())
        with pytest.raises(NotIdentified):
            client.experiment("nobody's")


def test_curves_are_points_of_every_trained_seed(context: LiveServer, finished: str) -> None:
    with Client(context.url) as client:
        points = client.experiment(finished).curves("dev/f1")

    assert {(point.cell, point.seed) for point in points} == {(51, 0), (51, 1), (52, 0), (52, 1)}
    assert {point.key for point in points} == {"dev/f1"}
    assert [point.step for point in points if point.seed == 0 and point.cell == 51] == list(range(40, 321, 40))


def test_curves_are_a_data_frame_where_pandas_is_installed(
    context: LiveServer, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, Any]] = []
    pandas = ModuleType("pandas")
    pandas.__spec__ = sys.__spec__
    monkeypatch.setattr(pandas, "DataFrame", lambda rows, columns: made.append((rows, columns)), raising=False)
    monkeypatch.setitem(sys.modules, "pandas", pandas)

    with Client(context.url) as client:
        client.experiment(finished).curves("dev/f1", max_points=4)

    [(rows, columns)] = made
    assert columns == CurvePoint._fields == ("cell", "seed", "run", "key", "step", "value")
    assert {row.seed for row in rows} == {0, 1}


def test_the_asynchronous_client_waits_until_it_has_ended(context: LiveServer, ready_dataset: str) -> None:
    submitted = context.experiment(ready_dataset, "awaited")

    async def ask() -> tuple[str, Outcome | None]:
        async with AsyncClient(context.url) as client:
            ended = await (await client.experiment("awaited")).wait()
            await ended.gate()
            return ended.id, ended.conclusion and ended.conclusion.outcome

    with context.trainers().at_work():
        assert asyncio.run(ask()) == (submitted, Outcome.SHIPS)
