"""The overview as a response. Pure."""

from cellgate.contract.api.overview import (
    Attention,
    CommandAction,
    LatestExperiment,
    OngoingExperiment,
    OverviewAnswer,
    OverviewCounts,
    PreviousExperiment,
    RequestAction,
)
from service.api.views import answer, experiment_summary
from service.store.attention import AttentionItem, Command
from service.store.overview import Overview, Previous


def overview_answer(found: Overview) -> OverviewAnswer:
    """Return the overview."""
    return OverviewAnswer(
        counts=OverviewCounts(**found.counts),
        attention=[_attention(item) for item in found.attention],
        running=[experiment_summary(one, OngoingExperiment, f1_curve=list(curve)) for one, curve in found.running],
        latest=[experiment_summary(one, LatestExperiment, previous=_previous(before)) for one, before in found.latest],
    )


def _attention(item: AttentionItem) -> Attention:
    kind = CommandAction if isinstance(item.action, Command) else RequestAction
    return answer(Attention, item, action=answer(kind, item.action))


def _previous(before: Previous | None) -> PreviousExperiment | None:
    return None if before is None else answer(PreviousExperiment, before)
