"""Bases and fields that the requests and answers of several resources share."""

import re
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from cellgate.contract.documents import Input
from cellgate.contract.identifiers import BUNDLE_ID, DATASET_ID, EXPERIMENT_ID

# The patterns admit spaces around the value, which are stripped.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"\S")]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=10, max_length=2000, pattern=r"\S[\s\S]{8,}\S"),
    Field(description="Reason, kept on record and shown; 10 characters or more."),
]
DatasetId = Annotated[str, StringConstraints(pattern=DATASET_ID)]
BundleId = Annotated[str, StringConstraints(pattern=BUNDLE_ID)]
ExperimentId = Annotated[str, StringConstraints(pattern=EXPERIMENT_ID)]
# A number would be read as seconds since the epoch.
TIME = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$"


def _written(found: Any) -> Any:
    if not isinstance(found, str) or not re.match(TIME, found):
        expected = "expected a time as in RFC 3339, with an offset, such as 2026-01-31T00:00:00Z"
        raise PydanticCustomError("time_written", expected)
    return found


Time = Annotated[AwareDatetime, BeforeValidator(_written)]
LABEL_KEY = r"[a-z0-9](?:[a-z0-9._/-]{0,61}[a-z0-9])?"
LABEL_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
LabelMap = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=rf"^{LABEL_KEY}$")],
        Annotated[str, StringConstraints(pattern=rf"^{LABEL_VALUE}$")],
    ],
    Field(max_length=16, json_schema_extra={"additionalProperties": False}),
]


class Request(Input):
    """Base of request bodies."""


class Answer(BaseModel):
    """Base of response bodies."""

    model_config = ConfigDict(frozen=True, defer_build=True)


OwnerName = Annotated[
    str | None, Field(description="Name of whom it belongs to, for people; null: nobody. Two owners may have one name.")
]
OwnerId = Annotated[
    str | None, Field(description="Immutable id of whom it belongs to: only that one and admins change it.")
]
T = TypeVar("T")


class Page(Answer, Generic[T]):
    """A page of a list, newest first where no other order was asked for; `next` is the cursor of the following one."""

    items: list[T]
    next: str | None
    total: int | None = Field(
        None, description="With `total=true`: how many items match on all pages; 10,000 stands for that many or more."
    )
