"""Requests and answers about bundles."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from cellgate.contract.api.common import Answer, OwnerId, OwnerName, Request
from cellgate.contract.api.resources import Described
from cellgate.contract.bundle_summary import BundleSummary
from cellgate.contract.experiment import Priority, RunLimits, Seeds
from cellgate.contract.results import Scores
from cellgate.contract.specs import BundleKind, Explain
from cellgate.contract.states import BundleState, FailureReason, RunState

MOST_FUNCTIONS = 200
# Somebody waits for the answer.
SCORE_PRIORITY = 50
Source = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]


class BundleCreate(Request, RunLimits):
    """Pack the decided models, or the models that are named here."""

    kind: BundleKind | None = Field(None, description="Default: the models that the last decision ships.")
    option: Literal["transformer", "gnn"] | None = Field(None, description="Needed for `single`, and only there.")
    seeds: Seeds | None = Field(
        None, description="Default: the seeds of the decision; for a named kind, all seeds that have finished."
    )
    text_weight: float | None = Field(
        None, ge=0, le=1, description="Weight of the text model in an ensemble; default: tuned on the fuse split."
    )
    licence_notes: str | None = Field(None, max_length=10_000, description="Text for the users of the bundle.")
    tolerance: float = Field(
        1e-5,
        gt=0,
        le=0.1,
        description="Largest accepted difference between the probabilities on this CPU and the stored ones; runs "
        "of a GPU, or in another precision, need more.",
    )


class BundleAnswer(Described):
    """A bundle."""

    id: str
    name: str | None = Field(None, description="Name that a person gave it.")
    experiment: str
    kind: BundleKind
    state: BundleState
    run: str = Field(description="Id of the run that packs the bundle.")
    summary: BundleSummary | None = Field(description="The bundle's summary, once it is ready.")
    failure_detail: str | None
    owner: OwnerName = None
    owner_id: OwnerId = None
    created_at: AwareDatetime


class ScoreCreate(Request, RunLimits):
    """Functions to be scored."""

    functions: list[Source] = Field(
        min_length=1, max_length=MOST_FUNCTIONS, description="C or C++ source text, one function each."
    )
    threshold: float | None = Field(None, ge=0, le=1, description="Default: the bundle's own.")
    explain: Explain = Field("findings", description="Functions for which the heaviest lines are returned.")
    priority: Priority = SCORE_PRIORITY


class ScoresAnswer(Answer):
    """Scores of a bundle, once its run has succeeded."""

    run: str = Field(description="Run that scores the functions.")
    bundle: str
    state: RunState
    scores: Scores | None = Field(
        description="One score per function in the order of the request, once the run has succeeded."
    )
    failure_reason: FailureReason | None
    failure_detail: str | None
