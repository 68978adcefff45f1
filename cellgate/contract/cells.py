"""The registry of cells: everything that service, worker, trainers and command line know of each kind of work.

To add a cell, add a member to `Cell` and an entry to `CELLS`; its config stands in `cellgate.contract.configs`, its
run spec in `cellgate.contract.specs`, and its function at `trainer`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cellgate.contract.configs import (
    AggregationConfig,
    FusionConfig,
    GnnConfig,
    PrepareConfig,
    Spec,
    TransformerConfig,
)
from cellgate.contract.experiment import DEFAULT_QUEUE
from cellgate.contract.specs import (
    AggregationSpec,
    AnySpec,
    EvaluateSpec,
    FusionSpec,
    GnnSpec,
    InspectSpec,
    PackSpec,
    PreflightSpec,
    PrepareSpec,
    ScoreSpec,
    TransformerSpec,
)

EXAMPLE_DATASET = "ds_01J8Z0K3V9Q4T6X2B5N7M1C8DA"
EXAMPLE_EXPERIMENT = "exp_01J8Z0K3V9Q4T6X2B5N7M1C8DB"


class Cell(StrEnum):
    """The kinds of work; those that POST /v1/jobs takes have a number as their value."""

    INSPECT = "inspect"
    PREPARE = "prepare"
    PREFLIGHT = "preflight"
    TRANSFORMER = "51"
    GNN = "52"
    FUSION = "53"
    AGGREGATION = "54"
    PACK = "pack"
    SCORE = "score"
    EVALUATE = "evaluate"

    @property
    def label(self) -> str:
        """The cell's name in words: `transformer`, `gnn` …; also its command, `cellgate trainers <name>`."""
        return self.name.lower()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Name the values for generators of clients, which would number those that are no identifiers."""
        schema = handler.resolve_ref_schema(handler(core))
        schema["x-enum-varnames"] = [cls(value).name for value in schema["enum"]]
        return schema


class Submission(StrEnum):
    """What a body of POST /v1/jobs names besides the config."""

    DATASET = "dataset"  # a data set, or an experiment to be a step of; seeds
    EXPERIMENT = "experiment"  # an experiment; seeds
    ONCE = "once"  # an experiment; no seeds, since the cell runs once over all of them


@dataclass(frozen=True, kw_only=True)
class CellEntry:
    """One cell.

    Args:
        title: The name on screen, after the number.
        spec: What `python -m trainers` reads.
        trainer: The function that runs it, as `module:function`; the trainers import it when the cell runs.
        result: The field of `RunResult` that this cell is run for.
        config: What a person sets; None where nobody does.
        steps: The steps of an experiment's pipeline that this cell is; see `service.domain.pipeline.Step`.
        checkpoints: Whether it trains a model: it stops at a checkpoint, and goes on from one.
        submission: What a job needs besides its config; None where POST /v1/jobs does not take it.
        needs: What must be there before it can run, for people.
        example: A body for POST /v1/jobs, without `cell`.
        queue: Where its jobs wait by default.
    """

    cell: Cell
    title: str
    spec: type[AnySpec]
    trainer: str
    result: str
    config: type[Spec] | None = None
    steps: tuple[str, ...] = ()
    checkpoints: bool = False
    submission: Submission | None = None
    needs: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    queue: str = DEFAULT_QUEUE

    @property
    def name(self) -> str:
        """The cell's name in words: `transformer`, `gnn` …"""
        return self.cell.label

    @property
    def json(self) -> "CellName":
        """The cell as in JSON: its number where it has one, else its name."""
        return int(self.cell) if self.cell.isdigit() else self.cell.value

    @property
    def label(self) -> str:
        """Number and title, as on screen: `51 transformer`."""
        return f"{self.cell.value} {self.title}" if self.cell.isdigit() else self.title


CELLS: tuple[CellEntry, ...] = (
    CellEntry(
        cell=Cell.INSPECT,
        title="inspect",
        spec=InspectSpec,
        trainer="trainers.inspect_run:run",
        result="inspection",
        config=PrepareConfig,
    ),
    CellEntry(
        cell=Cell.PREPARE,
        title="prepare",
        spec=PrepareSpec,
        trainer="trainers.prepare_run:run",
        result="dataset",
        config=PrepareConfig,
    ),
    CellEntry(
        cell=Cell.PREFLIGHT,
        title="preflight",
        spec=PreflightSpec,
        trainer="trainers.preflight.run:run",
        result="checks",
        steps=("preflight",),
    ),
    CellEntry(
        cell=Cell.TRANSFORMER,
        title="transformer",
        spec=TransformerSpec,
        trainer="trainers.models.transformer.train:run",
        result="metrics",
        config=TransformerConfig,
        steps=("51",),
        checkpoints=True,
        submission=Submission.DATASET,
        needs="a ready data set; alone, or as a step of an experiment",
        example={"dataset": EXAMPLE_DATASET, "seeds": [0, 1, 2], "training": {"epochs": 4}},
    ),
    CellEntry(
        cell=Cell.GNN,
        title="gnn",
        spec=GnnSpec,
        trainer="trainers.models.gnn.train:run",
        result="metrics",
        config=GnnConfig,
        steps=("52",),
        checkpoints=True,
        submission=Submission.DATASET,
        needs="a ready data set; alone, or as a step of an experiment",
        example={"dataset": EXAMPLE_DATASET, "seeds": [0, 1, 2], "training": {"epochs": 4}},
    ),
    CellEntry(
        cell=Cell.FUSION,
        title="fusion",
        spec=FusionSpec,
        trainer="trainers.models.fusion.train:run",
        result="metrics",
        config=FusionConfig,
        steps=("53",),
        checkpoints=True,
        submission=Submission.EXPERIMENT,
        needs="an experiment whose gate has passed, or whose failed checks were waived; seeds that 51 and 52 have both "
        "finished",
        example={"experiment": EXAMPLE_EXPERIMENT},
    ),
    CellEntry(
        cell=Cell.AGGREGATION,
        title="evidence",
        spec=AggregationSpec,
        trainer="trainers.evaluation.aggregate:run",
        result="evidence",
        config=AggregationConfig,
        steps=("54-bases", "54-final"),
        submission=Submission.ONCE,
        needs="an experiment with at least one seed that 51 and 52 have both finished",
        example={"experiment": EXAMPLE_EXPERIMENT},
    ),
    CellEntry(
        cell=Cell.PACK,
        title="pack",
        spec=PackSpec,
        trainer="trainers.bundle.pack_and_score:pack",
        result="bundle",
    ),
    CellEntry(
        cell=Cell.SCORE,
        title="score",
        spec=ScoreSpec,
        trainer="trainers.bundle.pack_and_score:score",
        result="scores",
    ),
    CellEntry(
        cell=Cell.EVALUATE,
        title="evaluate",
        spec=EvaluateSpec,
        trainer="trainers.bundle.evaluate:run",
        result="evaluation",
    ),
)
ENTRY_OF: Mapping[Cell, CellEntry] = {entry.cell: entry for entry in CELLS}
SUBMITTED = tuple(entry for entry in CELLS if entry.submission is not None)
TRAINED = tuple(entry for entry in CELLS if entry.checkpoints)

if TYPE_CHECKING:
    # A type checker cannot compute a Literal from the registry; pydantic checks the members.
    CellName = int | str
    CellNumber = str
else:
    CellName = (
        Literal[tuple(entry.json for entry in CELLS if not entry.cell.isdigit())]
        | Literal[tuple(entry.json for entry in CELLS if entry.cell.isdigit())]
    )
    CellNumber = Literal[tuple(entry.cell.value for entry in SUBMITTED)]


def one_of(*models: type[BaseModel]) -> Any:
    """Return the union of models that pydantic discriminates by their field `cell`."""
    union: Any = reduce(or_, models)
    return Annotated[union, Field(discriminator="cell")]


ANY_SPEC: TypeAdapter[AnySpec] = TypeAdapter(
    one_of(*(entry.spec for entry in CELLS)), config=ConfigDict(defer_build=True)
)
