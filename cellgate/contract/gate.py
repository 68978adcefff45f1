"""The validation gate's checks by name, and its report.

How a check is computed stands in `service.domain.gate`: a test compares the rules there with the rows here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

GateCheckVerdict = Literal["pending", "pass", "fail", "warn", "waived"]


@dataclass(frozen=True, kw_only=True)
class CheckSpec:
    """One check of the gate.

    Args:
        name: Stable identifier, used in reports, waivers and `policy.blocking`.
        title: Name for people.
        blocking: True if a failure fails the gate; False for a warning that a policy may make blocking.
    """

    name: str
    title: str
    blocking: bool


# In the order of the report.
CHECKS = (
    CheckSpec(name="seeds_complete", title="Seeds complete", blocking=True),
    CheckSpec(name="exit_codes", title="Exit codes", blocking=True),
    CheckSpec(name="mean_f1_transformer", title="Mean F1 of 51 transformer", blocking=True),
    CheckSpec(name="mean_f1_gnn", title="Mean F1 of 52 gnn", blocking=True),
    CheckSpec(name="no_collapse", title="No collapse", blocking=True),
    CheckSpec(name="lr_cache", title="Learning-rate cache", blocking=True),
    CheckSpec(name="metadata_valid", title="Metadata valid", blocking=True),
    CheckSpec(name="baseline_margin", title="Margin over all-positive", blocking=False),
    CheckSpec(name="bag_of_tokens", title="Above a bag of tokens", blocking=False),
    CheckSpec(name="leak_probes", title="Above the leak probes", blocking=False),
    CheckSpec(name="positives", title="Enough positives", blocking=False),
    CheckSpec(name="graph_quality", title="Whole graphs", blocking=False),
    CheckSpec(name="truncation", title="Functions cut", blocking=False),
    CheckSpec(name="lr_found", title="Learning rates found", blocking=False),
    CheckSpec(name="pair_correct", title="Pairs correct", blocking=False),
    CheckSpec(name="deployment_precision", title="Precision at the prevalence", blocking=False),
    CheckSpec(name="deployment_f1", title="F1 at the prevalence", blocking=False),
    CheckSpec(name="deployment_alerts", title="Alerts at the prevalence", blocking=False),
    CheckSpec(name="vd_s", title="VD-S", blocking=False),
    CheckSpec(name="coverage", title="Functions with a verdict", blocking=False),
)
TITLES: Mapping[str, str] = {check.name: check.title for check in CHECKS}
BLOCKING = frozenset(check.name for check in CHECKS if check.blocking)

# The warnings, each of which a policy may make blocking. At run time the type lists their names, so that requests and
# the OpenAPI document know them; a type checker cannot read names from rows.
if TYPE_CHECKING:
    WarningName = str
else:
    WarningName = Literal[tuple(check.name for check in CHECKS if not check.blocking)]


class Waiver(BaseModel):
    """A person's waiver of a failed check, with the reason."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    reason: str
    by: str = Field(description="Name of the token, or `local` where none is required.")
    at: float = Field(description="Seconds since the epoch.")


class SeedValue(BaseModel):
    """Value that a check measured on one seed."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    cell: Literal[51, 52]
    seed: int
    run: str
    value: float | str | bool | None


class GateCheck(BaseModel):
    """One check: its threshold, the measured value, the verdict and the runs behind it."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str = Field(description=f"One of {', '.join(check.name for check in CHECKS)}.")
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
    waiver: Waiver | None = Field(None, description="The waiver of a failed check; null without one.")

    @computed_field(description="Name for people.")  # type: ignore[prop-decorator]
    @property
    def title(self) -> str:
        """Name for people; a check of an older release keeps its identifier."""
        return TITLES.get(self.name, self.name)


class GateReport(BaseModel):
    """All checks and their sum: `pass` when every blocking check passes or is waived."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    experiment: str
    verdict: Literal["pending", "pass", "fail"]
    checks: list[GateCheck]
    summary: str
