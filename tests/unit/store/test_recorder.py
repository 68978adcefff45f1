from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from cellgate.contract.configs import PrepareConfig
from service.store import lifecycle
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.logs import chunks_after
from service.store.recorder import Recorder
from service.store.runs import events_of, get_run, metrics_of
from service.store.tables import AttemptRow, EventRow, LogRow, MetricRow, RunRow

Event = dict[str, Any]


@pytest.fixture
def claim(database: Database) -> Claim:
    """A run that is running, held by its first attempt."""
    with database.begin() as session:
        create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
        claim = claim_next(session, worker="w1", queues=["cpu"], lease_s=60)
        assert claim is not None
        lifecycle.mark_running(session, run_id=claim.run_id, attempt=claim.attempt)
    return claim


def numbered(*events: Event, first: int = 1) -> list[Event]:
    return [{"n": number, "t": 1.0, **event} for number, event in enumerate(events, start=first)]


def record(
    database: Database, recorder: Recorder, events: Sequence[Event], output: Sequence[tuple[int, str]] = ()
) -> bool:
    with database.begin() as session:
        return recorder.record(session, events, output)


def run_row(database: Database, claim: Claim) -> RunRow:
    with database.read() as session:
        return get_run(session, claim.run_id)


def attempt_row(database: Database, claim: Claim) -> AttemptRow:
    with database.read() as session:
        return session.scalars(select(AttemptRow).where(AttemptRow.run_id == claim.run_id)).one()


def recorded(database: Database, claim: Claim) -> list[tuple[str, Event]]:
    with database.read() as session:
        return [
            (row.kind, row.body) for row in events_of(session, run_id=claim.run_id) if row.kind not in ("transition",)
        ]


def test_metrics_become_points_of_curves_and_no_events(database: Database, claim: Claim) -> None:
    events = numbered(
        {"kind": "metric", "step": 5, "values": {"train/loss": 0.7, "lr/all": 0.001}},
        {"kind": "metric", "step": 10, "values": {"train/loss": 0.5}},
    )

    assert record(database, Recorder(claim), events)

    with database.read() as session:
        curves = {curve.key: (curve.steps, curve.values) for curve in metrics_of(session, claim.run_id)}
    assert curves == {"train/loss": ([5, 10], [0.7, 0.5]), "lr/all": ([5], [0.001])}
    assert recorded(database, claim) == []


def test_of_progress_the_newest_counts_and_it_becomes_no_event(database: Database, claim: Claim) -> None:
    events = numbered(
        {"kind": "progress", "done": 1, "total": 8, "epoch": 1, "epochs": 2, "eta_s": 7.0},
        {"kind": "progress", "done": 3, "total": 8, "epoch": 1, "epochs": 2, "eta_s": 5.0},
    )

    record(database, Recorder(claim), events)

    run = run_row(database, claim)
    assert (run.steps_done, run.steps_total, run.epoch, run.epochs, run.eta_s) == (3, 8, 1, 2, 5.0)
    assert recorded(database, claim) == []


def test_a_new_phase_is_shown_listed_and_ends_the_old_eta(database: Database, claim: Claim) -> None:
    recorder = Recorder(claim)
    record(database, recorder, numbered({"kind": "progress", "done": 3, "total": 8, "eta_s": 5.0}))
    record(database, recorder, numbered({"kind": "phase", "phase": "evaluate"}, first=2))

    run = run_row(database, claim)
    assert (run.phase, run.steps_done, run.eta_s) == ("evaluate", 3, None)
    assert recorded(database, claim) == [("phase", {"phase": "evaluate"})]


def test_the_newest_checkpoint_is_registered_relative_to_the_artifact_root(database: Database, claim: Claim) -> None:
    events = numbered(
        {"kind": "checkpoint", "step": 10, "path": "checkpoint"},
        {"kind": "checkpoint", "step": 20, "path": "checkpoint"},
    )

    record(database, Recorder(claim), events)

    attempt = attempt_row(database, claim)
    assert (attempt.checkpoint, attempt.checkpoint_step) == (f"runs/{claim.run_id}/attempt-1/checkpoint", 20)


def test_a_failure_is_kept_for_the_end_and_listed(database: Database, claim: Claim) -> None:
    recorder = Recorder(claim)
    failure = {"kind": "failed", "reason": "data_error", "exit_code": 3, "message": "no rows", "problems": []}

    record(database, recorder, numbered({"kind": "phase", "phase": "load"}, failure))
    record(database, recorder, numbered({"kind": "phase", "phase": "save"}, first=3))

    assert recorder.failure is not None
    assert recorder.failure["message"] == "no rows"
    assert [kind for kind, _ in recorded(database, claim)] == ["phase", "failed", "phase"]


def test_the_number_of_the_last_event_and_the_output_are_kept(database: Database, claim: Claim) -> None:
    recorder = Recorder(claim)
    record(database, recorder, numbered({"kind": "phase", "phase": "load"}, first=41), [(1, "loading\n")])
    record(database, recorder, [], [(2, "training\n")])

    with database.read() as session:
        logs = [(row.number, row.text) for row in chunks_after(session, claim.run_id)]
    assert attempt_row(database, claim).last_event == 41
    assert logs == [(1, "loading\n"), (2, "training\n")]


def test_what_is_written_again_after_an_unheard_commit_is_there_once(database: Database, claim: Claim) -> None:
    recorder = Recorder(claim)
    events = numbered({"kind": "phase", "phase": "load"}, {"kind": "metric", "step": 1, "values": {"train/loss": 0.7}})
    for again in (False, True):
        with database.begin() as session:
            recorder.record(session, events, [(1, "x")], again=again)

    with database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (MetricRow, LogRow)]
    assert recorded(database, claim) == [("phase", {"phase": "load"})]
    assert counts == [1, 1]


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "metric", "step": 1},
        {"kind": "metric", "step": 1, "values": [1]},
        {"kind": "metric", "step": 2**31, "values": {"train/loss": 1.0}},
        {"kind": "metric", "step": 1, "values": {"k" * 81: 1.0}},
        {"kind": "checkpoint", "path": "checkpoint"},
        {"kind": "phase", "phase": None},
        {"kind": "progress", "done": "many"},
    ],
    ids=lambda event: f"{event['kind']}:{sorted(event)}",
)
def test_an_event_that_breaks_the_contract_becomes_a_warning_and_costs_no_other(
    database: Database, claim: Claim, broken: Event
) -> None:
    events = numbered({"kind": "phase", "phase": "load"}, broken, {"kind": "phase", "phase": "train"})

    assert record(database, Recorder(claim), events)

    kinds = [kind for kind, _ in recorded(database, claim)]
    assert kinds == ["phase", "warning", "phase"]
    assert attempt_row(database, claim).last_event == 3


def test_an_attempt_that_lost_its_lease_writes_nothing(database: Database, claim: Claim) -> None:
    with database.begin() as session:
        lifecycle.release(session, run_id=claim.run_id, attempt=claim.attempt, why="test")
        second = claim_next(session, worker="w2", queues=["cpu"], lease_s=60)
    assert second is not None
    before = run_row(database, claim)
    events = numbered(
        {"kind": "phase", "phase": "train"},
        {"kind": "metric", "step": 5, "values": {"train/loss": 0.7}},
        {"kind": "checkpoint", "step": 5, "path": "checkpoint"},
    )

    assert not record(database, Recorder(claim), events, [(1, "x")])

    with database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (MetricRow, LogRow)]
        checkpoints = session.scalars(select(AttemptRow.checkpoint).where(AttemptRow.run_id == claim.run_id)).all()
        listed = session.scalar(select(func.count()).select_from(EventRow).where(EventRow.kind != "transition"))
    run = run_row(database, claim)
    assert counts == [0, 0]
    assert checkpoints == [None, None]
    assert listed == 0
    assert (run.phase, run.version) == (None, before.version)
