"""What came of an experiment that has ended."""

from typing import Any

import pytest

from cellgate.contract.conclusion import (
    EXIT_OF,
    Conclusion,
    JobOutcome,
    Lifecycle,
    Outcome,
    SeedCounts,
    conclude_job,
    lifecycle_of,
)
from cellgate.contract.exit_codes import CommandExit
from cellgate.contract.states import ExperimentState, JobState, RunState
from service.domain.conclusion import Decided, EndFacts, conclude

SHIPS = Decided(outcome="single", option="gnn", confidence="clear")
BORDERLINE = Decided(outcome="ensemble", option="ensemble", confidence="borderline")
IMPROVE = Decided(outcome="improve", option=None, confidence="clear")
SIX = SeedCounts(total=6)
TWO_FAILED = SeedCounts(total=6, failed=2)
ONE_CANCELLED = SeedCounts(total=6, cancelled=1)


def ended(state: ExperimentState = ExperimentState.SUCCEEDED, **facts: Any) -> Conclusion:
    found = conclude(EndFacts(state=state, **{"bases": SIX, **facts}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("facts", "outcome", "text"),
    [
        ({"decision": SHIPS}, Outcome.SHIPS, "ships graph network"),
        ({"decision": BORDERLINE}, Outcome.BORDERLINE, "borderline: ships ensemble"),
        ({"decision": IMPROVE}, Outcome.IMPROVE, "improve 51 and 52"),
        ({"decision": IMPROVE, "bases": TWO_FAILED}, Outcome.BROKEN, "broken: 2 of 6 seeds"),
        ({"decision": IMPROVE, "bases": ONE_CANCELLED}, Outcome.STOPPED, "stopped: 1 of 6 seeds cancelled"),
        (
            {"state": ExperimentState.CANCELLED},
            Outcome.STOPPED,
            "stopped: the experiment was cancelled",
        ),
        (
            {"state": ExperimentState.FAILED, "detail": "pre-flight failed"},
            Outcome.FAILED,
            "failed: pre-flight failed",
        ),
    ],
)
def test_an_end_has_its_outcome_and_its_words(facts: dict[str, Any], outcome: Outcome, text: str) -> None:
    found = ended(**facts)

    assert (found.outcome, found.text) == (outcome, text)
    assert found.computed.outcome == outcome


def test_of_several_outcomes_the_more_important_one_counts() -> None:
    both = SeedCounts(total=6, failed=1, cancelled=1)

    assert ended(decision=SHIPS, fusion=SeedCounts(total=3, failed=1)).text == "broken: 1 of 9 seeds"
    assert ended(decision=IMPROVE, bases=both).outcome is Outcome.BROKEN
    assert ended(ExperimentState.CANCELLED, bases=TWO_FAILED).outcome is Outcome.BROKEN
    assert ended(ExperimentState.FAILED, bases=TWO_FAILED).outcome is Outcome.FAILED


def test_seeds_that_a_person_waived_break_nothing_and_those_of_fusion_still_do() -> None:
    waived = {"bases": TWO_FAILED, "waived": {"seeds_complete", "exit_codes"}}

    assert ended(decision=SHIPS, **waived).outcome is Outcome.SHIPS
    assert ended(decision=SHIPS, fusion=SeedCounts(total=3, failed=1), **waived).outcome is Outcome.BROKEN
    assert ended(decision=IMPROVE, bases=TWO_FAILED, waived={"lr_cache"}).outcome is Outcome.BROKEN


def test_an_overruling_is_the_last_word_and_the_computed_outcome_stands_beside_it() -> None:
    found = ended(decision=IMPROVE, bases=TWO_FAILED, overruling=Decided(outcome="single", option="gnn", by="anna"))

    assert (found.outcome, found.option, found.overruled_by) == (Outcome.SHIPS, "gnn", "anna")
    assert found.text == "ships graph network, overruled by anna"
    assert found.computed.text == "broken: 2 of 6 seeds"
    assert found.seeds == TWO_FAILED


def test_an_experiment_that_goes_on_has_no_outcome_yet() -> None:
    assert conclude(EndFacts(state=ExperimentState.TRAINING, decision=SHIPS)) is None


@pytest.mark.parametrize(
    ("states", "outcome", "text"),
    [
        ("succeeded succeeded", JobOutcome.COMPLETE, "complete: 2 of 2 seeds"),
        ("succeeded failed", JobOutcome.BROKEN, "broken: 1 of 2 seeds"),
        ("cancelled failed", JobOutcome.BROKEN, "broken: 1 of 2 seeds"),
        ("succeeded cancelled", JobOutcome.STOPPED, "stopped: 1 of 2 seeds cancelled"),
        ("failed", JobOutcome.BROKEN, "broken: 1 of 1 seed"),
    ],
)
def test_a_job_is_broken_by_one_failed_seed(states: str, outcome: JobOutcome, text: str) -> None:
    found = conclude_job(RunState(state) for state in states.split())

    assert found is not None
    assert (found.outcome, found.text) == (outcome, text)


def test_a_job_with_a_run_that_goes_on_has_no_outcome_yet() -> None:
    assert conclude_job([RunState.FAILED, RunState.RUNNING]) is None


def test_only_a_clear_answer_or_a_whole_job_ends_the_command_with_0() -> None:
    assert set(EXIT_OF) == {*Outcome, *JobOutcome}
    assert {outcome for outcome, code in EXIT_OF.items() if code is CommandExit.SUCCESS} == {
        Outcome.SHIPS,
        JobOutcome.COMPLETE,
    }
    assert len({EXIT_OF[outcome] for outcome in Outcome}) == len(Outcome)


def test_every_state_has_its_lifecycle() -> None:
    ends = {lifecycle_of(state) for state in (*ExperimentState, *JobState) if state.terminal}

    assert ends == {Lifecycle.ENDED, Lifecycle.CANCELLED}
    assert lifecycle_of(ExperimentState.WAITING) is lifecycle_of(JobState.QUEUED) is Lifecycle.WAITING
    assert lifecycle_of(ExperimentState.FUSING) is lifecycle_of(JobState.RUNNING) is Lifecycle.RUNNING
