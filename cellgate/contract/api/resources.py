"""Requests and answers about what every kind of thing shares: metadata and deletion."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from cellgate.contract.api.common import LABEL_KEY, LABEL_VALUE, Answer, Name, Request

MOST_LABELS = 16


class ResourceKind(StrEnum):
    """Kinds of things that can be renamed, labelled, archived and deleted."""

    EXPERIMENT = "experiment"
    JOB = "job"
    RUN = "run"
    DATASET = "dataset"
    BUNDLE = "bundle"
    UPLOAD = "upload"


class Archived(StrEnum):
    """Which items a list shows."""

    FALSE = "false"
    TRUE = "true"
    ALL = "all"


LabelChanges = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=rf"^{LABEL_KEY}$")],
        Annotated[str, StringConstraints(pattern=rf"^{LABEL_VALUE}$")] | None,
    ],
    Field(max_length=2 * MOST_LABELS, json_schema_extra={"additionalProperties": False}),
]


class MetadataChange(Request):
    """A JSON merge patch (RFC 7396): a field that is left out stays as it is, null removes it."""

    name: Name | None = Field(None, description="Name for people; null removes that of a job, a run or a bundle.")
    note: Annotated[str, StringConstraints(min_length=1, max_length=10_000)] | None = Field(
        None, description="Plain text for people."
    )
    labels: LabelChanges | None = Field(
        None, description="Labels to set; a value of null removes one label, null in place of the object all of them."
    )
    archived: bool = Field(False, description="Whether lists leave it out unless they are asked for it.")

    @model_validator(mode="after")
    def _changes_something(self) -> "MetadataChange":
        if not self.model_fields_set:
            raise ValueError("the patch changes nothing: give name, note, labels or archived")
        return self


class Described(Answer):
    """Metadata that people give a thing."""

    note: str | None = Field(None, description="Plain text for people.")
    labels: dict[str, str] = Field(default_factory=dict, description="Lists filter by them with `?label=key:value`.")
    archived: bool = Field(False, description="Whether lists leave it out unless they are asked for it.")


class ResourceName(Answer):
    """A thing by its id."""

    kind: ResourceKind
    id: str
    name: str | None


class DeletionAnswer(Answer):
    """What was deleted, or what a dry run would delete."""

    dry_run: bool = Field(description="Whether nothing was deleted.")
    counts: dict[ResourceKind, int] = Field(description="Number of deleted things of each kind.")
    things: list[ResourceName] = Field(description="The first 100 of them.")
    size_bytes: int | None = Field(
        description="Bytes of their files, which are removed soon afterwards; only a dry run counts them."
    )
