"""The packed models follow from the request, or from the decision."""

from typing import Any

import pytest

from cellgate.contract.decision import DecisionAnswer, Overruling
from service.domain.errors import Conflict, InvalidSpec
from service.domain.packing import Packing, decided_packing, requested_packing
from service.domain.pipeline import Step

TEXT, GRAPH, FUSION = Step.TRANSFORMER, Step.GNN, Step.FUSION


def decision(outcome: Any, option: Any, *overrulings: tuple[Any, Any]) -> DecisionAnswer:
    """A decision, overruled so often."""
    return DecisionAnswer(
        experiment="exp_1",
        stage="final",
        outcome=outcome,
        option=option,
        confidence="clear",
        rule="",
        reasons=[],
        next_steps=[],
        evidence=None,
        evidence_hash=None,
        overrulings=[
            Overruling(stage="final", outcome=recorded, option=shipped, reason="because", by="me", at=0.0)
            for recorded, shipped in overrulings
        ],
    )


def test_the_seeds_that_were_decided_are_packed_unless_somebody_overruled_it() -> None:
    decided = decision("single", "gnn").model_copy(update={"seeds": [2]})
    overruled = decision("single", "gnn", ("single", "transformer")).model_copy(update={"seeds": [2]})

    assert decided_packing(decided, text_weight=0.6) == Packing(kind="single", steps=[GRAPH], seeds=(2,))
    assert decided_packing(overruled, text_weight=0.6) == Packing(kind="single", steps=[TEXT])


@pytest.mark.parametrize(
    ("decided", "packing"),
    [
        (decision("ensemble", "ensemble"), Packing(kind="ensemble", steps=[TEXT, GRAPH], text_weight=0.6)),
        (decision("ensemble", "ensemble_tuned"), Packing(kind="ensemble", steps=[TEXT, GRAPH])),
        (decision("single", "gnn"), Packing(kind="single", steps=[GRAPH])),
        (decision("fusion", "fusion"), Packing(kind="fusion", steps=[TEXT, GRAPH, FUSION])),
        (
            decision("improve", None, ("fusion", "fusion"), ("single", "transformer")),
            Packing(kind="single", steps=[TEXT]),
        ),
    ],
)
def test_what_was_decided_is_packed_and_the_last_overruling_counts(decided: DecisionAnswer, packing: Packing) -> None:
    assert decided_packing(decided, text_weight=0.6) == packing


@pytest.mark.parametrize(
    "decided",
    [None, decision("improve", None), decision("train_fusion", None), decision("single", "gnn", ("improve", None))],
)
def test_without_anything_to_ship_nothing_is_packed(decided: DecisionAnswer | None) -> None:
    with pytest.raises(Conflict, match="name a kind"):
        decided_packing(decided, text_weight=0.6)


def test_what_is_named_is_packed() -> None:
    assert requested_packing("single", "transformer", None) == Packing(kind="single", steps=[TEXT])
    assert requested_packing("ensemble", None, 0.25) == Packing(kind="ensemble", steps=[TEXT, GRAPH], text_weight=0.25)
    assert requested_packing("fusion", None, None) == Packing(kind="fusion", steps=[TEXT, GRAPH, FUSION])


@pytest.mark.parametrize(
    ("kind", "option", "text_weight", "pointers"),
    [
        ("single", None, 0.5, ["/option", "/text_weight"]),
        ("fusion", "gnn", None, ["/option"]),
        ("fusion", None, 0.5, ["/text_weight"]),
    ],
)
def test_what_does_not_belong_together_is_refused_each_with_its_place(
    kind: Any, option: Any, text_weight: float | None, pointers: list[str]
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        requested_packing(kind, option, text_weight)
    assert [mistake.pointer for mistake in refused.value.mistakes] == pointers
