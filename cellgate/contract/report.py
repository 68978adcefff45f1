"""`report.json` beside cell 54's result: the details behind the evidence, for a reader who wants to look closer."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cellgate.contract.documents import Document, Probability, Sha256
from cellgate.contract.evidence import Evidence
from cellgate.contract.files import write_json
from cellgate.contract.options import Option
from cellgate.contract.results import Metrics
from cellgate.contract.untrusted_files import read_document

SCHEMA_VERSION = 1
MEAN_ROWS = Field(ge=0, description="A mean over seeds.")


class SeedScores(Document):
    """One option of one seed."""

    seed: int
    threshold: Probability
    text_weight: Probability | None = Field(description="Text model's weight in an ensemble, else null.")
    dev_f1: Probability
    gate: Metrics
    test: Metrics | None = Field(description="Null where the test split is empty.")


class ReliabilityBin(Document):
    """Functions of about the same probability, and how many of them are vulnerable."""

    rows: int = Field(ge=1)
    probability: Probability = Field(description="Mean.")
    vulnerable: Probability = Field(description="Share.")


class CurvePoint(Document):
    """Precision and recall at one threshold."""

    threshold: Probability
    recall: Probability
    precision: Probability


class OptionReport(Document):
    """One option, seed by seed."""

    option: Option
    seeds: list[SeedScores]
    flip_rate: Probability | None = Field(
        description="Share of functions that two seeds call differently, mean over pairs of seeds; null with one seed."
    )
    unsteady: Probability | None = Field(
        description="Share of functions that not all seeds call alike; null with one seed."
    )
    reliability: list[ReliabilityBin] = Field(description="Bins of equal mass, of all seeds' probabilities.")
    calibration_error: Probability = Field(description="Mean gap over these bins, weighed by their functions.")
    curves: list[list[CurvePoint]] = Field(
        description="Precision and recall by seed, as the seeds stand: recall rising, a hundred points at most."
    )


class SharedErrors(Document):
    """Errors of two options, as counts of functions; means over seeds."""

    both: float = MEAN_ROWS
    only_first: float = Field(ge=0, description="The second is right.")
    only_second: float = Field(ge=0, description="The first is right.")


class Overlap(Document):
    """Errors that two options share, and errors that one of them corrects."""

    first: Option
    second: Option
    misses: SharedErrors = Field(description="Vulnerable functions that are called safe.")
    false_alarms: SharedErrors = Field(description="Safe functions that are called vulnerable.")


class SliceScores(Document):
    """One option on one slice, all seeds pooled."""

    accuracy: Probability
    precision: Probability
    recall: Probability | None = Field(description="Null without a vulnerable function.")
    f1: Probability | None = Field(description="Null without a vulnerable function.")


class SliceReport(Document):
    """The functions of the gate split of one weakness or project."""

    slice: Literal["cwe", "project"]
    value: str
    rows: int = Field(ge=1)
    positives: int = Field(ge=0)
    scores: dict[Option, SliceScores]


class HardFunction(Document):
    """A function on which base models err in every seed."""

    id: str
    vulnerable: bool
    project: str | None
    cwe: str | None
    probability: dict[Option, Probability] = Field(description="Mean over seeds, of every option.")
    wrong: dict[Option, int] = Field(description="Number of seeds in which each option is wrong, by option.")


class HardFunctions(Document):
    """Functions on which base models err in every seed, the surest errors first; some twenty of each kind."""

    common: list[HardFunction] = Field(description="Functions on which both base models are wrong.")
    transformer_corrects: list[HardFunction] = Field(
        description="Functions on which the transformer is right and the GNN wrong."
    )
    gnn_corrects: list[HardFunction] = Field(
        description="Functions on which the GNN is right and the transformer wrong."
    )
    common_total: int = Field(ge=0)
    transformer_corrects_total: int = Field(ge=0)
    gnn_corrects_total: int = Field(ge=0)


class SeedReport(Document):
    """The whole of `report.json`: cell 54's evidence, and the analyses behind it."""

    schema_version: Literal[1]
    dataset_id: Sha256
    evidence: Evidence
    options: list[OptionReport]
    overlaps: list[Overlap]
    slices: list[SliceReport] = Field(description="Largest slices first, CWE before project.")
    hard_functions: HardFunctions


def report_schema() -> dict[str, Any]:
    """Return the published JSON Schema of `report.json` (draft 2020-12)."""
    return SeedReport.model_json_schema()


def write_report(path: Path, report: SeedReport) -> SeedReport:
    """Write a report, atomically, and return it as a reader will parse it.

    Raises:
        ValueError: What is on disk breaks the schema.
    """
    write_json(path, report.model_dump(mode="json"))
    return read_report(path)


def read_report(path: Path) -> SeedReport:
    """Read a report from disk and validate it.

    Raises:
        OSError: It cannot be read, or is no regular file.
        ValueError: It has more than 64 MiB, is not JSON, or breaks the schema (a pydantic.ValidationError says where).
    """
    return SeedReport.model_validate(read_document(path))
