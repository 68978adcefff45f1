from collections.abc import Callable
from typing import Any

import pytest

from cellgate.contract.decision import Decision
from cellgate.contract.experiment import Policy
from cellgate.contract.files import sha256_of_json
from cellgate.contract.gate import GateReport
from service.domain.decision.rules import decide
from service.domain.decision.verify import DecisionSources, decision_differences
from tests.fakes import evidence, pair_verdicts, result, trained

DIGEST = "sha256:" + "7" * 64
PASSED = GateReport(experiment="exp_1", verdict="pass", checks=[], summary="")
EVIDENCE = evidence(
    {"transformer": [0.90], "gnn": [0.88], "ensemble": [0.93]},
    inputs={"transformer/0/gate": DIGEST, "gnn/0/dev": DIGEST},
)
DECISION = decide(EVIDENCE, PASSED, Policy(), stage="bases")


def sources(**changes: Any) -> DecisionSources:
    results = [
        trained(51, 0, 0.9, artifacts={"predictions/gate.arrow": DIGEST, "model/config.json": "sha256:" + "1" * 64}),
        trained(52, 0, 0.9, artifacts={"predictions/dev.arrow": DIGEST}),
        result(54, evidence=EVIDENCE),
    ]
    return DecisionSources(**{"gate": PASSED, "policy": Policy(), "results": results, **changes})


def test_a_decision_is_the_same_when_it_is_computed_again_from_what_is_stored() -> None:
    assert decision_differences(DECISION, sources()) == []
    assert decision_differences(Decision.model_validate_json(DECISION.model_dump_json()), sources()) == []


def test_evidence_of_before_pairs_were_judged_keeps_its_hash() -> None:
    stored = DECISION.model_dump(mode="json")

    assert stored["evidence_hash"] == sha256_of_json(stored["evidence"])
    assert not any("pair_verdicts" in option for option in stored["evidence"]["options"])


def test_a_decision_over_verdicts_on_pairs_is_the_same_when_it_is_computed_again() -> None:
    options = [option.model_copy(update={"pair_verdicts": pair_verdicts([0.75])}) for option in EVIDENCE.options]
    judged = EVIDENCE.model_copy(update={"options": options})
    decision = Decision.model_validate_json(decide(judged, PASSED, Policy(), stage="bases").model_dump_json())
    results = [*list(sources().results)[:2], result(54, evidence=judged)]

    assert any("pairs right 0.750" in reason for reason in decision.reasons)
    assert decision_differences(decision, sources(results=results)) == []


def test_a_decision_on_evidence_without_p_values_reads_as_it_was_taken() -> None:
    plain = [pair.model_copy(update={"p": None, "adjusted_p": None}) for pair in EVIDENCE.comparisons]
    older = EVIDENCE.model_copy(update={"comparisons": plain})
    decision = Decision.model_validate_json(decide(older, PASSED, Policy(), stage="bases").model_dump_json())
    results = [*list(sources().results)[:2], result(54, evidence=older)]

    assert any("McNemar p = 0.03 after Holm." in reason for reason in decision.reasons)
    assert any("; p = 0.02, 0.04 after Holm." in reason for reason in DECISION.reasons)
    assert not any("adjusted_p" in pair for pair in decision.model_dump(mode="json")["evidence"]["comparisons"])
    assert decision_differences(decision, sources(results=results)) == []


def with_f1(decision: Decision) -> Decision:
    assert decision.evidence is not None
    options = [option.model_copy(update={"f1": 0.95}) for option in decision.evidence.options]
    return decision.model_copy(update={"evidence": decision.evidence.model_copy(update={"options": options})})


@pytest.mark.parametrize(
    ("corrupt", "says"),
    [
        (
            lambda taken: taken.model_copy(update={"outcome": "fusion"}),
            "outcome is fusion, computed again it is ensemble",
        ),
        (lambda taken: taken.model_copy(update={"reasons": []}), "reasons is []"),
        (lambda taken: taken.model_copy(update={"evidence_hash": DIGEST}), f"and the decision records {DIGEST}"),
        (with_f1, "that of no finished run of cell 54"),
    ],
)
def test_what_was_changed_in_a_decision_is_named(corrupt: Callable[[Decision], Decision], says: str) -> None:
    assert says in " | ".join(decision_differences(corrupt(DECISION), sources()))


def test_a_run_whose_predictions_have_another_hash_is_named() -> None:
    other = "sha256:" + "8" * 64
    results = [*list(sources().results)[1:], trained(51, 0, 0.9, artifacts={"predictions/gate.arrow": other})]
    assert decision_differences(DECISION, sources(results=results)) == [
        f"the predictions transformer/0/gate had the hash {DIGEST}, and their run records {other}"
    ]


def test_another_policy_gives_another_decision() -> None:
    assert any(
        found.startswith("outcome")
        for found in decision_differences(DECISION, sources(policy=Policy(skip_fusion_f1=0.95)))
    )


def test_a_gate_that_is_pending_cannot_give_the_decision() -> None:
    pending = GateReport(experiment="exp_1", verdict="pending", checks=[], summary="")
    assert "pending" in decision_differences(DECISION, sources(gate=pending))[-1]


def test_a_decision_without_evidence_is_computed_again_too() -> None:
    failed = GateReport(experiment="exp_1", verdict="fail", checks=[], summary="")
    improve = decide(None, failed, Policy(), stage="bases")
    assert improve.evidence_hash is None
    assert decision_differences(improve, sources(gate=failed, results=[])) == []
