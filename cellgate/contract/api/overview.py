"""The answer of the overview: what needs a person, what runs, and what came out last."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Answer, OwnerId
from cellgate.contract.api.experiments import ExperimentSummary
from cellgate.contract.api.tokens import Scope

# Items of each list of the overview, at most.
MOST_SHOWN = 20
AttentionKind = Literal["failed", "collapsed", "borderline", "gate_failed", "no_worker", "draining", "dataset_failed"]


class OverviewCounts(Answer):
    """Experiments that are not archived."""

    running: int = Field(description="They go on, and the data set is there.")
    waiting: int = Field(description="They wait for their data set.")
    attention: int = Field(description="Everything that needs a person, including what `attention` has no room for.")
    ended: int = Field(description="They have ended, cancelled ones included.")


class RequestAction(Answer):
    """One request that deals with it."""

    name: str = Field(description="Identifier of the operation, as in the OpenAPI document.")
    label: str = Field(description="What a button would say.")
    method: Literal["POST", "PATCH"]
    path: str
    body: dict[str, Any] | None = Field(description="JSON body; null: none.")
    needs: list[str] = Field(
        default_factory=list, description="Fields of the body that a person has to add, such as a reason."
    )
    scope: Scope = Field(description="The least that a token must allow.")


class CommandAction(Answer):
    """One command that deals with it, on a machine of the deployment."""

    command: str
    label: str


class Attention(Answer):
    """One thing that goes on only when a person acts."""

    kind: AttentionKind
    sentence: str = Field(description="What happened, with the cause as it was measured.")
    experiment: str | None
    run: str | None
    dataset: str | None
    queue: str | None
    name: str | None = Field(description="Name of the experiment or the data set.")
    owner_id: OwnerId = None
    since: AwareDatetime | None = Field(description="Since when.")
    action: Annotated[RequestAction | CommandAction, Field(description="What deals with it.")]


class OngoingExperiment(ExperimentSummary):
    """An experiment that goes on."""

    f1_curve: list[tuple[int, float]] = Field(
        description="Epoch and F1 on `dev`, of the run of a base model that started last; empty before its first epoch."
    )


class PreviousExperiment(Answer):
    """The experiment before on the same data set."""

    id: str
    name: str
    difference: float = Field(description="Best F1 of the newer one minus that of this one.")


class LatestExperiment(ExperimentSummary):
    """An experiment that has ended."""

    previous: PreviousExperiment | None = Field(
        description="The one before with an F1 on the same data set; null without one, or without an F1 of its own."
    )


class OverviewAnswer(Answer):
    """What needs a person, what runs, and what came out last; at most 20 of each."""

    counts: OverviewCounts
    attention: list[Attention] = Field(description="What hurts most first.")
    running: list[OngoingExperiment] = Field(description="Newest first.")
    latest: list[LatestExperiment] = Field(description="What ended last comes first.")
