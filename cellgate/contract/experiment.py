"""What an experiment is asked to do; kept with it as it was sent."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from cellgate.contract.configs import AggregationConfig, FusionConfig, GnnConfig, TransformerConfig
from cellgate.contract.policy import Policy
from cellgate.contract.run_limits import RunLimits


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds):
        raise ValueError("seeds must be distinct")
    return seeds


Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seeds = Annotated[
    list[Seed], Field(min_length=1, max_length=32, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)
]


class ExperimentSpec(RunLimits):
    """Configs of all cells, seeds, policy and terms of one experiment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: Seeds = Field(default_factory=lambda: [0, 1, 2])
    transformer: TransformerConfig = TransformerConfig()
    gnn: GnnConfig = GnnConfig()
    fusion: FusionConfig = FusionConfig()
    aggregation: AggregationConfig = AggregationConfig()
    policy: Policy = Policy()
    autopilot: bool = Field(True, description="Go from cell to cell without being asked; else POST /v1/jobs does.")
