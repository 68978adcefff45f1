"""An experiment's request: configs of its cells, seeds, limits of its runs, and the policy of gate and decision."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from cellgate.contract.broken_rules import BrokenRule, FieldsDisagree
from cellgate.contract.configs import AggregationConfig, FusionConfig, GnnConfig, TransformerConfig
from cellgate.contract.documents import Input
from cellgate.contract.gate import WarningName

LONGEST_S = 90 * 86_400
DEFAULT_QUEUE = "cpu"
MAX_SEEDS = 32
Priority = Annotated[int, Field(ge=-100, le=100, description="Higher runs first.")]
Queue = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,30}$"),
    Field(description="Workers serve queues by name, `cpu` and `gpu` or any other; see GET /v1/workers."),
]
TimeLimit = Annotated[float, Field(gt=0, le=LONGEST_S)]


class RunLimits(Input):
    """How runs wait and how long they may take."""

    priority: Priority = 0
    queue: Queue = DEFAULT_QUEUE
    queue_timeout_s: TimeLimit | None = Field(
        None,
        description="A run that is queued for longer fails with `queue_timeout`; time spent paused does not count.",
    )
    timeout_s: TimeLimit | None = Field(
        None, description="A run that runs for longer, over all of its attempts, fails with `timeout`."
    )


# Of each check on scores for deployment, the field with its threshold; without the field there is no check.
DEPLOYMENT_THRESHOLDS: Mapping[str, str] = {
    "deployment_precision": "min_deployment_precision",
    "deployment_f1": "min_deployment_f1",
    "deployment_alerts": "max_alerts_per_1000",
    "vd_s": "max_vd_s",
    "coverage": "min_coverage",
}
# Of them, those that say nothing without a prevalence.
AT_PREVALENCE = frozenset(DEPLOYMENT_THRESHOLDS) - {"vd_s", "coverage"}


class Policy(Input):
    """Thresholds of gate and decision."""

    gate_f1: float = Field(0.85, ge=0, le=1, description="Mean F1 of cells 51 and 52 must be above this.")
    skip_fusion_f1: float = Field(0.90, ge=0, le=1, description="Above this without fusion, fusion is skipped.")
    text_weight: float = Field(0.6, ge=0, le=1, description="Weight of the text model in the ensemble.")
    ship_tuned_ensemble: bool = Field(
        False, description="Whether the ensemble whose weight was tuned on the fuse split may be shipped as well."
    )
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
    deployment_prevalence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of vulnerable functions where the model will run, for evidence and gate; null: not stated.",
    )
    alert_budget_per_1000: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Alerts there per 1,000 functions that somebody can look at; dev fixes a threshold for it.",
    )
    selective_risk: float | None = Field(
        None,
        gt=0,
        lt=0.5,
        description="Share of the verdicts that may be wrong; dev fixes within which margin there is none.",
    )
    min_deployment_precision: float | None = Field(
        None, ge=0, le=1, description="Precision of 51 and 52 at the prevalence, as a warning; null: no check."
    )
    min_deployment_f1: float | None = Field(
        None, ge=0, le=1, description="F1 of 51 and 52 at the prevalence, as a warning; null: no check."
    )
    max_alerts_per_1000: float | None = Field(
        None,
        ge=0,
        le=1000,
        description="Alerts of 51 and 52 per 1,000 functions at the prevalence, as a warning; null: no check.",
    )
    max_vd_s: float | None = Field(
        None, ge=0, le=1, description="VD-S of 51 and 52 on the gate split, as a warning; null: no check."
    )
    min_coverage: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of functions with a verdict of 51 and 52 at the risk, as a warning; null: no check.",
    )
    min_pair_correct: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of pairs that 51 and 52 must get right on the gate split, as a warning; null: no check.",
    )
    looks: int = Field(
        1,
        ge=1,
        description="Answers until this one, itself included, where seeds were added because the one before was "
        "borderline; the decision says so.",
    )
    trials: int = Field(
        1,
        ge=1,
        description="Configs that were tried on this data set until this one was chosen, itself included; the decision "
        "says so.",
    )
    blocking: list[WarningName] = Field(
        default_factory=list, description="Warnings that this team turns into blockers."
    )

    @model_validator(mode="after")
    def _what_is_checked_has_its_threshold(self) -> Self:
        # Without the threshold there is no check, and the gate would pass what its policy seems to forbid.
        wanted = {"pair_correct": "min_pair_correct", **DEPLOYMENT_THRESHOLDS}
        missing = [
            BrokenRule(at=("blocking",), message=f"blocking names {check}, which needs a value in {field}")
            for check, field in wanted.items()
            if check in self.blocking and getattr(self, field) is None
        ]
        if self.deployment_prevalence is None:
            at_prevalence = [field for check, field in DEPLOYMENT_THRESHOLDS.items() if check in AT_PREVALENCE]
            missing += [
                BrokenRule(
                    at=(field,), message=f"{field} needs a share of vulnerable functions in deployment_prevalence"
                )
                for field in (*at_prevalence, "alert_budget_per_1000")
                if getattr(self, field) is not None
            ]
        if self.min_coverage is not None and self.selective_risk is None:
            message = "min_coverage needs a share of the verdicts that may be wrong in selective_risk"
            missing.append(BrokenRule(at=("min_coverage",), message=message))
        if missing:
            raise FieldsDisagree(*missing)
        return self


Fresh = Annotated[
    bool, Field(description="Train every run, also where an equal one has finished whose result could be reused.")
]


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds):
        raise ValueError("seeds must be distinct")
    return seeds


Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seeds = Annotated[
    list[Seed],
    Field(min_length=1, max_length=MAX_SEEDS, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


class Budget(Input):
    """What an experiment may take; a run that is at work beyond it is stopped at a checkpoint."""

    device_s: float | None = Field(None, gt=0, description="Time at work of all attempts of the experiment together.")
    cost: float | None = Field(None, gt=0, description="The same at the price of a device hour when it is submitted.")

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.device_s is None and self.cost is None:
            raise ValueError("a budget needs device_s, cost, or both")
        return self


class MoreSeeds(Input):
    """Seeds that are added, by themselves, while the answer is borderline."""

    most: int = Field(ge=2, le=MAX_SEEDS, description="Seeds in all, at most.")
    step: int = Field(2, ge=1, le=MAX_SEEDS, description="Seeds that are added each time.")


class ExperimentSpec(RunLimits):
    """Configs of all cells, seeds, policy and run limits of one experiment."""

    seeds: Seeds = Field(default_factory=lambda: [0, 1, 2])
    transformer: TransformerConfig = TransformerConfig()
    gnn: GnnConfig = GnnConfig()
    fusion: FusionConfig = FusionConfig()
    aggregation: AggregationConfig = AggregationConfig()
    policy: Policy = Policy()
    fresh: Fresh = False
    budget: Budget | None = Field(None, description="Null: as long as it takes.")
    autopilot: bool = Field(True, description="Start each cell after the one before it; else POST /v1/jobs does.")
    more_seeds: MoreSeeds | None = Field(
        None, description="Repeat it with more seeds while its answer is borderline; null: a person decides on that."
    )

    @model_validator(mode="after")
    def _has_no_more_seeds_than_it_may(self) -> Self:
        if self.more_seeds is not None and self.more_seeds.most < len(self.seeds):
            message = f"more_seeds.most is {self.more_seeds.most}, and there are {len(self.seeds)} seeds already"
            raise FieldsDisagree(BrokenRule(at=("more_seeds", "most"), message=message))
        return self
