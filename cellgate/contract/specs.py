"""The spec of one trainer process, by cell: its config, and the data set, seed, inputs and device that it needs."""

from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from cellgate.contract.configs import AggregationConfig, FusionConfig, GnnConfig, PrepareConfig, Spec, TransformerConfig
from cellgate.contract.documents import Day


class Device(StrEnum):
    """Where to train; `auto` takes a GPU when there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class SourceSpec(PrepareConfig):
    """Where labelled functions are, and how they are read."""

    source: Path | list[Path] = Field(description="A file, a folder, or several of both.")

    @field_validator("source")
    @classmethod
    def _names_something(cls, source: Path | list[Path]) -> Path | list[Path]:
        if source == []:
            raise ValueError("name at least one file or folder")
        return source

    @property
    def sources(self) -> tuple[Path, ...]:
        """Every file or folder."""
        return (self.source,) if isinstance(self.source, Path) else tuple(self.source)


class InspectSpec(SourceSpec):
    """Show how a source would be read, and make nothing of it: `cellgate trainers inspect`."""

    cell: Literal["inspect"] = "inspect"


class PreviousVersion(Spec):
    """The version of a data set that a new one follows."""

    id: str
    version: int = Field(ge=1)
    path: Path = Field(description="Its folder.")


class PrepareSpec(SourceSpec):
    """Prepare one data set: `cellgate trainers prepare`."""

    cell: Literal["prepare"] = "prepare"
    graphs: Path | None = Field(
        None,
        description="Imported graphs instead of ours, named by id: a folder of PyG `<id>.pt` files, or a JSONL file of "
        "nodes and edges as Joern gives them; functions without one get ours.",
    )
    workers: int = Field(1, ge=1, le=256)
    previous: PreviousVersion | None = Field(None, description="The version to say what changed against.")


class ProcessSpec(Spec):
    """What every run needs besides its config."""

    seed: int = Field(0, ge=0, lt=2**31)
    device: Device = Device.AUTO
    threads: int = Field(1, ge=1, le=256, description="CPU threads of this process.")


class RunSpec(ProcessSpec):
    """What every run on a data set needs besides its config."""

    dataset: Path


class TransformerSpec(RunSpec, TransformerConfig):
    """One seed of cell 51: `cellgate trainers transformer`."""

    lr_cache: Path | None = None


class GnnSpec(RunSpec, GnnConfig):
    """One seed of cell 52: `cellgate trainers gnn`."""

    lr_cache: Path | None = None


class FusionSpec(RunSpec, FusionConfig):
    """One seed of cell 53: `cellgate trainers fusion`; the bases are output folders of cells 51 and 52."""

    transformer: Path
    gnn: Path
    lr_cache: Path | None = None


class RunOutput(Spec):
    """The output folder of one finished run."""

    seed: int = Field(ge=0)
    path: Path
    run: str | None = Field(None, description="The run's id, for links.")


class AggregationSpec(RunSpec, AggregationConfig):
    """Cell 54: `cellgate trainers aggregation` over finished runs; each cell has the same seeds."""

    transformer: list[RunOutput] = Field(min_length=1)
    gnn: list[RunOutput] = Field(min_length=1)
    fusion: list[RunOutput] = Field(default_factory=list)


class PreflightSpec(RunSpec):
    """Take the cells through one real batch of every stage: `cellgate trainers preflight`."""

    cell: Literal["preflight"] = "preflight"
    transformer: TransformerConfig | None = None
    gnn: GnnConfig | None = None
    fusion: FusionConfig | None = Field(None, description="Tried on the two models above, as they come untrained.")
    minimum_free_bytes: int = Field(1 << 30, ge=0)


BundleKind = Literal["single", "ensemble", "fusion"]

Explain = Literal["none", "findings", "all"]


class PackSpec(RunSpec):
    """Make a bundle of finished runs: `cellgate trainers pack`."""

    cell: Literal["pack"] = "pack"
    kind: BundleKind
    runs: list[Path] = Field(min_length=1, description="Output folders of cells 51 to 53.")
    text_weight: float | None = Field(None, ge=0, le=1, description="Of the text model in an ensemble; null: tuned.")
    licence_notes: str | None = Field(None, max_length=10_000)
    deployment_prevalence: float | None = Field(
        None, gt=0, lt=1, description="Share of vulnerable functions where it will run, for its scores in the manifest."
    )
    alerts_per_1000: float | None = Field(
        None, gt=0, le=1000, description="Alerts there per 1,000 functions at most, for a threshold in the manifest."
    )
    selective_risk: float | None = Field(
        None, gt=0, lt=0.5, description="Share of the verdicts that may be wrong, for a margin in the manifest."
    )
    tolerance: float = Field(
        1e-5, gt=0, le=0.1, description="How far its probabilities may be from those that the runs stored."
    )


class ScoreSpec(ProcessSpec):
    """Score functions with a bundle: `cellgate trainers score`; always on the CPU, as the bundle's self-test."""

    cell: Literal["score"] = "score"
    bundle: Path
    functions: list[str] = Field(min_length=1, max_length=1_000)
    threshold: float | None = Field(None, ge=0, le=1, description="Default: the bundle's own.")
    explain: Explain = "findings"


class EvaluateSpec(RunSpec):
    """Judge a bundle or a file of scores on a data set: `cellgate trainers evaluate`; always on the CPU."""

    cell: Literal["evaluate"] = "evaluate"
    bundle: Path | None = Field(None, description="A bundle's folder; this or scores.")
    scores: Path | None = Field(None, description="JSONL or CSV with id and probability of every function, or SARIF.")
    trained_on: Path | None = Field(None, description="Data set of the detector, to show what is shared with it.")
    threshold: float | None = Field(None, ge=0, le=1, description="Default: the bundle's own; of scores 0.5.")
    cutoff: Day | None = Field(
        None, description="Last day of which a pretrained model may have read; null: not stated."
    )

    @model_validator(mode="after")
    def _judges_one_detector(self) -> Self:
        refuse_two_detectors(self.bundle, self.scores)
        return self


def refuse_two_detectors(bundle: object, scores: object) -> None:
    """Refuse both, or neither, of a bundle and a file of scores.

    Raises:
        ValueError: As validators do.
    """
    if (bundle is None) == (scores is None):
        raise ValueError("name a bundle, or a file of scores, and not both")


# Every spec is one of these; cellgate.contract.cells lists them.
AnySpec = SourceSpec | ProcessSpec
# Those that train a model.
TrainedSpec = TransformerSpec | GnnSpec | FusionSpec
