"""Experiments in every state that the dashboard shows, with names that try its layout."""

from dataclasses import dataclass
from typing import Any

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.results import Collapse, RunResult
from cellgate.contract.states import FailureReason
from service.domain.principals import NOBODY
from service.store.claims import Claim
from service.store.experiments import cancel_experiment
from service.store.gate_decision import overrule, waive_check
from service.store.metadata import change_metadata
from service.store.more_seeds import add_seeds
from service.store.retries import retry_run
from service.store.run_actions import cancel_run, pause_run
from service.store.tables import ExperimentRow
from tests.fakes import F1s, FakeTrainers
from tests.live_server import LiveServer
from tests.state_matrix import LONG, MARKUP, RIGHT_TO_LEFT

SEEDS = [0, 1]
HEALTHY: F1s = {
    "transformer": [0.90, 0.91],
    "gnn": [0.88, 0.89],
    "ensemble": [0.93, 0.94],
    "fusion": [0.95, 0.95],
}
GNN_BEST: F1s = {**HEALTHY, "gnn": [0.97, 0.98]}
NEEDS_FUSION: F1s = {**HEALTHY, "transformer": [0.87, 0.88], "gnn": [0.86, 0.87], "ensemble": [0.88, 0.89]}
NEAR: F1s = {**HEALTHY, "ensemble": [0.898, 0.904]}
WEAK: F1s = {**HEALTHY, "transformer": [0.50, 0.50], "gnn": [0.60, 0.60], "ensemble": [0.55, 0.55]}
TWENTY: F1s = {option: [0.90 + 0.001 * seed for seed in range(20)] for option in HEALTHY}
COLLAPSE = Collapse(type="single_class", component="logits", step=40, detail="every function is called safe")


@dataclass(frozen=True, kw_only=True)
class States:
    """What was made.

    Args:
        experiments: Id of the experiment, by the name of its state.
        datasets: Id of the data set, likewise.
        runs: Id of a run that a state is about.
    """

    experiments: dict[str, str]
    datasets: dict[str, str]
    runs: dict[str, str]


def make_states(server: LiveServer) -> States:
    """Bring an experiment into each state: those that have ended first, since trainers take whatever is queued."""
    return _Maker(server).all()


class _Maker:
    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.states = States(experiments={}, datasets={}, runs={})
        self.priority = 0

    def all(self) -> States:
        self.states.datasets["ready"] = self.server.dataset("functions")
        self.server.trainers().work()
        self.ended()
        self.spoiled()
        self.changed()
        self.moving()
        return self.states

    def ended(self) -> None:
        """Those that decided by themselves."""
        named = {"long": LONG, "right to left": RIGHT_TO_LEFT, "markup": MARKUP}
        for state in ("ships the ensemble", *named):
            self.make(state, HEALTHY, name=named.get(state, state))
        self.make("ships the graph network", GNN_BEST)
        self.make("ships fusion", NEEDS_FUSION)
        self.make("borderline", NEAR)
        self.make("improve", WEAK)
        self.make("twenty seeds", TWENTY, seeds=list(range(20)))

    def spoiled(self) -> None:
        """Those in which something went wrong."""
        self.make("broken", HEALTHY, failing={(Cell.TRANSFORMER, 0), (Cell.GNN, 1)})
        self.make("failed", HEALTHY, failing={(Cell.PREFLIGHT, 0)})
        self.make("collapsed", HEALTHY, corrupt=_collapsed)
        unprepared = self.server.dataset("damaged")
        self.states.datasets["failed"] = unprepared
        self.make("without data", HEALTHY, dataset=unprepared, failing={(Cell.PREPARE, 0)})

    def changed(self) -> None:
        """Those that a person had a word in."""
        overruled, waived = self.make("overruled", WEAK), self.make("waived", WEAK)
        extended, archived = self.make("with two seeds", NEAR), self.make("archived", HEALTHY)
        with self.server.database.begin() as session:
            overrule(session, overruled, outcome="single", option="gnn", reason="good enough for triage", by="anna")
            for check in ("mean_f1_transformer", "mean_f1_gnn"):
                reason = "the budget has ended"
                waive_check(session, waived, check=check, reason=reason, by="anna", artifacts=self.server.artifacts)
            self.states.experiments["extended"] = add_seeds(session, extended, [2], owner=NOBODY).id
            change_metadata(session, ExperimentRow, archived, {"archived": True})
        self.trainers({option: [*f1s, f1s[-1]] for option, f1s in NEAR.items()}).work()
        cancelled = self.start("cancelled", seeds=SEEDS)
        with self.server.database.begin() as session:
            cancel_experiment(session, cancelled)

    def moving(self) -> None:
        """Those that go on, each at a higher priority than the one before, so that its own runs come first."""
        self.start("nobody serves its queue", queue="gpu")
        self.start("running the text model")
        trainers = self.server.trainers(HEALTHY)
        trainers.work(limit=1)
        self.states.runs["running"] = trainers.begin_one().run_id
        fusing = self.start("running fusion")
        self.trainers(NEEDS_FUSION).work(limit=6)
        trainers.begin_one()
        paused = self.start("paused")
        trainers.work(limit=1)
        stopped = self.start("one seed cancelled")
        trainers.work(limit=1)
        again = self.start("tried again")
        trainers.work(limit=1)
        trainers.failing = {(Cell.TRANSFORMER, 0): (FailureReason.OUT_OF_MEMORY, 75)}
        trainers.work(limit=1)
        self.states.runs.update(fusion=self.server.run_of(fusing, "53", 0), failed=self.server.run_of(again, "51", 0))
        with self.server.database.begin() as session:
            for step in ("51", "52"):
                for seed in SEEDS:
                    pause_run(session, self.server.run_of(paused, step, seed))
            cancel_run(session, self.server.run_of(stopped, "51", 1))
            retry_run(session, self.states.runs["failed"])
        self.states.datasets["preparing"] = self.server.dataset("new functions")
        self.start("waits for its data", dataset=self.states.datasets["preparing"])

    def make(self, state: str, f1s: F1s, *, name: str | None = None, **given: Any) -> str:
        """Make an experiment and run all of it."""
        failing, corrupt = given.pop("failing", ()), given.pop("corrupt", None)
        made = self.start(state, name=name, **given)
        trainers = self.trainers(f1s)
        trainers.failing = dict.fromkeys(failing, (FailureReason.INTERNAL_ERROR, 70))
        if corrupt is not None:
            trainers.corrupt = corrupt
        trainers.work()
        return made

    def start(self, state: str, *, name: str | None = None, dataset: str | None = None, **spec: Any) -> str:
        """Make an experiment whose runs come before all others'."""
        self.priority += 1
        wanted = ExperimentSpec.model_validate({"seeds": SEEDS, "priority": self.priority, **spec})
        made = self.server.experiment(dataset or self.states.datasets["ready"], name or state, wanted)
        self.states.experiments[state] = made
        return made

    def trainers(self, f1s: F1s) -> FakeTrainers:
        """Return trainers that know what each seed reaches; they say nothing of the way there, which takes long."""
        return FakeTrainers(self.server.database, self.server.artifacts, f1s)


def _collapsed(claim: Claim, found: RunResult) -> RunResult:
    return found.model_copy(update={"collapses": [COLLAPSE]}) if claim.cell is Cell.TRANSFORMER else found
