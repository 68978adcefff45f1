import signal

import pytest

from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.states import FailureReason
from worker.outcome import Abandoned, Cancelled, Failed, Released, Stop, Succeeded, classify_exit, describe_failure

FAILURE = {"message": "loss became NaN in step 7", "problems": []}
REASON_OF = {
    ExitCode.BAD_SPEC: FailureReason.BAD_SPEC,
    ExitCode.DATA_ERROR: FailureReason.DATA_ERROR,
    ExitCode.PREFLIGHT_FAILED: FailureReason.PREFLIGHT_FAILED,
    ExitCode.COLLAPSE: FailureReason.COLLAPSE,
    ExitCode.DIVERGENCE: FailureReason.DIVERGENCE,
    ExitCode.INTERNAL_ERROR: FailureReason.INTERNAL_ERROR,
}
EVERY_CODE = [*ExitCode, 1, 99, -signal.SIGKILL, -signal.SIGSEGV, -signal.SIGTERM]
EVERY_FAILED_CODE = [code for code in EVERY_CODE if code != ExitCode.SUCCESS]


def test_zero_without_a_stop_is_success() -> None:
    assert classify_exit(0, stop=None, failure=None, recoveries=0) == Succeeded()


@pytest.mark.parametrize(("code", "reason"), REASON_OF.items())
def test_each_exit_code_fails_with_its_own_reason_and_the_trainers_words(code: ExitCode, reason: FailureReason) -> None:
    assert classify_exit(code, stop=None, failure=FAILURE, recoveries=0) == Failed(
        reason=reason, detail="loss became NaN in step 7"
    )


def test_these_and_the_retried_codes_are_all_there_are() -> None:
    retried = {ExitCode.OUT_OF_MEMORY, ExitCode.INTERRUPTED, ExitCode.STORAGE_FULL}
    assert {*REASON_OF, ExitCode.SUCCESS, *retried} == set(ExitCode)


def test_an_exit_code_outside_the_contract_is_an_internal_error_that_names_it() -> None:
    outcome = classify_exit(99, stop=None, failure=None, recoveries=0)

    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.INTERNAL_ERROR
    assert "99" in outcome.detail


def test_out_of_memory_is_tried_again_once_and_then_fails() -> None:
    first = classify_exit(ExitCode.OUT_OF_MEMORY, stop=None, failure=FAILURE, recoveries=0)
    second = classify_exit(ExitCode.OUT_OF_MEMORY, stop=None, failure=FAILURE, recoveries=1)

    assert isinstance(first, Released)
    assert first.counts
    assert second == Failed(reason=FailureReason.OUT_OF_MEMORY, detail="loss became NaN in step 7")


@pytest.mark.parametrize("code", [ExitCode.INTERRUPTED, -signal.SIGTERM])
def test_an_interruption_that_nobody_here_requested_goes_back_to_the_queue_and_counts(code: int) -> None:
    outcome = classify_exit(code, stop=None, failure=None, recoveries=0)

    assert isinstance(outcome, Released)
    assert outcome.counts


def test_a_kill_is_tried_again_twice_and_told_as_what_was_seen() -> None:
    first, second, third = (classify_exit(-signal.SIGKILL, stop=None, failure=None, recoveries=n) for n in range(3))

    assert isinstance(first, Released)
    assert isinstance(second, Released)
    assert first.counts
    assert isinstance(third, Failed)
    assert third.reason is FailureReason.KILLED
    assert third.detail.startswith("SIGKILL ended the trainer, and its worker had not sent it")


def test_another_signal_is_named() -> None:
    outcome = classify_exit(-signal.SIGSEGV, stop=None, failure=None, recoveries=0)

    assert isinstance(outcome, Failed)
    assert outcome.reason is FailureReason.KILLED
    assert "SIGSEGV" in outcome.detail


@pytest.mark.parametrize("code", EVERY_CODE)
def test_a_lost_lease_abandons_the_run_however_the_trainer_ended(code: int) -> None:
    assert classify_exit(code, stop=Stop.LEASE_LOST, failure=FAILURE, recoveries=0) == Abandoned()


@pytest.mark.parametrize("code", EVERY_CODE)
@pytest.mark.parametrize(
    ("stop", "reason"), [(Stop.TIMEOUT, FailureReason.TIMEOUT), (Stop.STALLED, FailureReason.STALLED)]
)
def test_a_broken_limit_is_the_reason_in_the_limits_words(code: int, stop: Stop, reason: FailureReason) -> None:
    outcome = classify_exit(code, stop=stop, failure=None, recoveries=0, limits="longer than 5 s")

    assert outcome == Failed(reason=reason, detail="longer than 5 s")


@pytest.mark.parametrize("code", EVERY_FAILED_CODE)
def test_a_trainer_that_was_cancelled_is_cancelled_however_it_ended(code: int) -> None:
    assert classify_exit(code, stop=Stop.CANCELLED, failure=None, recoveries=0) == Cancelled()


@pytest.mark.parametrize("code", EVERY_FAILED_CODE)
@pytest.mark.parametrize("stop", [Stop.PAUSED, Stop.DRAINED])
def test_a_trainer_that_was_paused_is_given_back_and_that_is_no_recovery(code: int, stop: Stop) -> None:
    outcome = classify_exit(code, stop=stop, failure=None, recoveries=5)

    assert isinstance(outcome, Released)
    assert not outcome.counts


@pytest.mark.parametrize("stop", [Stop.CANCELLED, Stop.PAUSED, Stop.DRAINED])
def test_a_trainer_that_finished_before_it_could_stop_has_succeeded(stop: Stop) -> None:
    assert classify_exit(0, stop=stop, failure=None, recoveries=0) == Succeeded()


def test_the_words_of_a_failure_list_its_problems_with_their_fix() -> None:
    problems = [
        {"where": "line 3", "found": "label 7", "expected": "0 or 1", "fix": "correct the label"},
        {"where": "line 9", "found": "nothing", "expected": "a function"},
    ]

    assert describe_failure({"message": "2 rows are wrong", "problems": problems}).splitlines() == [
        "2 rows are wrong",
        "line 3: found label 7, expected 0 or 1; correct the label",
        "line 9: found nothing, expected a function",
    ]


def test_the_words_of_a_failure_stay_short_and_say_how_much_they_leave_out() -> None:
    problem = {"where": "line", "found": "x", "expected": "y"}

    lines = describe_failure({"message": "wrong", "problems": [problem] * 20, "problems_total": 500}).splitlines()

    assert len(lines) == 22
    assert "480" in lines[-1]


def test_no_failure_event_has_no_words() -> None:
    assert describe_failure(None) == ""


def test_a_lease_that_could_not_be_renewed_is_no_error_of_the_trainer() -> None:
    outcome = classify_exit(-signal.SIGTERM, stop=Stop.TOO_LATE, failure=None, recoveries=5)

    assert isinstance(outcome, Released)
    assert (outcome.counts, outcome.gave_up) == (True, FailureReason.WORKER_LOST)


@pytest.mark.parametrize("has_room", [True, False])
def test_a_full_disk_costs_a_recovery_only_where_the_reserve_is_free(has_room: bool) -> None:
    outcome = classify_exit(ExitCode.STORAGE_FULL, stop=None, failure=FAILURE, recoveries=5, has_room=has_room)

    assert isinstance(outcome, Released)
    assert (outcome.counts, outcome.gave_up) == (has_room, FailureReason.STORAGE_FULL)
    assert outcome.why.startswith("storage_full: ")
