"""The validation gate's report (its values; the rules are in `service.domain.gate.rules`)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

GateCheckVerdict = Literal["pending", "pass", "fail", "warn", "waived"]


TITLES = {
    "seeds_complete": "Seeds complete",
    "exit_codes": "Exit codes",
    "mean_f1_transformer": "Mean F1 of 51 transformer",
    "mean_f1_gnn": "Mean F1 of 52 gnn",
    "no_collapse": "No collapse",
    "lr_cache": "Learning-rate cache",
    "metadata_valid": "Metadata valid",
    "baseline_margin": "Margin over all-positive",
    "bag_of_tokens": "Above a bag of tokens",
    "leak_probes": "Above the leak probes",
    "positives": "Enough positives",
    "graph_quality": "Whole graphs",
    "truncation": "Functions cut",
}


class Waiver(BaseModel):
    """Who let a failed check pass, and why."""

    model_config = ConfigDict(frozen=True)

    reason: str
    by: str = Field(description="Name of the token, or `local` where none is asked for.")
    at: float = Field(description="Seconds since the epoch.")


class SeedValue(BaseModel):
    """What one check measured on one seed."""

    model_config = ConfigDict(frozen=True)

    cell: Literal[51, 52]
    seed: int
    run: str
    value: float | str | bool | None


class GateCheck(BaseModel):
    """One check: what was asked, what was measured, and where."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Stable: seeds_complete, exit_codes, mean_f1_transformer, mean_f1_gnn, no_collapse …")
    cell: Literal[51, 52] | None = None
    blocking: bool
    verdict: GateCheckVerdict
    threshold: float | None = None
    measured: float | None = None
    interval: tuple[float, float] | None = Field(
        None, description="95 %, of a mean F1: over functions and seeds once cell 54 has weighed them, else over seeds."
    )
    reason: str = Field(description="One sentence in plain words.")
    seeds: list[SeedValue] = Field(default_factory=list)
    evidence: list[str] = Field(default_factory=list, description="Links to the runs or documents behind it.")
    waiver: Waiver | None = Field(None, description="Of a check that failed and was let pass.")

    @computed_field(description="The name in words.")  # type: ignore[prop-decorator]
    @property
    def title(self) -> str:
        """The name in words."""
        return TITLES.get(self.name, self.name)


class GateReport(BaseModel):
    """All checks, and what they add up to: `pass` when every blocking check passes or is waived."""

    model_config = ConfigDict(frozen=True)

    experiment: str
    verdict: Literal["pending", "pass", "fail"]
    checks: list[GateCheck]
    summary: str
