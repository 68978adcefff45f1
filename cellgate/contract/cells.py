"""The cells."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, TypeAdapter

from cellgate.contract.specs import (
    AggregationSpec,
    FusionSpec,
    GnnSpec,
    PackSpec,
    PreflightSpec,
    PrepareSpec,
    ScoreSpec,
    TransformerSpec,
)


class Cell(StrEnum):
    """The kinds of work; the four numbered ones carry their number."""

    PREPARE = "prepare"
    PREFLIGHT = "preflight"
    TRANSFORMER = "51"
    GNN = "52"
    FUSION = "53"
    AGGREGATION = "54"
    PACK = "pack"
    SCORE = "score"

    @property
    def label(self) -> str:
        """The cell's name in words, as on screen: `transformer`, `gnn` …"""
        return self.name.lower()


AnySpec = Annotated[
    PrepareSpec | PreflightSpec | TransformerSpec | GnnSpec | FusionSpec | AggregationSpec | PackSpec | ScoreSpec,
    Field(discriminator="cell"),
]

ANY_SPEC: TypeAdapter[AnySpec] = TypeAdapter(AnySpec)
