from itertools import product

import pytest

from cellgate.contract.states import LEASED, LEGAL_TRANSITIONS, JobState, RunState, job_state, sources_of

S = RunState


def test_terminal_is_final() -> None:
    assert {state for state in S if state.terminal} == {S.SUCCEEDED, S.FAILED, S.CANCELLED}


@pytest.mark.parametrize("state", [state for state in S if not state.terminal])
def test_every_state_that_is_not_terminal_can_reach_every_end(state: RunState) -> None:
    reached, frontier = {state}, {state}
    while frontier:
        frontier = {target for source in frontier for target in LEGAL_TRANSITIONS[source]} - reached
        reached |= frontier
    assert reached >= {S.SUCCEEDED, S.FAILED, S.CANCELLED}


def test_sources_are_the_moves_read_backwards() -> None:
    pairs = {(source, target) for target in S for source in sources_of(target)}
    assert pairs == {(a, b) for a, b in product(S, S) if b in LEGAL_TRANSITIONS[a]}


def test_only_a_worker_holds_a_lease() -> None:
    assert {state for state in S if state.leased} == LEASED == {S.STARTING, S.RUNNING, S.PAUSING, S.CANCELLING}


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([S.QUEUED, S.QUEUED], JobState.QUEUED),
        ([S.QUEUED, S.SUCCEEDED], JobState.RUNNING),
        ([S.RUNNING, S.FAILED], JobState.RUNNING),
        ([S.PAUSED, S.SUCCEEDED], JobState.RUNNING),
        ([S.SUCCEEDED, S.SUCCEEDED], JobState.SUCCEEDED),
        ([S.SUCCEEDED, S.CANCELLED], JobState.CANCELLED),
        ([S.FAILED, S.CANCELLED, S.SUCCEEDED], JobState.FAILED),
    ],
)
def test_a_jobs_state_follows_from_its_runs(runs: list[RunState], expected: JobState) -> None:
    assert job_state(runs) is expected
