"""What must hold of every run once everything is whole again."""

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import select

from cellgate.contract.states import LEGAL_TRANSITIONS, FailureReason, RunState
from service.store.lifecycle import MAX_RECOVERIES
from service.store.tables import AttemptRow, EventRow, JobRow, LogRow, MetricRow, RunRow
from tests.faults.deployment import Deployment
from tests.faults.workload import Outcome, outcome_of
from worker.outcome import MAX_KILLED_RETRIES

CURVE = "train/loss"
# A failure that a run may end with because of what was done to it, and not because it was lost.
GAVE_UP = {FailureReason.WORKER_LOST: MAX_RECOVERIES, FailureReason.KILLED: MAX_KILLED_RETRIES}


@dataclass(kw_only=True)
class Verdict:
    """What was found: counts, and one sentence for each thing that is wrong."""

    runs: dict[str, int] = field(default_factory=dict)
    attempts: int = 0
    steps: int = 0
    steps_repeated: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong."""
        return [*self.lost, *self.doubled, *self.stuck, *self.corrupt]


def judge(deployment: Deployment, jobs: list[str], expected: dict[int, Outcome]) -> Verdict:
    """Look at every run.

    Args:
        jobs: Whose submission was answered.
        expected: What an undisturbed run of each seed comes to.
    """
    verdict = Verdict()
    with deployment.database.read() as session:
        known = set(session.scalars(select(JobRow.id)))
        runs = session.scalars(select(RunRow).order_by(RunRow.id)).all()
        submitted = [run for run in runs if run.job_id in set(jobs)]
    verdict.lost += [f"job {job} was accepted and is not there" for job in jobs if job not in known]
    twice = [job for job, count in Counter(run.job_id for run in submitted).items() if count != 1]
    verdict.doubled += [f"job {job} of one seed has not one run" for job in twice]
    for run in submitted:
        end = run.failure_reason or run.state
        verdict.runs[end] = verdict.runs.get(end, 0) + 1
        if not RunState(run.state).terminal:
            verdict.stuck.append(f"run {run.id} is still {run.state}")
            continue
        _judge_attempts(deployment, run, verdict)
        _judge_transitions(deployment, run, verdict)
        if run.state == RunState.SUCCEEDED:
            _judge_outcome(deployment, run, expected[run.seed], verdict)
        elif run.state == RunState.FAILED and not _had_to_fail(deployment, run):
            verdict.lost.append(f"run {run.id} failed: {run.failure_reason}: {run.failure_detail}")
    return verdict


def _had_to_fail(deployment: Deployment, run: RunRow) -> bool:
    if run.id in deployment.starved and run.failure_reason == FailureReason.INTERNAL_ERROR:
        return True
    if run.id in deployment.hung and run.failure_reason == FailureReason.STALLED:
        return True
    limit = GAVE_UP.get(FailureReason(str(run.failure_reason)))
    return limit is not None and run.recoveries >= limit


def _judge_attempts(deployment: Deployment, run: RunRow, verdict: Verdict) -> None:
    with deployment.database.read() as session:
        attempts = session.scalars(select(AttemptRow).where(AttemptRow.run_id == run.id)).all()
        numbers: dict[int, list[int]] = {}
        for chunk in session.scalars(select(LogRow).where(LogRow.run_id == run.id).order_by(LogRow.number)):
            numbers.setdefault(chunk.attempt, []).append(chunk.number)
    verdict.attempts += len(attempts)
    completed = [attempt.attempt for attempt in attempts if attempt.outcome == "succeeded"]
    if len(completed) > 1:
        verdict.doubled.append(f"run {run.id} was run to completion by attempts {completed}")
    if sorted(attempt.attempt for attempt in attempts) != list(range(1, run.attempt + 1)):
        verdict.lost.append(f"run {run.id} lacks an attempt")
    if any(attempt.outcome is None for attempt in attempts):
        verdict.stuck.append(f"run {run.id} has an attempt without an end")
    for attempt, found in numbers.items():
        if found != list(range(found[0], found[0] + len(found))):
            verdict.corrupt.append(f"run {run.id}: output of attempt {attempt} has chunks {found}")


def _judge_transitions(deployment: Deployment, run: RunRow, verdict: Verdict) -> None:
    with deployment.database.read() as session:
        chosen = select(EventRow.body).where(EventRow.run_id == run.id, EventRow.kind == "transition")
        moves = list(session.scalars(chosen.order_by(EventRow.id)))
    state = RunState.QUEUED
    for apply_transition in moves:
        before, after = RunState(apply_transition["from"]), RunState(apply_transition["to"])
        if before is not state or after not in LEGAL_TRANSITIONS[before]:
            verdict.corrupt.append(f"run {run.id} moved from {before} to {after} when it was {state}")
        state = after
    if state != run.state:
        verdict.corrupt.append(f"run {run.id} is {run.state}, but its transitions end in {state}")


def _judge_outcome(deployment: Deployment, run: RunRow, expected: Outcome, verdict: Verdict) -> None:
    found = outcome_of(deployment, run.id)
    if found.artifacts != expected.artifacts:
        changed = [name for name, digest in expected.artifacts.items() if found.artifacts.get(name) != digest]
        verdict.corrupt.append(f"run {run.id} (seed {run.seed}) has other bytes in {changed}")
    if found.metrics != expected.metrics:
        verdict.corrupt.append(f"run {run.id} (seed {run.seed}) has other metrics")
    for key in expected.curves.keys() | found.curves.keys():
        if found.curves.get(key) != expected.curves.get(key):
            verdict.corrupt.append(f"run {run.id}: the curve {key} has gaps, doubles or other values")
    with deployment.database.read() as session:
        of_curve = select(MetricRow.step).where(MetricRow.run_id == run.id, MetricRow.key == CURVE)
        steps = list(session.scalars(of_curve))
    verdict.steps += len(set(steps))
    verdict.steps_repeated += len(steps) - len(set(steps))
