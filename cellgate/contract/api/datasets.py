"""Requests and answers about data sets and uploads."""

from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from cellgate.contract.api.common import Name, OwnerId, OwnerName, Request
from cellgate.contract.api.resources import Described
from cellgate.contract.api.stored import StoredAs
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.results import DatasetSummary
from cellgate.contract.states import DatasetState


class DatasetCreate(Request, PrepareConfig):
    """Prepare a data set from a file below one of the server's data roots."""

    name: Name
    source: str = Field(description="Path of a .jsonl, .json or .csv file, also with .gz, below a data root.")
    graphs: str | None = Field(
        None,
        description="Graphs to import, by function id, below a data root: a folder of PyG `<id>.pt` files, or "
        "a .jsonl or .jsonl.gz file of nodes and edges; functions without one get ours. See docs/data.md.",
    )


class DatasetAnswer(Described):
    """A data set."""

    id: str
    name: str
    state: DatasetState
    source: str
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


class UploadAnswer(Described):
    """A file that the service keeps."""

    id: str
    name: str
    source: str = Field(description="For `source` of POST /v1/datasets.")
    size_bytes: int
    sha256: str
    owner_id: OwnerId = None
    created_at: AwareDatetime
