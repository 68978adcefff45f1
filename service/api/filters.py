"""What a list can be narrowed to, as query parameters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import StringConstraints

from cellgate.contract.api.common import LABEL_KEY, LABEL_VALUE, Time
from cellgate.contract.cells import Cell
from cellgate.contract.identifiers import DATASET_ID, EXPERIMENT_ID, JOB_ID
from cellgate.contract.states import DatasetState, ExperimentState, JobState, RunState
from service.domain.errors import InvalidSpec, Mistake

_CELL_DESCRIPTION = "One of these cells; may be named several times."
_STATE_DESCRIPTION = "In one of these states; may be named several times."

DatasetStates = Annotated[list[DatasetState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
ExperimentStates = Annotated[list[ExperimentState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
JobStates = Annotated[list[JobState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
RunStates = Annotated[list[RunState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
Cells = Annotated[list[Cell] | None, Query(alias="cell", description=_CELL_DESCRIPTION)]
OfDataset = Annotated[str | None, Query(alias="dataset", pattern=DATASET_ID, description="Of this data set.")]
OfExperiment = Annotated[
    str | None, Query(alias="experiment", pattern=EXPERIMENT_ID, description="Of this experiment.")
]
OfJob = Annotated[str | None, Query(alias="job", pattern=JOB_ID, description="Of this job.")]
CreatedSince = Annotated[
    Time | None, Query(description="Only items created at this time or later; RFC 3339 with an offset.")
]
CreatedBefore = Annotated[
    Time | None, Query(description="Only items created before this time; RFC 3339 with an offset.")
]
Labels = Annotated[
    list[Annotated[str, StringConstraints(pattern=rf"^{LABEL_KEY}:{LABEL_VALUE}$")]] | None,
    Query(
        alias="label",
        max_length=16,
        description="`key:value`; may be given several times: all must be there.",
        examples=["team:core"],
    ),
]


def wanted_labels(asked: Sequence[str] | None) -> dict[str, str]:
    """Return the labels asked for, by key.

    Raises:
        InvalidSpec: A key comes with two values; all mistakes are listed.
    """
    found: dict[str, str] = {}
    mistakes = []
    for index, label in enumerate(asked or ()):
        key, _, value = label.partition(":")
        if found.setdefault(key, value) != value:
            detail = f"found {key} a second time with another value; an experiment has one value for each key"
            mistakes.append(Mistake(pointer=f"#query/label/{index}", detail=detail))
    if mistakes:
        raise InvalidSpec("no experiment can have all of these labels", mistakes=mistakes)
    return found


def seconds(time: datetime | None) -> float | None:
    """Return a time as seconds since the epoch, if any."""
    return None if time is None else time.timestamp()
