"""What an experiment is asked to prove: thresholds with the mission's defaults, all settable."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cellgate.contract.gate import WarningName


class Policy(BaseModel):
    """Thresholds of gate and decision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate_f1: float = Field(0.85, ge=0, le=1, description="Mean F1 of cells 51 and 52 must be above this.")
    skip_fusion_f1: float = Field(0.90, ge=0, le=1, description="Above this without fusion, fusion is skipped.")
    text_weight: float = Field(0.6, ge=0, le=1, description="Weight of the text model in the ensemble.")
    fusion: Literal["auto", "always", "never"] = Field(
        "auto",
        description="auto: the rule decides; always: train fusion once the gate passes, to measure what it adds.",
    )
    baseline_margin: float = Field(0.05, ge=0, le=1, description="F1 above the all-positive baseline, as a warning.")
    leak_probe_f1: float = Field(
        0.75,
        ge=0,
        le=1,
        description="F1 of a probe without understanding above which data give labels away; a warning.",
    )
    minimum_positives: int = Field(100, ge=1, description="Positives in the gate split, as a warning.")
    whole_graphs: float = Field(0.8, ge=0, le=1, description="Share of functions whose graph is whole, as a warning.")
    truncated: float = Field(
        0.3, ge=0, le=1, description="Share of functions that a model may not see all of, as a warning."
    )
    blocking: list[WarningName] = Field(
        default_factory=list, description="Warnings that this team turns into blockers."
    )
