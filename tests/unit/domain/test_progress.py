"""How far an experiment is follows from its runs and from what each of them takes."""

from collections.abc import Sequence
from typing import Any

import pytest

from cellgate.contract.api.pipelines import StepState
from cellgate.contract.states import DatasetState, ExperimentState, RunState
from service.domain.progress import PipelineFacts, RunOfStep, remaining_s, share_done, step_states

S = StepState


def run(job: str, state: RunState, seed: int = 0, **known: Any) -> RunOfStep:
    return RunOfStep(id=f"run_{job}_{seed}", job=job, seed=seed, state=state, **known)


def facts(*runs: RunOfStep, **known: Any) -> PipelineFacts:
    values: dict[str, Any] = {
        "state": ExperimentState.TRAINING,
        "seeds": 2,
        "fusion": "auto",
        "dataset": DatasetState.READY,
        "runs": runs,
    }
    return PipelineFacts(**{**values, **known})


def states(found: PipelineFacts) -> list[str]:
    return [state.value for state in step_states(found).values()]


DONE_51 = (run("51", RunState.SUCCEEDED, 0, running_s=100.0), run("51", RunState.SUCCEEDED, 1, running_s=100.0))
DONE_52 = (run("52", RunState.SUCCEEDED, 0, running_s=50.0), run("52", RunState.SUCCEEDED, 1, running_s=50.0))
CHECKED = run("preflight", RunState.SUCCEEDED, running_s=10.0)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            facts(state=ExperimentState.WAITING, dataset=DatasetState.PREPARING),
            "pending pending pending pending pending pending pending",
        ),
        (
            facts(run("prepare", RunState.RUNNING), state=ExperimentState.WAITING, dataset=DatasetState.PREPARING),
            "running pending pending pending pending pending pending",
        ),
        (
            facts(CHECKED, *DONE_51, run("52", RunState.SUCCEEDED), run("52", RunState.QUEUED, 1)),
            "succeeded succeeded succeeded waiting pending pending pending",
        ),
        (
            facts(CHECKED, *DONE_51, *DONE_52, gate="fail", decided="improve", state=ExperimentState.SUCCEEDED),
            "succeeded succeeded succeeded succeeded failed skipped succeeded",
        ),
        (
            facts(
                CHECKED,
                *DONE_51,
                *DONE_52,
                run("54-bases", RunState.SUCCEEDED),
                run("53", RunState.RUNNING),
                gate="pass",
                decided="train_fusion",
                state=ExperimentState.FUSING,
            ),
            "succeeded succeeded succeeded succeeded succeeded running pending",
        ),
        (
            facts(run("preflight", RunState.FAILED), state=ExperimentState.FAILED),
            "succeeded failed skipped skipped skipped skipped skipped",
        ),
        (facts(CHECKED, fusion="never"), "succeeded succeeded pending pending pending skipped pending"),
    ],
)
def test_a_step_says_whether_it_was_reached_goes_on_or_how_it_ended(found: PipelineFacts, expected: str) -> None:
    assert states(found) == expected.split()


def test_the_share_weighs_each_run_by_the_seconds_that_it_takes() -> None:
    # 10 s of pre-flight and 200 s of cell 51 are done, of 10 + 200 + 100 + 10: without fusion one evidence follows.
    found = facts(CHECKED, *DONE_51, run("52", RunState.QUEUED), fusion="never", predicted_s={"52": 50.0})

    assert share_done(found) == pytest.approx(210 / 320)


def test_the_share_of_what_succeeded_is_one_whatever_was_skipped() -> None:
    assert share_done(facts(CHECKED, *DONE_51, *DONE_52, state=ExperimentState.SUCCEEDED)) == 1.0


def test_what_is_left_is_shared_by_the_runs_at_work_and_never_shorter_than_the_longest() -> None:
    at_work = [run("52", RunState.RUNNING, seed, running_s=20.0, eta_s=30.0) for seed in (0, 1)]
    # 30 s for both at once, then 10 s of evidence.
    assert remaining_s(facts(CHECKED, *DONE_51, *at_work, fusion="never")) == pytest.approx(40.0)

    # One at work for 30 s more, and one that waits and takes 50 s: one after the other.
    one_waits = [at_work[0], run("52", RunState.QUEUED, 1)]
    assert remaining_s(facts(CHECKED, *DONE_51, *one_waits, fusion="never")) == pytest.approx(90.0)


@pytest.mark.parametrize(
    "runs",
    [
        (CHECKED, run("51", RunState.QUEUED), run("52", RunState.QUEUED)),
        (CHECKED, run("51", RunState.RUNNING, eta_s=5.0), run("52", RunState.QUEUED)),
    ],
    ids=["nothing at work", "a step of unknown length"],
)
def test_what_is_not_known_is_not_guessed(runs: Sequence[RunOfStep]) -> None:
    assert remaining_s(facts(*runs)) is None


def test_fusion_counts_towards_the_end_only_once_it_is_certain() -> None:
    at_work = run("52", RunState.RUNNING, 1, running_s=20.0, eta_s=30.0)
    bases = (CHECKED, *DONE_51, DONE_52[0], at_work)

    assert remaining_s(facts(*bases, predicted_s={"53": 100.0})) == pytest.approx(50.0)
    certain = facts(*bases, predicted_s={"53": 100.0}, fusion="always", gate="pass")
    assert remaining_s(certain) == pytest.approx(250.0)
