"""Requests and answers about data sets and uploads."""

from typing import Annotated, Any

from pydantic import AwareDatetime, Discriminator, Field, Tag

from cellgate.contract.api.common import Answer, Name, OwnerId, OwnerName, Request
from cellgate.contract.api.resources import Described
from cellgate.contract.api.stored import StoredAs
from cellgate.contract.configs import EvaluationSplits, PrepareConfig
from cellgate.contract.experiment import Priority, RunLimits
from cellgate.contract.inspection import Inspection
from cellgate.contract.results import DatasetSummary
from cellgate.contract.states import DatasetState, FailureReason, RunState

MOST_SOURCES = 1_000
# Before training: a person waits for what a worker reads in seconds.
INSPECTION_PRIORITY = 50
# Pydantic tells them in the place of a mistake; they are no place in the body.
ONE_PATH, PATHS = "<path>", "<paths>"


def _form_of_source(source: object) -> str:
    """Return the tag of the form that is meant: a wrong value is told as one mistake, not as one of each form."""
    return PATHS if isinstance(source, list) else ONE_PATH


Sources = Annotated[
    Annotated[str, Tag(ONE_PATH)] | Annotated[list[str], Field(min_length=1, max_length=MOST_SOURCES), Tag(PATHS)],
    Discriminator(_form_of_source),
    Field(description="Path of a file or folder of functions below a data root, or several; see docs/data.md."),
]


class DatasetCreate(Request, PrepareConfig):
    """Prepare a data set from a file below one of the server's data roots."""

    name: Name
    source: Sources
    graphs: str | None = Field(
        None,
        description="Graphs to import, by function id, below a data root: a folder of PyG `<id>.pt` files, or "
        "a .jsonl or .jsonl.gz file of nodes and edges; functions without one get ours. See docs/data.md.",
    )


class DatasetAnswer(Described):
    """A data set."""

    id: str
    name: str
    version: int = Field(description="Number among the data sets of this name, from 1: `name@version`.")
    previous: str | None = Field(
        description="Id of the version before, once this one is ready; `summary.changes` says what is new."
    )
    evaluation: EvaluationSplits | None = Field(
        description="The splits of a set for evaluation only; null: one to train on."
    )
    state: DatasetState
    source: str | list[str] = Field(description="Absolute, links followed: a path, or several.")
    graphs: str | None = Field(description="Imported graphs, if any were given.")
    content_hash: str | None
    summary: Annotated[dict[str, Any], StoredAs(DatasetSummary)] | None = Field(
        description="Counts of the data set, once it is ready."
    )
    failure_detail: str | None
    run: str | None = Field(description="Id of the run that prepares the data set.")
    owner: OwnerName = None
    owner_id: OwnerId = None
    created_at: AwareDatetime


class InspectionCreate(Request, PrepareConfig, RunLimits):
    """Show how files and folders would be read as a data set with these settings; nothing is made of them."""

    source: Sources
    priority: Priority = INSPECTION_PRIORITY


class InspectionAnswer(Answer):
    """How a source would be read, once its run has succeeded."""

    run: str = Field(description="Run that reads the source.")
    state: RunState
    inspection: Inspection | None = Field(
        description="What is read as what, what is left out, and what would be refused, once the run has succeeded."
    )
    failure_reason: FailureReason | None
    failure_detail: str | None


class UploadAnswer(Described):
    """A file that the service keeps."""

    id: str
    name: str
    source: str = Field(description="For `source` of POST /v1/datasets.")
    size_bytes: int
    sha256: str
    owner_id: OwnerId = None
    created_at: AwareDatetime
