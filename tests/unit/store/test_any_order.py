"""Claims, renewals, expiries, cancels, pauses and ends in any order never leave the legal graph."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cellgate.contract.cells import Cell
from cellgate.contract.states import LEASED, LEGAL_TRANSITIONS, FailureReason, RunState
from service.domain.errors import Conflict
from service.store import lifecycle, run_actions
from service.store.claims import claim_next
from service.store.database import Database
from service.store.jobs import create_job, runs_of_jobs
from service.store.recorder import record_metrics
from service.store.retries import retry_run
from service.store.tables import AttemptRow, EventRow, RunRow
from tests.lapsed_leases import expire_lapsed

RUNS = 2
EXAMPLES = [4, pytest.param(25, marks=pytest.mark.slow)]
WRITES: dict[str, Callable[..., Any]] = {
    "renew": lambda s, **held: lifecycle.renew(s, **held, lease_s=60),
    "mark_running": lambda s, **held: lifecycle.mark_running(s, **held),
    "succeed": lambda s, **held: lifecycle.succeed(s, **held, exit_code=0, result={}),
    "fail": lambda s, **held: lifecycle.fail(s, **held, reason=FailureReason.KILLED, detail="killed"),
    "cancelled": lambda s, **held: lifecycle.cancelled(s, **held),
    "release": lambda s, **held: lifecycle.release(s, **held, why="draining"),
    "interrupted": lambda s, **held: lifecycle.release(s, **held, why="killed", counts=True),
    "metrics": lambda s, **held: record_metrics(s, **held, points=[("dev/f1", 1, 0.5)]),
}
ASKS: dict[str, Callable[[Session, str], object]] = {
    "cancel": run_actions.cancel_run,
    "pause": run_actions.pause_run,
    "resume": run_actions.resume_run,
    "retry": retry_run,
}


@dataclass(frozen=True, kw_only=True)
class Held:
    """An attempt that somebody believes to hold."""

    run_id: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of a run."""

    state: RunState
    attempt: int
    version: int


class Runs(RuleBasedStateMachine):
    """A few runs, some workers that claimed them at some time, and people who ask for things."""

    root: Path
    template: Path
    dataset_id: str

    @initialize()
    def begin(self) -> None:
        """Start with a few queued runs of one job."""
        self.folder = Path(tempfile.mkdtemp(dir=self.root))
        self.database = Database(f"sqlite:///{shutil.copy(self.template, self.folder / 'cellgate.db')}")
        self.held: list[Held] = []
        self.events = 0
        with self.database.begin() as session:
            seeds = list(range(RUNS))
            self.job_id = create_job(session, cell=Cell.GNN, dataset_id=self.dataset_id, config={}, seeds=seeds).id
        self.seen = self.look()

    def teardown(self) -> None:
        """Remove the database."""
        if hasattr(self, "database"):
            self.database.dispose()
            shutil.rmtree(self.folder)

    def look(self) -> dict[str, Seen]:
        """Return every run as it is now."""
        with self.database.read() as session:
            rows = session.scalars(select(RunRow).where(RunRow.job_id == self.job_id)).all()
        return {row.id: Seen(state=RunState(row.state), attempt=row.attempt, version=row.version) for row in rows}

    def current(self, held: Held) -> bool:
        """Return whether the attempt holds its run's lease."""
        run = self.seen[held.run_id]
        return run.attempt == held.attempt and run.state in LEASED

    @rule()
    def claim(self) -> None:
        """A worker claims."""
        waiting = [run for run in self.seen.values() if run.state is RunState.QUEUED]
        with self.database.begin() as session:
            claim = claim_next(session, worker="w", queues=["cpu"], lease_s=60)
        assert (claim is not None) == bool(waiting)
        if claim is not None:
            assert claim.attempt == self.seen[claim.run_id].attempt + 1
            self.held.append(Held(run_id=claim.run_id, attempt=claim.attempt))

    @precondition(lambda self: self.held)
    @rule(name=st.sampled_from(sorted(WRITES)), data=st.data())
    def write(self, name: str, data: st.DataObject) -> None:
        """Somebody who once claimed a run writes: only who holds its lease changes anything."""
        held = data.draw(st.sampled_from(self.held), label="held")
        current = self.current(held)
        with self.database.begin() as session:
            answer = WRITES[name](session, run_id=held.run_id, attempt=held.attempt)
        if not current:
            assert answer in (False, None)
            assert self.look() == self.seen

    @rule(name=st.sampled_from(sorted(ASKS)), number=st.integers(0, RUNS - 1))
    def ask(self, name: str, number: int) -> None:
        """Somebody asks for something; a refusal changes nothing."""
        with self.database.read() as session:
            run_id = runs_of_jobs(session, [self.job_id])[self.job_id][number].id
        try:
            with self.database.begin() as session:
                ASKS[name](session, run_id)
        except Conflict:
            assert self.look() == self.seen

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def fall_silent(self, data: st.DataObject) -> None:
        """A worker is not heard of until its lease has run out, and the reconciler looks."""
        held = data.draw(st.sampled_from(self.held), label="held")
        current = self.current(held)
        if current:
            with self.database.begin() as session:
                session.execute(update(RunRow).where(RunRow.id == held.run_id).values(lease_expires_at=1.0))
        with self.database.begin() as session:
            assert expire_lapsed(session) == ([held.run_id] if current else [])

    @invariant()
    def only_legal_moves_were_made_and_each_has_its_event(self) -> None:
        """Compare with what was seen before, move by move."""
        if not hasattr(self, "database"):
            return
        now = self.look()
        with self.database.read() as session:
            chosen = select(EventRow).where(EventRow.id > self.events, EventRow.run_id.in_(now))
            news = session.scalars(chosen.order_by(EventRow.id)).all()
            attempts = session.scalars(select(AttemptRow).where(AttemptRow.run_id.in_(now))).all()
        at = {run_id: run.state for run_id, run in self.seen.items()}
        for event in news:
            self.events = event.id
            if event.kind == "transition":
                source, target = RunState(event.body["from"]), RunState(event.body["to"])
                assert at[str(event.run_id)] is source
                assert target in LEGAL_TRANSITIONS[source]
                at[str(event.run_id)] = target
        for run_id, run in now.items():
            before = self.seen.get(run_id, Seen(state=RunState.QUEUED, attempt=0, version=1))
            assert run.state is at.get(run_id, RunState.QUEUED)
            claimed = sum(e.run_id == run_id and e.body.get("to") == RunState.STARTING for e in news)
            assert run.attempt == before.attempt + claimed
            assert run.version >= before.version
            numbers = sorted(attempt.attempt for attempt in attempts if attempt.run_id == run_id)
            assert numbers == list(range(1, run.attempt + 1))
            still_open = [a.attempt for a in attempts if a.run_id == run_id and a.outcome is None]
            assert still_open == ([run.attempt] if run.state in LEASED else [])
        self.seen = now


@pytest.mark.parametrize("examples", EXAMPLES)
def test_whatever_happens_in_whatever_order_runs_stay_on_the_legal_graph(
    template: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    monkeypatch.setattr(Runs, "root", tmp_path, raising=False)
    monkeypatch.setattr(Runs, "template", template.file, raising=False)
    monkeypatch.setattr(Runs, "dataset_id", template.dataset_id, raising=False)
    budget = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        # An example as it was found says enough; making it smaller takes minutes.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Runs, settings=budget)
