"""Requests and answers about evaluations: a detector on a data set that it was not trained on."""

from typing import Self

from pydantic import Field, model_validator

from cellgate.contract.api.common import Answer, BundleId, DatasetId, Request
from cellgate.contract.documents import Day
from cellgate.contract.experiment import RunLimits
from cellgate.contract.results import Evaluation
from cellgate.contract.specs import refuse_two_detectors
from cellgate.contract.states import FailureReason, RunState


class EvaluationCreate(Request, RunLimits):
    """Judge a bundle, or the scores of any detector, by the functions of gate and test of a data set."""

    dataset: DatasetId
    bundle: BundleId | None = Field(None, description="This or `scores`.")
    scores: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="File below a data root: JSONL or CSV with `id` and `probability` of every judged function, or the "
        "SARIF log of an analyser on exported functions.",
    )
    threshold: float | None = Field(None, ge=0, le=1, description="Default: the bundle's own; of scores 0.5.")
    cutoff: Day | None = Field(
        None,
        description="Last day of which a pretrained model may have read: later functions are judged alone too.",
    )

    @model_validator(mode="after")
    def _judges_one_detector(self) -> Self:
        refuse_two_detectors(self.bundle, self.scores)
        return self


class EvaluationAnswer(Answer):
    """An evaluation, once its run has succeeded."""

    run: str = Field(description="Run that evaluates.")
    dataset: str
    bundle: str | None = Field(description="Null: a file of scores was judged.")
    state: RunState
    evaluation: Evaluation | None = Field(description="Once the run has succeeded.")
    failure_reason: FailureReason | None
    failure_detail: str | None
