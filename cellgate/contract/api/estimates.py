"""What an experiment will take, before it is submitted, and what it took."""

from pydantic import Field

from cellgate.contract.api.common import Answer
from cellgate.contract.cells import CellName


class Figure(Answer):
    """One predicted figure, with its range and where it comes from."""

    value: float | None = Field(description="Null: not known; `source` says what would make it known.")
    low: float | None = Field(None, description="End of the range.")
    high: float | None = Field(None, description="Other end of the range.")
    source: str = Field(description="Where the figure comes from, or what would make it known.")


class StepEstimate(Answer):
    """One cell of an experiment: each of its runs."""

    cell: CellName
    runs: int = Field(description="One per seed.")
    seconds: Figure = Field(description="Time at work of one run.")
    host_bytes: Figure = Field(description="Peak memory of one run.")
    device_bytes: Figure = Field(description="Peak memory on the GPU of one run.")
    disk_bytes: Figure = Field(description="What all of its runs write.")


class EstimateAnswer(Answer):
    """Time, memory, disk and cost of cells 51 to 53; runs that reuse a finished one's result then take less."""

    steps: list[StepEstimate]
    device_s: Figure = Field(description="Time at work of all runs together.")
    cost: Figure = Field(description="`device_s` at the price of a device hour.")
    exceeds_budget: bool = Field(description="Whether even the lower end of `device_s` is above the spec's budget.")


class SpentAnswer(Answer):
    """What was predicted when an experiment was submitted, and what it has taken so far."""

    predicted: EstimateAnswer | None = Field(description="Null for experiments of releases that did not estimate.")
    device_s: float = Field(description="Time at work of cells 51 to 53 so far, all attempts together.")
    other_s: float = Field(description="That of pre-flight and evidence.")
    cost: float | None = Field(description="At the price of a device hour as it is now; null without a price.")
    budget_s: float | None = Field(description="What it may take at most; null: as long as it takes.")
