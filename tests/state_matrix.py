"""Experiments in every state that a person meets, and names that are hard to show."""

from dataclasses import dataclass

from sqlalchemy import insert, select

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import FailureReason
from service.store.experiments import cancel_experiment, create_experiment
from service.store.lookup import new_id
from service.store.tables import ExperimentRow
from tests.fakes import F1s, FakeTrainers
from tests.live_server import LiveServer

SPEC = ExperimentSpec(seeds=[0, 1])
LONG = "a name as long as they come " + 172 * "x"
RIGHT_TO_LEFT = "تجربة المحول الأولى"
MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"
REORDERED = "reordered \u202eeman a"
FUSION_GAINS: F1s = {"transformer": [0.86, 0.87], "gnn": [0.87, 0.88], "ensemble": [0.88, 0.89], "fusion": [0.92, 0.93]}
NEAR: F1s = {"transformer": [0.89, 0.88], "gnn": [0.88, 0.89], "ensemble": [0.902, 0.904], "fusion": [0.90, 0.90]}
# What runs half way stays there: other experiments' runs are claimed first.
LAST = -100
ENDED = ("outcome", "conclusion", "concluded_at", "finished_at", "took_s")
WEAK: F1s = {"transformer": [0.71, 0.72], "gnn": [0.70, 0.72], "ensemble": [0.73, 0.74], "fusion": [0.73, 0.74]}


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """What was made; experiments by what came of them or what they wait for.

    Args:
        dataset: A data set that is ready.
        experiments: Their ids.
    """

    dataset: str
    experiments: dict[str, str]


def fill(server: LiveServer, *, others: int = 0) -> Matrix:
    """Make a data set and an experiment in each state, and before them so many others."""
    dataset = server.dataset("functions")
    server.trainers().work()
    crowd(server, dataset, others)
    made: dict[str, str] = {}
    for key, name, f1s in (
        ("ships", LONG, FUSION_GAINS),
        ("borderline", RIGHT_TO_LEFT, NEAR),
        ("improve", "far from the gate", WEAK),
        ("broken", "one seed lost", WEAK),
    ):
        made[key] = server.experiment(dataset, name, SPEC)
        # Without curves, which nothing here shows.
        trainers = FakeTrainers(server.database, server.artifacts, f1s)
        if key == "broken":
            trainers.failing = {(Cell.GNN, 1): (FailureReason.COLLAPSE, 5)}
        trainers.work()
    with server.database.begin() as session:
        for key, name in (("stopped", MARKUP), ("reordered", REORDERED)):
            made[key] = create_experiment(session, name=name, dataset_id=dataset, spec=SPEC).id
            cancel_experiment(session, made[key])
    made["unserved"] = server.experiment(dataset, "nobody serves it", ExperimentSpec(seeds=[0, 1], queue="gpu"))
    made["running"] = server.experiment(dataset, "half way", ExperimentSpec(seeds=list(range(20)), priority=LAST))
    at_work = server.trainers()
    at_work.work(limit=1)
    at_work.begin_one()
    return Matrix(dataset=dataset, experiments=made)


def crowd(server: LiveServer, dataset: str, count: int) -> None:
    """Make so many experiments as if they waited for their data set, by copying rows: nothing of them is queued."""
    with server.database.begin() as session:
        template = create_experiment(session, name="one of many", dataset_id=dataset, spec=SPEC).id
        cancel_experiment(session, template)
        table = ExperimentRow.__table__
        copied = dict(session.execute(select(table).where(table.c.id == template)).mappings().one())
        as_waiting = {"state": "waiting", **dict.fromkeys(ENDED)}
        copies = [
            {**copied, **as_waiting, "id": new_id("exp"), "name": f"one of many {number:04}"} for number in range(count)
        ]
        session.execute(insert(ExperimentRow), copies)
