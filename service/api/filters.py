"""What a list can be narrowed to, as query parameters."""

import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime

from service.api.schemas import LABEL_KEY, LABEL_VALUE
from service.domain.errors import InvalidRequest, Mistake
from service.domain.states import DatasetState, ExperimentState, JobState, RunState
from trainers.specs import Cell

_LABEL = re.compile(rf"^({LABEL_KEY}):({LABEL_VALUE})$")
_CELL_DESCRIPTION = "One of these cells; may be named several times."
_STATE_DESCRIPTION = "In one of these states; may be named several times."

DatasetStates = Annotated[list[DatasetState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
ExperimentStates = Annotated[list[ExperimentState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
JobStates = Annotated[list[JobState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
RunStates = Annotated[list[RunState] | None, Query(alias="state", description=_STATE_DESCRIPTION)]
Cells = Annotated[list[Cell] | None, Query(alias="cell", description=_CELL_DESCRIPTION)]
OfDataset = Annotated[str | None, Query(alias="dataset", pattern=r"^ds_[0-9A-Z]{26}$", description="Of this data set.")]
OfExperiment = Annotated[
    str | None, Query(alias="experiment", pattern=r"^exp_[0-9A-Z]{26}$", description="Of this experiment.")
]
OfJob = Annotated[str | None, Query(alias="job", pattern=r"^job_[0-9A-Z]{26}$", description="Of this job.")]
CreatedSince = Annotated[AwareDatetime | None, Query(description="Created then or later; RFC 3339 with an offset.")]
CreatedBefore = Annotated[AwareDatetime | None, Query(description="Created earlier; RFC 3339 with an offset.")]
Labels = Annotated[
    list[str] | None,
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
        InvalidRequest: One is not `key:value`, or a key comes with two values; all mistakes are listed.
    """
    found: dict[str, str] = {}
    mistakes = []
    for index, text in enumerate(asked or ()):
        pointer = f"#query/label/{index}"
        if not (label := _LABEL.match(text)):
            mistakes.append(Mistake(pointer=pointer, detail=f"found {text!r}, expected key:value, as in team:core"))
        elif found.setdefault(label[1], label[2]) != label[2]:
            detail = f"found {label[1]} a second time with another value; an experiment has one value for each key"
            mistakes.append(Mistake(pointer=pointer, detail=detail))
    if mistakes:
        raise InvalidRequest("a label in the query is not as it should be", mistakes=mistakes)
    return found


def seconds(time: AwareDatetime | None) -> float | None:
    """Return a time as seconds since the epoch, if any."""
    return None if time is None else time.timestamp()
