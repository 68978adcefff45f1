from itertools import product

import pytest

from cellgate.contract.states import DatasetState, ExperimentState, JobState
from service.domain.pipeline import (
    Action,
    Decide,
    End,
    EvaluateGate,
    Facts,
    Start,
    Step,
    StepFacts,
    Wait,
    next_action,
)

DONE = StepFacts(state=JobState.SUCCEEDED, finished_seeds=frozenset({0, 1}))
BUSY = StepFacts(state=JobState.RUNNING)
LOST = StepFacts(state=JobState.FAILED, detail="seed 0: collapse: all 0")
READY = {Step.PREFLIGHT: DONE, Step.TRANSFORMER: DONE, Step.GNN: DONE}
JUDGED = {**READY, Step.EVIDENCE_BASES: DONE}


def facts(steps: dict[Step, StepFacts] | None = None, **changes: object) -> Facts:
    fields = {"autopilot": True, "dataset": DatasetState.READY, "steps": steps or {}, **changes}
    return Facts(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (facts(dataset=DatasetState.PREPARING), Wait(state=ExperimentState.WAITING)),
        (
            facts(dataset=DatasetState.FAILED, dataset_detail="line 3"),
            End(state=ExperimentState.FAILED, detail="the data set could not be prepared: line 3"),
        ),
        (facts(), Start(step=Step.PREFLIGHT)),
        (facts({Step.PREFLIGHT: BUSY}), Wait(state=ExperimentState.PREFLIGHT)),
        (
            facts({Step.PREFLIGHT: LOST}),
            End(state=ExperimentState.FAILED, detail="pre-flight failed: seed 0: collapse: all 0"),
        ),
        (facts({Step.PREFLIGHT: DONE}), Start(step=Step.TRANSFORMER)),
        (facts({Step.PREFLIGHT: DONE, Step.TRANSFORMER: BUSY}), Start(step=Step.GNN)),
        (facts({**READY, Step.GNN: BUSY}), Wait(state=ExperimentState.TRAINING)),
        (facts(READY), EvaluateGate()),
        (facts(READY, gate_known=True), Start(step=Step.EVIDENCE_BASES)),
        (facts({**READY, Step.GNN: LOST}, gate_known=True), Decide(stage="bases", evidence=None)),
        (facts({**READY, Step.EVIDENCE_BASES: BUSY}, gate_known=True), Wait(state=ExperimentState.DECIDING)),
        (facts(JUDGED, gate_known=True), Decide(stage="bases", evidence=Step.EVIDENCE_BASES)),
        (
            facts(JUDGED, gate_known=True, outcomes={"bases": "ensemble"}),
            End(state=ExperimentState.SUCCEEDED),
        ),
        (facts(JUDGED, gate_known=True, outcomes={"bases": "improve"}), End(state=ExperimentState.SUCCEEDED)),
        (facts(JUDGED, gate_known=True, outcomes={"bases": "train_fusion"}), Start(step=Step.FUSION)),
        (
            facts({**JUDGED, Step.FUSION: BUSY}, gate_known=True, outcomes={"bases": "train_fusion"}),
            Wait(state=ExperimentState.FUSING),
        ),
        (
            facts({**JUDGED, Step.FUSION: DONE}, gate_known=True, outcomes={"bases": "train_fusion"}),
            Start(step=Step.EVIDENCE_FINAL),
        ),
        (
            facts({**JUDGED, Step.FUSION: LOST}, gate_known=True, outcomes={"bases": "train_fusion"}),
            Decide(stage="final", evidence=Step.EVIDENCE_BASES),
        ),
        (
            facts(
                {**JUDGED, Step.FUSION: DONE, Step.EVIDENCE_FINAL: DONE},
                gate_known=True,
                outcomes={"bases": "train_fusion"},
            ),
            Decide(stage="final", evidence=Step.EVIDENCE_FINAL),
        ),
        (
            facts(
                {**JUDGED, Step.FUSION: DONE, Step.EVIDENCE_FINAL: DONE},
                gate_known=True,
                outcomes={"bases": "train_fusion", "final": "fusion"},
            ),
            End(state=ExperimentState.SUCCEEDED),
        ),
    ],
)
def test_each_stage_of_the_pipeline_has_one_next_thing(known: Facts, expected: Action) -> None:
    assert next_action(known) == expected


def test_a_step_whose_seeds_failed_in_part_goes_on_with_the_others() -> None:
    partly = StepFacts(state=JobState.FAILED, finished_seeds=frozenset({1}))
    assert next_action(facts({**READY, Step.GNN: partly}, gate_known=True)) == Start(step=Step.EVIDENCE_BASES)


def test_seeds_that_no_two_bases_share_are_no_evidence() -> None:
    one = StepFacts(state=JobState.FAILED, finished_seeds=frozenset({0}))
    other = StepFacts(state=JobState.FAILED, finished_seeds=frozenset({1}))
    known = facts({**READY, Step.TRANSFORMER: one, Step.GNN: other}, gate_known=True)
    assert next_action(known) == Decide(stage="bases", evidence=None)


def test_without_autopilot_no_step_ever_starts_by_itself() -> None:
    states = [None, BUSY, DONE, LOST]
    for found in product(states, repeat=len(Step)):
        steps = {step: known for step, known in zip(Step, found, strict=True) if known is not None}
        for gate_known, bases in product([False, True], [None, "train_fusion", "ensemble"]):
            outcomes = {} if bases is None else {"bases": bases}
            known = facts(steps, autopilot=False, gate_known=gate_known, outcomes=outcomes)
            assert not isinstance(next_action(known), Start)


def test_fusion_started_manually_is_weighed_whatever_was_decided_over_the_bases() -> None:
    known = facts({**JUDGED, Step.FUSION: BUSY}, autopilot=False, gate_known=True, outcomes={"bases": "ensemble"})
    assert next_action(known) == Wait(state=ExperimentState.FUSING)
