from typing import Any

import pytest

from cellgate.contract.evidence import KindEvidence
from cellgate.contract.experiment import Policy
from cellgate.contract.files import sha256_of_json
from cellgate.contract.gate import GateCheck, GateReport
from cellgate.contract.options import Option
from service.domain.decision.rules import decide
from tests.fakes import F1s, evidence, shippable, truncation

PASSED = GateReport(experiment="exp_1", verdict="pass", checks=[], summary="")
POLICY = Policy()


def failed_gate(*checks: GateCheck) -> GateReport:
    return GateReport(experiment="exp_1", verdict="fail", checks=list(checks), summary="")


def low_f1(cell: Any, mean: float, high: float) -> GateCheck:
    name = {51: "mean_f1_transformer", 52: "mean_f1_gnn"}[cell]
    return GateCheck(
        name=name,
        cell=cell,
        blocking=True,
        verdict="fail",
        threshold=0.85,
        measured=mean,
        interval=(2 * mean - high, high),
        reason=f"the mean F1 of cell {cell} is {mean}",
    )


@pytest.mark.parametrize(
    ("f1s", "outcome", "option", "confidence"),
    [
        pytest.param((0.90, 0.88, 0.93), "ensemble", "ensemble", "clear", id="the ensemble is well above 0.90"),
        pytest.param((0.89, 0.88, 0.905), "ensemble", "ensemble", "borderline", id="the ensemble is just above 0.90"),
        pytest.param((0.89, 0.88, 0.90), "train_fusion", None, "borderline", id="exactly 0.90 is not above"),
        pytest.param((0.86, 0.87, 0.88), "train_fusion", None, "clear", id="the ensemble is well below 0.90"),
        pytest.param((0.94, 0.88, 0.93), "single", "transformer", "clear", id="the text model beats the ensemble"),
        pytest.param((0.88, 0.94, 0.93), "single", "gnn", "clear", id="the graph model beats the ensemble"),
        pytest.param((0.94, 0.88, 0.94), "single", "transformer", "clear", id="an equal ensemble is not simpler"),
        pytest.param((0.94, 0.94, 0.93), "single", "transformer", "clear", id="of two equal models the text model"),
        pytest.param((0.95, 0.86, 0.88), "single", "transformer", "clear", id="one model above 0.90 is enough"),
    ],
)
def test_after_the_bases(f1s: tuple[float, float, float], outcome: str, option: str | None, confidence: str) -> None:
    shown: F1s = dict(zip(("transformer", "gnn", "ensemble"), ([f1] for f1 in f1s), strict=True))

    decision = decide(evidence(shown), PASSED, POLICY, stage="bases")

    assert (decision.outcome, decision.option, decision.confidence) == (outcome, option, confidence)


def test_a_mean_of_exactly_0_90_over_seeds_is_not_above() -> None:
    shown: F1s = {"transformer": [0.8, 0.8, 0.8], "gnn": [0.8, 0.8, 0.8], "ensemble": [0.89, 0.90, 0.91]}
    assert decide(evidence(shown), PASSED, POLICY, stage="bases").outcome == "train_fusion"


@pytest.mark.parametrize(
    ("fusion", "outcome", "option", "confidence"),
    [
        pytest.param(0.93, "fusion", "fusion", "clear", id="fusion is well above"),
        pytest.param(0.885, "fusion", "fusion", "borderline", id="fusion is a little above"),
        pytest.param(0.88, "ensemble", "ensemble", "borderline", id="fusion adds nothing"),
        pytest.param(0.85, "ensemble", "ensemble", "clear", id="fusion does harm"),
    ],
)
def test_after_fusion(fusion: float, outcome: str, option: str, confidence: str) -> None:
    shown: F1s = {"transformer": [0.86], "gnn": [0.87], "ensemble": [0.88], "fusion": [fusion]}

    decision = decide(evidence(shown), PASSED, POLICY, stage="final")

    assert (decision.outcome, decision.option, decision.confidence) == (outcome, option, confidence)


def test_after_fusion_a_single_model_that_is_better_is_shipped_alone() -> None:
    shown: F1s = {"transformer": [0.89], "gnn": [0.86], "ensemble": [0.88], "fusion": [0.87]}
    decision = decide(evidence(shown), PASSED, POLICY, stage="final")
    assert (decision.outcome, decision.option) == ("single", "transformer")


def test_fusion_that_finished_on_no_seed_leaves_the_best_without_it() -> None:
    shown: F1s = {"transformer": [0.86], "gnn": [0.87], "ensemble": [0.88]}
    decision = decide(evidence(shown), PASSED, POLICY, stage="final")
    assert decision.outcome == "ensemble"
    assert "no seed" in decision.rule


LOW: F1s = {"transformer": [0.86], "gnn": [0.87], "ensemble": [0.88]}
HIGH: F1s = {"transformer": [0.91], "gnn": [0.92], "ensemble": [0.95]}


def test_policy_never_ships_the_best_without_fusion_however_low() -> None:
    decision = decide(evidence(LOW), PASSED, Policy(fusion="never"), stage="bases")
    assert (decision.outcome, decision.option) == ("ensemble", "ensemble")


def test_policy_always_trains_fusion_however_high() -> None:
    assert decide(evidence(HIGH), PASSED, Policy(fusion="always"), stage="bases").outcome == "train_fusion"


def test_the_threshold_is_the_policys() -> None:
    assert decide(evidence(LOW), PASSED, Policy(skip_fusion_f1=0.87), stage="bases").outcome == "ensemble"


def test_a_failed_gate_says_improve_even_when_the_ensemble_is_good() -> None:
    decision = decide(evidence(HIGH), failed_gate(low_f1(52, 0.80, 0.82)), POLICY, stage="bases")
    assert (decision.outcome, decision.option, decision.confidence) == ("improve", None, "clear")


def test_improve_is_borderline_when_the_interval_reaches_the_threshold() -> None:
    decision = decide(evidence(LOW), failed_gate(low_f1(52, 0.84, 0.88)), POLICY, stage="bases")
    assert decision.confidence == "borderline"


def test_improve_is_clear_when_a_plain_fact_failed_besides() -> None:
    fact = GateCheck(name="exit_codes", blocking=True, verdict="fail", reason="exit code 5")
    decision = decide(evidence(LOW), failed_gate(low_f1(52, 0.84, 0.88), fact), POLICY, stage="bases")
    assert decision.confidence == "clear"


def test_improve_names_the_weak_cell_its_scores_and_its_weakest_slices() -> None:
    slices = [
        KindEvidence(slice="cwe", value="CWE-416", rows=40, accuracy={"gnn": 0.55, "transformer": 0.9}),
        KindEvidence(slice="cwe", value="CWE-89", rows=40, accuracy={"gnn": 0.95, "transformer": 0.5}),
        KindEvidence(slice="cwe", value="CWE-1", rows=2, accuracy={"gnn": 0.0, "transformer": 0.0}),
    ]
    shown = evidence({"transformer": [0.9], "gnn": [0.75], "ensemble": [0.9]}, slices=slices)

    decision = decide(shown, failed_gate(low_f1(52, 0.75, 0.78)), POLICY, stage="bases")

    text = " ".join(decision.reasons)
    assert "Mean F1 of 52 gnn: the mean F1 of cell 52 is 0.75." in text
    assert "recall 0.750" in text
    assert "gnn is weakest on cwe CWE-416 (accuracy 0.550 on 40), cwe CWE-89" in text
    assert "CWE-1 " not in text
    assert not any(reason.startswith("transformer") for reason in decision.reasons)


def test_improve_needs_no_evidence() -> None:
    decision = decide(None, failed_gate(low_f1(51, 0.5, 0.6)), POLICY, stage="bases")
    assert (decision.outcome, decision.evidence_hash) == ("improve", None)


def test_reasons_carry_numbers_intervals_and_the_number_of_positives() -> None:
    decision = decide(evidence(HIGH), PASSED, POLICY, stage="bases")

    text = " ".join(decision.reasons)
    assert "150 of them vulnerable" in text
    assert "ensemble: mean F1 0.9500 [0.9400, 0.9600] over 1 seed" in text
    # the evidence compares gnn minus ensemble: the words turn it round
    assert "ensemble minus gnn: F1 +0.0300 [0.0200, 0.0400], which excludes zero" in text
    assert decision.rule == "F1 of ensemble, the best without fusion, 0.9500 is above 0.9: ship ensemble without fusion"


def test_a_tuned_ensemble_that_does_better_is_named_but_not_shipped() -> None:
    shown = evidence({**HIGH, "ensemble_tuned": [0.97]})
    decision = decide(shown, PASSED, POLICY, stage="bases")
    assert decision.option == "ensemble"
    assert any("0.9700" in reason for reason in decision.reasons)


def test_a_policy_may_ship_the_tuned_ensemble_where_it_does_better() -> None:
    allowed = POLICY.model_copy(update={"ship_tuned_ensemble": True})
    better, equal = (evidence({**HIGH, "ensemble_tuned": [f1]}) for f1 in (0.97, HIGH["ensemble"][0]))

    shipped = decide(better, PASSED, allowed, stage="bases")

    assert (shipped.outcome, shipped.option) == ("ensemble", "ensemble_tuned")
    assert any("ensemble_tuned minus ensemble: F1 +0.0200" in reason for reason in shipped.reasons)
    # Without a gain the simpler thing.
    assert decide(equal, PASSED, allowed, stage="bases").option == "ensemble"


def test_the_choice_of_a_tuned_ensemble_is_as_sure_as_its_gain_over_the_next_best() -> None:
    allowed = POLICY.model_copy(update={"ship_tuned_ensemble": True, "fusion": "never"})
    # Intervals are two points wide.
    found = [
        decide(evidence({**HIGH, "ensemble_tuned": [f1]}), PASSED, allowed, stage="bases").confidence
        for f1 in (0.955, 0.97)
    ]

    assert found == ["borderline", "clear"]


@pytest.mark.parametrize(
    ("f1s", "policy", "expected"),
    [
        pytest.param(
            {"fusion": [0.955], "ensemble_tuned": [0.955]},
            POLICY,
            "ensemble_tuned is simpler than fusion and not surely weaker, with F1 0.9550 (+0.0000 [-0.0100, 0.0100]);"
            " it is not shipped, since the policy does not let it be shipped (ship_tuned_ensemble).",
            id="barred by the policy",
        ),
        pytest.param(
            {"fusion": [0.955]},
            POLICY,
            "ensemble is simpler than fusion and not surely weaker, with F1 0.9500 (+0.0050 [-0.0050, 0.0150]); it is"
            " not shipped, since the point estimate decides.",
            id="weaker by the point estimate",
        ),
        pytest.param({"fusion": [0.98]}, POLICY, None, id="surely weaker"),
    ],
)
def test_a_simpler_option_that_is_as_strong_is_named_with_the_reason_why_it_is_not_shipped(
    f1s: dict[Option, list[float]], policy: Policy, expected: str | None
) -> None:
    decision = decide(evidence({**HIGH, **f1s}), PASSED, policy, stage="final")

    said = [reason for reason in decision.reasons if "is simpler than" in reason]
    assert decision.option == "fusion"
    assert said[-1:] == ([] if expected is None else [expected])


def test_what_is_not_surely_better_than_a_linear_model_is_shipped_with_these_words_first() -> None:
    decision = decide(evidence({**HIGH, "linear": [0.945]}), PASSED, POLICY, stage="bases")

    assert decision.option == "ensemble"
    assert decision.reasons[0].startswith("ensemble is not surely better than a linear model on the text")
    assert "F1 0.9500 against 0.9450, +0.0050 [-0.0050, 0.0150]" in decision.reasons[0]


def test_what_is_surely_better_than_a_linear_model_says_nothing_of_it() -> None:
    decision = decide(evidence({**HIGH, "linear": [0.6]}), PASSED, POLICY, stage="bases")

    assert not any("linear" in reason for reason in decision.reasons)


def test_a_decision_can_be_recomputed_to_the_same_bytes_and_names_its_evidence() -> None:
    shown = evidence(LOW)
    first, second = (decide(shown, PASSED, POLICY, stage="bases") for _ in range(2))
    assert first.model_dump_json() == second.model_dump_json()
    assert first.evidence_hash == sha256_of_json(shown.model_dump(mode="json"))


def test_nothing_is_decided_while_the_gate_is_pending() -> None:
    pending = GateReport(experiment="exp_1", verdict="pending", checks=[], summary="")
    with pytest.raises(ValueError, match="pending"):
        decide(None, pending, POLICY, stage="bases")


def test_a_passed_gate_without_evidence_is_an_error() -> None:
    with pytest.raises(ValueError, match="no evidence"):
        decide(None, PASSED, POLICY, stage="bases")


@pytest.mark.parametrize(
    ("recall", "step"),
    [
        (0.61, "Improve gnn: it misses vulnerable functions, with recall 0.610 at precision 0.900"),
        (0.95, "Improve gnn: it calls safe functions vulnerable, with precision 0.900 at recall 0.950"),
    ],
)
def test_the_next_step_names_the_weak_cell_and_which_way_it_errs(recall: float, step: str) -> None:
    shown = evidence({"transformer": [0.9], "gnn": [0.75], "ensemble": [0.9]})
    weak = shown.options[1].model_copy(update={"precision": 0.9, "recall": recall})
    measured = shown.model_copy(update={"options": [shown.options[0], weak, shown.options[2]]})

    decision = decide(measured, failed_gate(low_f1(52, 0.75, 0.78)), POLICY, stage="bases")

    assert decision.next_steps[0].startswith(step)


@pytest.mark.parametrize(
    ("misses_cut", "recorded"),
    [
        (38, " 38% of its misses are functions cut at 256 tokens, and 10% of all vulnerable ones."),
        (14, ""),
        (0, ""),
    ],
)
def test_the_next_step_says_when_what_is_missed_is_what_is_cut(misses_cut: int, recorded: str) -> None:
    cut = truncation(positives=200, positives_cut=20, misses=100, misses_cut=misses_cut)
    shown = evidence({"transformer": [0.75], "gnn": [0.9], "ensemble": [0.9]}, truncation={"transformer": cut})

    decision = decide(shown, failed_gate(low_f1(51, 0.75, 0.78)), POLICY, stage="bases")

    assert decision.next_steps[0].endswith(f"stronger regularisation.{recorded}")


@pytest.mark.parametrize(
    ("together", "seeds", "recorded"),
    [
        pytest.param(0.95, [0, 1, 2], "seeds 0, 1, 2 together", id="all together are better"),
        pytest.param(0.94, [2], "seed 2;", id="all together are no better"),
        pytest.param(0.93, [2], "seed 2;", id="all together are worse"),
    ],
)
def test_all_seeds_go_together_only_where_that_is_better_than_the_best_alone(
    together: float, seeds: list[int], recorded: str
) -> None:
    f1s: F1s = {"transformer": [0.91] * 3, "gnn": [0.90] * 3, "ensemble": [0.93] * 3}
    forms = [
        shippable("transformer", [1], 0.99),
        shippable("transformer", [0, 1, 2], 0.999, 0.009),
        shippable("ensemble", [2], 0.94),
        shippable("ensemble", [0, 1, 2], together, together - 0.94),
    ]

    decision = decide(evidence(f1s, shippable=forms), PASSED, POLICY, stage="bases")

    assert (decision.option, decision.seeds) == ("ensemble", seeds)
    assert recorded in decision.next_steps[0]
    compared = "Of ensemble, seed 2 was best on dev and has F1 0.9400 [0.9300, 0.9500]; all 3 seeds together have"
    assert any(found.startswith(f"{compared} {together:.4f}") for found in decision.reasons)


def test_of_one_seed_that_seed_is_shipped_and_nothing_is_reported_of_seeds_together() -> None:
    f1s: F1s = {"transformer": [0.91], "gnn": [0.90], "ensemble": [0.93]}
    shown = evidence(f1s, shippable=[shippable("ensemble", [0], 0.93)])

    decision = decide(shown, PASSED, POLICY, stage="bases")

    assert decision.seeds == [0]
    assert not any("together" in reason for reason in decision.reasons)


def test_nothing_is_reported_of_seeds_while_nothing_is_shipped() -> None:
    shown = evidence({"transformer": [0.86], "gnn": [0.87], "ensemble": [0.88]})

    assert decide(shown, PASSED, POLICY, stage="bases").seeds == []


@pytest.mark.parametrize(("f1", "recorded"), [(0.72, True), (0.75, False)])
def test_a_model_that_is_hardly_better_than_calling_everything_vulnerable_is_reported(
    f1: float, recorded: bool
) -> None:
    # Calling everything vulnerable has F1 0.6667, and the intervals are 0.01 wide to either side.
    shown = evidence({"transformer": [0.9], "gnn": [f1], "ensemble": [0.9]})

    decision = decide(shown, failed_gate(low_f1(52, f1, f1 + 0.01)), POLICY, stage="bases")

    assert ("F1 0.6667: it has learned little that is sure" in decision.next_steps[0]) is recorded
