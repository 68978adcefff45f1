"""One sentence with the cause as measured, and one action, for what needs a person."""

from typing import Any

from cellgate.contract.experiment import MAX_SEEDS
from cellgate.contract.states import FailureReason
from service.domain.attention import AttentionFacts, FailedRun, attention_of, brief

BEST = {"option": "ensemble", "mean": 0.9012, "low": 0.88, "high": 0.92, "seeds": 3}


def failed(seed: int, reason: FailureReason, **known: Any) -> FailedRun:
    return FailedRun(
        id=f"run_{seed}", job="job_51", cell="51", seed=seed, reason=reason, detail="dev F1 is 0 for 3 epochs.", **known
    )


def test_a_collapse_proposes_half_the_rate_at_which_it_collapsed() -> None:
    runs = [failed(0, FailureReason.KILLED), failed(1, FailureReason.COLLAPSE, learning_rate=2e-3)]
    found = attention_of(AttentionFacts(id="exp_1", failed=runs, runs=6))

    assert found is not None
    assert (found.kind, found.run) == ("collapsed", "run_1")
    assert found.sentence == "Seed 1 of 51 transformer collapsed: dev F1 is 0 for 3 epochs."
    assert (found.action.path, found.action.body) == ("/v1/jobs/job_51/retry", {"learning_rate": 1e-3})


def test_several_runs_of_one_job_are_retried_together_and_named_as_many() -> None:
    runs = [failed(seed, FailureReason.OUT_OF_MEMORY) for seed in (0, 2)]
    found = attention_of(AttentionFacts(id="exp_1", failed=runs, runs=6))

    assert found is not None
    cause = "out of memory: dev F1 is 0 for 3 epochs."
    assert found.sentence == f"2 of 6 runs failed; seed 0 of 51 transformer: {cause}"
    assert found.action.path == "/v1/jobs/job_51/retry"
    assert found.action.body is None


def test_a_borderline_answer_proposes_seeds_that_it_does_not_have() -> None:
    found = attention_of(AttentionFacts(id="exp_1", borderline=True, best=BEST, seeds=[0, 1, 3]))

    assert found is not None
    measured = "Ensemble has F1 0.9012, 95 % 0.8800 to 0.9200 over 3 seeds"
    assert found.sentence == f"Borderline: the evidence does not settle the answer: {measured}."
    assert found.action.body == {"seeds": [2, 4]}


def test_a_borderline_answer_of_all_seeds_there_can_be_is_put_away() -> None:
    found = attention_of(AttentionFacts(id="exp_1", borderline=True, seeds=list(range(MAX_SEEDS))))

    assert found is not None
    assert (found.action.method, found.action.body) == ("PATCH", {"archived": True})


def test_what_failed_without_a_run_that_did_says_why() -> None:
    found = attention_of(AttentionFacts(id="exp_1", failure_detail="fusion failed on every seed"))

    assert found is not None
    assert (found.kind, found.sentence) == ("failed", "Failed: fusion failed on every seed.")


def test_nothing_is_asked_for_where_nothing_is_wrong() -> None:
    assert attention_of(AttentionFacts(id="exp_1")) is None


def test_a_long_text_is_cut_to_its_first_line() -> None:
    assert brief("\n\n first line.\nTraceback") == "first line"
    assert brief("") == "no reason is on record"
    assert len(brief("x" * 10_000)) == 300
