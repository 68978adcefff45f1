"""The asynchronous client can do on the real API all that the other one can."""

import asyncio
import inspect
import json
from pathlib import Path

import pytest

from cellgate.client._async.client import AsyncClient
from cellgate.client._sync.client import Client
from cellgate.client.errors import Refused, ServerAway
from cellgate.contract.api.experiments import ExperimentAnswer
from tests.live_server import LiveServer, run_live_server


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(of: type) -> dict[str, list[str]]:
        found = inspect.getmembers(of, inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in found if name[0] != "_"}

    assert methods(AsyncClient) == methods(Client)


def test_an_experiment_is_submitted_followed_and_read(tmp_path: Path) -> None:
    with run_live_server(tmp_path) as context:
        assert asyncio.run(_main_job(context)) == ["preflight", "succeeded"]


async def _main_job(context: LiveServer) -> list[str]:
    async with AsyncClient(context.url) as client:
        source = context.data / "functions.jsonl"
        rows = [{"func": f"int f(void) {{ return {n}; }}", "target": n % 2} for n in range(4)]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        dataset = await client.add_dataset({"name": "made", "source": str(source)})
        context.trainers().work()
        wanted = {"name": "question", "dataset": dataset.id, "seeds": [0, 1], "labels": {"team": "core"}}
        submitted = await client.submit_experiment(wanted)
        states: list[str] = []
        training: asyncio.Task[None] | None = None
        follow = client.follow(
            f"/v1/experiments/{submitted.id}", ExperimentAnswer, ended=lambda found: found.state.terminal
        )
        async for found in follow:
            if not states or states[-1] != found.state.value:
                states.append(found.state.value)
            if training is None:
                # The trainers work while we wait for what they change.
                training = asyncio.create_task(asyncio.to_thread(context.trainers().work))
        assert training is not None
        await training
        assert [one.id async for one in client.experiments(label="team:core")] == [submitted.id]
        assert [one.id async for one in client.datasets(state="failed")] == []
        runs = [run async for run in client.runs(experiment=submitted.id, cell=[51, 52])]
        assert len(runs) == 4
        assert (await client.experiment_status(submitted.id)).gate_verdict == (await client.gate(submitted.id)).verdict
        assert (await client.decision(submitted.id)).outcome == (await client.experiment(submitted.id)).outcome
        curves = await client.metrics(runs[0].id, keys=["train/loss"], max_points=8)
        # A curve that only falls needs the ends of both intervals alone.
        assert [(curve.key, curve.points, len(curve.steps)) for curve in curves.curves] == [("train/loss", 64, 4)]
        assert (await client.run_status(runs[0].id)).state == (await client.run(runs[0].id)).state == "succeeded"
        assert [worker.id for worker in await client.workers()] == ["worker-1"]
        with pytest.raises(Refused, match="has already succeeded"):
            await client.act("cancel", "runs", runs[0].id)
        return [states[0], states[-1]]


def test_where_nobody_answers_it_says_so() -> None:
    async def ask() -> None:
        async with AsyncClient("http://127.0.0.1:1", patience_s=0.2) as client:
            await client.workers()

    with pytest.raises(ServerAway, match=r"no answer from http://127\.0\.0\.1:1"):
        asyncio.run(ask())
