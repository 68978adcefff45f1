"""The gate on real rows and run folders, of experiments that were each corrupted in one way."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.gate import GateReport
from cellgate.contract.states import FailureReason
from service.store.database import Database
from service.store.experiments import create_experiment, get_experiment
from service.store.gate import build_gate_report
from service.store.tables import AttemptRow, DatasetRow, EventRow, ExperimentRow, RunRow
from tests.fakes import FakeTrainers, learning_rate, metrics, truncation

Result = dict[str, Any]


@dataclass(kw_only=True)
class Finished:
    """An experiment whose runs have ended; corruption happens on its rows and files.

    Args:
        run: Of cell 51, seed 0.
    """

    session: Session
    experiment: str
    dataset: str
    artifacts: Path
    run: RunRow

    @property
    def file(self) -> Path:
        """The run's result.json."""
        return self.artifacts / str(self.run.path) / "result.json"

    def set_run(self, **values: Any) -> None:
        """Change the run's row."""
        self.session.execute(update(RunRow).where(RunRow.id == self.run.id).values(**values))

    def rewrite(self, change: Callable[[Result], object], *, row_too: bool = True) -> None:
        """Change result.json, and what the row keeps of it."""
        body = json.loads(self.file.read_bytes())
        change(body)
        self.file.write_text(json.dumps(body))
        if row_too:
            self.set_run(result=body)

    def summarise(self, **values: Any) -> None:
        """Change what is known of the data set."""
        row = self.session.scalars(select(DatasetRow).where(DatasetRow.id == self.dataset)).one()
        changed = {**(row.summary or {}), **values}
        self.session.execute(update(DatasetRow).where(DatasetRow.id == self.dataset).values(summary=changed))


def gate_scores(f1: float, **changes: Any) -> Callable[[Finished], None]:
    scores = {**metrics(f1).model_dump(mode="json"), **changes}
    return lambda found: found.rewrite(lambda body: body["metrics"].update(gate=scores))


def rate(**changes: Any) -> Callable[[Finished], None]:
    return lambda found: found.rewrite(
        lambda body: body.update(learning_rate=learning_rate(**changes).model_dump(mode="json"))
    )


def field(**changes: Any) -> Callable[[Finished], None]:
    return lambda found: found.rewrite(lambda body: body.update(changes))


def lose_the_seed(found: Finished) -> None:
    for table in (EventRow, AttemptRow):
        found.session.execute(delete(table).where(table.run_id == found.run.id))
    found.session.execute(delete(RunRow).where(RunRow.id == found.run.id))


def cut_off(found: Finished) -> None:
    found.file.write_bytes(found.file.read_bytes()[:-40])


COLLAPSE = {"type": "constant_logits", "component": "logits", "step": 9, "detail": "all 0.1"}
CORRUPTIONS: dict[str, tuple[Callable[[Finished], None], str]] = {
    "a seed has no run": (lose_the_seed, "seeds_complete"),
    "a seed failed": (
        lambda found: found.set_run(state="failed", failure_reason=FailureReason.INTERNAL_ERROR.value, exit_code=70),
        "seeds_complete",
    ),
    "a seed was cancelled": (lambda found: found.set_run(state="cancelled", exit_code=None), "seeds_complete"),
    "the exit code is not 0": (lambda found: found.set_run(exit_code=6), "exit_codes"),
    "no exit code is known": (lambda found: found.set_run(exit_code=None), "exit_codes"),
    "a collapsed seed with a good F1": (field(collapses=[COLLAPSE]), "no_collapse"),
    "the mean F1 is exactly 0.85": (gate_scores(0.79), "mean_f1_transformer"),
    "one seed pulls the mean below": (gate_scores(0.40), "mean_f1_transformer"),
    "the gate split has no scores": (field(metrics={}), "metadata_valid"),
    "result.json is gone": (lambda found: found.file.unlink(), "metadata_valid"),
    "result.json is cut off": (cut_off, "metadata_valid"),
    "result.json is another schema's": (field(schema_version=2), "metadata_valid"),
    "result.json has a field too many": (field(extra=1), "metadata_valid"),
    "result.json has NaN": (
        lambda found: found.rewrite(lambda body: body["metrics"]["gate"].update(loss=float("nan")), row_too=False),
        "metadata_valid",
    ),
    "result.json was changed after the run": (
        lambda found: found.rewrite(lambda body: body["metrics"]["gate"].update(f1=0.99), row_too=False),
        "metadata_valid",
    ),
    "result.json is another seed's": (field(seed=7), "metadata_valid"),
    "a fusion run stands in place of a base": (field(cell=53), "metadata_valid"),
    "it was trained on another data set": (field(dataset_id="sha256:" + "0" * 64), "metadata_valid"),
    "the cache was not written": (rate(cache_verified=None, cache_key=None, source="fallback"), "lr_cache"),
    "the cache entry was not the same when re-read": (rate(cache_verified=False), "lr_cache"),
    "the cache is named but was not hit": (rate(source="cache", cache_hit=False), "lr_cache"),
    "two seeds have two rates under one key": (rate(learning_rate=3e-4), "lr_cache"),
    "no learning rate is on record": (field(learning_rate=None), "lr_cache"),
}
WARNINGS: dict[str, tuple[Callable[[Finished], None], str]] = {
    "no better than calling everything vulnerable": (gate_scores(0.9, all_positive_f1=0.87), "baseline_margin"),
    "a bag of tokens does as well": (lambda found: found.summarise(bag_of_tokens_f1=0.95), "bag_of_tokens"),
    "length alone gives labels away": (
        lambda found: found.summarise(probes=[{"name": "length", "f1": 0.93, "auroc": 0.97}]),
        "leak_probes",
    ),
    "too few positives": (gate_scores(0.9, positives=40), "positives"),
    "most graphs are token chains": (
        lambda found: found.summarise(graph_quality={"parsed": 100, "token_chain": 500}),
        "graph_quality",
    ),
    "most functions are cut": (
        field(truncation={"gate": truncation(rows_cut=290).model_dump()}),
        "truncation",
    ),
    "what is cut was not counted": (field(truncation={}), "truncation"),
    "a rate is the default of a test that gave none": (rate(source="fallback"), "lr_found"),
    "graphs were not counted": (lambda found: found.summarise(graph_quality={}), "graph_quality"),
}


@pytest.fixture(scope="module")
def healthy(template: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database and artifacts with one experiment of two seeds that has ended well; copied for each report."""
    folder = tmp_path_factory.mktemp("healthy")
    database = Database(f"sqlite:///{shutil.copy(template.file, folder / 'cellgate.db')}")
    with database.begin() as session:
        create_experiment(session, name="q", dataset_id=template.dataset_id, spec=ExperimentSpec(seeds=[0, 1]))
    FakeTrainers(database, folder / "artifacts").work()
    database.dispose()
    return folder


@pytest.fixture
def judged(healthy: Path, dataset_id: str, tmp_path: Path) -> Iterator[Callable[..., GateReport]]:
    """The gate's report on an experiment of two seeds, corrupted or not."""
    opened: list[Database] = []

    def report(corrupt: Callable[[Finished], None] | None = None, blocking: tuple[str, ...] = ()) -> GateReport:
        folder = Path(shutil.copytree(healthy, tmp_path / f"report-{len(opened)}"))
        database = Database(f"sqlite:///{folder / 'cellgate.db'}")
        opened.append(database)
        wanted = ExperimentSpec.model_validate({"seeds": [0, 1], "policy": {"blocking": list(blocking)}})
        with database.begin() as session:
            row = session.scalars(select(ExperimentRow)).one()
            row.spec, experiment = wanted.model_dump(mode="json"), row.id
        with database.begin() as session:
            chosen = select(RunRow).where(RunRow.experiment_id == experiment, RunRow.seed == 0)
            run = session.scalars(chosen.where(RunRow.cell == Cell.TRANSFORMER.value)).one()
            artifacts = folder / "artifacts"
            finished = Finished(
                session=session, experiment=experiment, dataset=dataset_id, artifacts=artifacts, run=run
            )
            if corrupt is not None:
                corrupt(finished)
            return build_gate_report(session, get_experiment(session, experiment), artifacts)

    yield report
    for database in opened:
        database.dispose()


def not_passed(report: GateReport, verdict: str) -> set[str]:
    return {check.name for check in report.checks if check.verdict == verdict}


def test_the_healthy_experiment_passes_every_check(judged: Callable[..., GateReport]) -> None:
    report = judged(blocking=tuple(name for _, name in WARNINGS.values()))
    assert report.verdict == "pass"
    assert {check.verdict for check in report.checks} == {"pass"}


@pytest.mark.parametrize(("corrupt", "check"), CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_corrupted_experiment_is_refused(
    judged: Callable[..., GateReport], corrupt: Callable[[Finished], None], check: str
) -> None:
    report = judged(corrupt)
    assert report.verdict == "fail"
    assert check in not_passed(report, "fail")
    found = next(one for one in report.checks if one.name == check)
    assert found.reason
    assert found.evidence


@pytest.mark.parametrize(("corrupt", "check"), WARNINGS.values(), ids=WARNINGS)
def test_a_warning_warns_and_refuses_once_the_policy_makes_it_blocking(
    judged: Callable[..., GateReport], corrupt: Callable[[Finished], None], check: str
) -> None:
    warned = judged(corrupt)
    assert (warned.verdict, not_passed(warned, "warn")) == ("pass", {check})
    refused = judged(corrupt, blocking=(check,))
    assert (refused.verdict, not_passed(refused, "fail")) == ("fail", {check})
