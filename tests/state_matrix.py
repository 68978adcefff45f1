"""Experiments in every state that a person meets, and names that are hard to show."""

from dataclasses import dataclass

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import FailureReason
from service.store.experiments import cancel_experiment, create_experiment
from tests.fakes import F1s
from tests.live_server import LiveServer

SPEC = ExperimentSpec(seeds=[0, 1])
LONG = "a name as long as they come " + 172 * "x"
RIGHT_TO_LEFT = "تجربة المحول الأولى"
MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"
REORDERED = "reordered \u202eeman a"
FUSION_GAINS: F1s = {"transformer": [0.86, 0.87], "gnn": [0.87, 0.88], "ensemble": [0.88, 0.89], "fusion": [0.92, 0.93]}
NEAR: F1s = {"transformer": [0.89, 0.88], "gnn": [0.88, 0.89], "ensemble": [0.902, 0.904], "fusion": [0.90, 0.90]}
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


def fill(server: LiveServer) -> Matrix:
    """Make a data set and an experiment in each state; nothing more is queued for the workers that serve `cpu`."""
    dataset = server.dataset("functions")
    server.trainers().work()
    made: dict[str, str] = {}

    def ended(name: str, f1s: F1s, key: str) -> str:
        made[key] = server.experiment(dataset, name, SPEC)
        server.trainers(f1s).work()
        return made[key]

    ended("fusion gains", FUSION_GAINS, "ships")
    ended("close to the line", NEAR, "borderline")
    ended("far from the gate", WEAK, "improve")
    for key, name in (("long", LONG), ("right to left", RIGHT_TO_LEFT), ("markup", MARKUP), ("reordered", REORDERED)):
        ended(name, FUSION_GAINS, key)
    made["broken"] = server.experiment(dataset, "one seed lost", SPEC)
    breaking = server.trainers()
    breaking.failing = {(Cell.GNN, 1): (FailureReason.COLLAPSE, 5)}
    breaking.work()
    made["stopped"] = server.experiment(dataset, "given up", SPEC)
    with server.database.begin() as session:
        cancel_experiment(session, made["stopped"])
    made["unserved"] = server.experiment(dataset, "nobody serves it", ExperimentSpec(seeds=[0, 1], queue="gpu"))
    made["running"] = server.experiment(dataset, "half way", ExperimentSpec(seeds=list(range(20))))
    trainers = server.trainers()
    trainers.work(limit=1)
    trainers.begin_one()
    return Matrix(dataset=dataset, experiments=made)


def crowd(server: LiveServer, dataset: str, count: int) -> list[str]:
    """Return ids of so many more experiments, oldest first, which nobody serves."""
    spec = ExperimentSpec(seeds=[0], queue="gpu")
    with server.database.begin() as session:
        return [
            create_experiment(session, name=f"one of many {number:04}", dataset_id=dataset, spec=spec).id
            for number in range(count)
        ]
