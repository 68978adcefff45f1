"""What cell 54 measures of every option on the gate split: the values that the decision is computed from."""

from collections.abc import Sequence
from typing import Literal, get_args

from pydantic import Field

from cellgate.contract.documents import Document, Finite, NonNegative, Probability, Sha256, is_none
from cellgate.contract.options import Option


class Truncation(Document):
    """How much of a split a model does not see all of: functions with more tokens or graph nodes than it reads."""

    limit: int = Field(ge=1, description="Tokens or nodes that it reads of each at most.")
    unit: Literal["tokens", "nodes"]
    rows: int = Field(ge=1)
    rows_cut: int = Field(ge=0)
    positives: int = Field(ge=0)
    positives_cut: int = Field(ge=0)
    misses: int = Field(ge=0, description="Vulnerable functions that it calls safe.")
    misses_cut: int = Field(ge=0)


def summed(counted: Sequence[Truncation]) -> Truncation:
    """Return the counts of several seeds of one model together; at least one."""
    counts = ("rows", "rows_cut", "positives", "positives_cut", "misses", "misses_cut")
    first = counted[0]
    total = {name: sum(getattr(one, name) for one in counted) for name in counts}
    return Truncation(limit=first.limit, unit=first.unit, **total)


BaselineName = Literal["all_positive", "bag_of_tokens", "length", "identifiers"]


class Baseline(Document):
    """Scores of a classifier without understanding on the gate split."""

    name: BaselineName
    f1: Probability
    auroc: Probability


class Interval(Document):
    """A confidence interval."""

    low: Finite
    high: Finite
    confidence: Probability


PairVerdictName = Literal["correct", "vulnerable", "benign", "reversed"]
PAIR_VERDICTS: tuple[PairVerdictName, ...] = get_args(PairVerdictName)


class PairShare(Document):
    """Share of pairs with one verdict."""

    per_seed: list[Probability] = Field(min_length=1)
    mean: Probability = Field(description="Mean over seeds.")
    interval: Interval


class PairVerdicts(Document):
    """Verdicts of one option on pairs of a vulnerable function and its patched version; the four means add up to 1."""

    pairs: int = Field(ge=1, description="Pairs of the gate split with both functions in it.")
    correct: PairShare = Field(description="P-C: both functions are called what they are.")
    vulnerable: PairShare = Field(description="P-V: both are called vulnerable.")
    benign: PairShare = Field(description="P-B: both are called safe.")
    reversed: PairShare = Field(description="P-R: each is called what the other is.")


class Estimate(Document):
    """A score with its interval."""

    mean: NonNegative = Field(description="Mean over seeds.")
    interval: Interval


class AlertBudget(Document):
    """Scores at thresholds that keep the alerts within a budget: fixed on dev, measured on gate."""

    wanted_per_1000: NonNegative = Field(description="Alerts per 1,000 functions, at most.")
    thresholds: list[Probability] = Field(min_length=1, description="Of each seed.")
    recall: Estimate
    precision: Estimate
    alerts_per_1000: Estimate


class DeploymentScores(Document):
    """Scores where vulnerable functions are as frequent as the policy states, not as in the gate split."""

    prevalence: Probability = Field(description="Stated share of vulnerable functions.")
    precision: Estimate
    f1: Estimate
    alerts_per_1000: Estimate = Field(description="Of 1,000 functions, how many are called vulnerable.")
    vd_s: Estimate = Field(description="VD-S, which does not depend on prevalence.")
    budget: AlertBudget | None = Field(None, exclude_if=is_none, description="Absent where no budget is stated.")


class CoveragePoint(Document):
    """The share of wrong verdicts among the functions that a model is surest of."""

    coverage: Probability = Field(description="Share of the functions that have a verdict.")
    risk: Probability = Field(description="Share of wrong ones among the verdicts, mean over seeds.")


class Abstention(Document):
    """Verdicts given only where the model is sure: the margin is fixed on dev, coverage and risk are of gate."""

    wanted_risk: Probability = Field(description="Share of the verdicts that may be wrong.")
    margins: list[NonNegative | None] = Field(
        min_length=1,
        description="Of each seed: nearer to the threshold, in log-odds, there is no verdict. null: no margin keeps to "
        "the risk on dev, so that there is none at all.",
    )
    coverage: Estimate = Field(description="Share of the functions that have a verdict.")
    risk: Estimate | None = Field(
        description="Share of wrong ones among the verdicts; null where a seed gives no verdict."
    )
    curve: list[CoveragePoint] = Field(
        min_length=1, description="Risk for other coverages, every function of gate with a verdict first."
    )


class OptionEvidence(Document):
    """Scores of one option on the gate split."""

    option: Option
    seeds: list[int]
    f1_per_seed: list[Probability]
    f1: Probability = Field(description="Mean over seeds.")
    f1_sd: NonNegative = Field(description="Sample standard deviation over seeds; 0 with one seed.")
    f1_interval: Interval
    precision: Probability
    recall: Probability
    mcc: float = Field(ge=-1, le=1)
    auprc: Probability | None
    auroc: Probability | None
    ece: Probability
    vd_s: Probability | None
    text_weight: Probability | None = Field(description="Of the ensembles; tuned on the fuse split or fixed.")
    test_f1: Probability | None = Field(description="Mean over seeds on the test split, for the report only.")
    # Left out where they are null: a decision records its evidence's hash, and that of older evidence must not change.
    pair_verdicts: PairVerdicts | None = Field(
        None, exclude_if=is_none, description="Null or absent where the gate split has no whole pair."
    )
    deployment: DeploymentScores | None = Field(
        None,
        exclude_if=is_none,
        description="Null or absent where no prevalence is stated, or the gate split has a single class.",
    )
    abstention: Abstention | None = Field(
        None, exclude_if=is_none, description="Null or absent where no risk is stated."
    )


class Comparison(Document):
    """Paired comparison of two options on the gate split: `first` minus `second`."""

    first: Option
    second: Option
    f1_difference: Finite
    f1_interval: Interval = Field(description="Excludes 0 at 95 % exactly where p is below 0.05.")
    mcnemar_p: Probability = Field(
        description="Exact McNemar over functions, the seeds' median model pair; decides nothing, since it takes the "
        "functions of a commit for independent."
    )
    holm_p: Probability = Field(description="McNemar p after Holm's correction over all comparisons; decides nothing.")
    p: Probability | None = Field(
        None,
        exclude_if=is_none,
        description="Two-sided, of no difference in F1 over other groups and seeds: the interval, inverted; absent "
        "from older evidence.",
    )
    adjusted_p: Probability | None = Field(
        None, exclude_if=is_none, description="p after Holm's correction over all comparisons."
    )


class Gain(Document):
    """Difference in F1 of two options on the same functions."""

    f1: Finite
    interval: Interval


class DeploymentCandidate(Document):
    """One option as it would be packed: of one seed or of all, and how just that does on the gate split."""

    option: Option
    seeds: list[int] = Field(
        min_length=1, description="The one that was best on dev, or all: the mean of their probabilities."
    )
    text_weight: Probability | None = Field(description="Text model's weight in an ensemble, else null.")
    threshold: Probability = Field(description="The threshold that was best on dev.")
    dev_f1: Probability
    f1: Probability
    f1_interval: Interval = Field(description="Interval of these models alone; other seeds do not count.")
    precision: Probability
    recall: Probability
    ece: Probability
    gain: Gain | None = Field(description="Of all seeds over the one that was best on dev; null for that one.")


class KindEvidence(Document):
    """Recall or accuracy of every option on one slice (CWE or project) of the gate split."""

    slice: Literal["cwe", "project"]
    value: str
    rows: int = Field(ge=1)
    accuracy: dict[str, Probability]


class Evidence(Document):
    """Evidence that the decision is computed from, measured by cell 54 on the gate split."""

    split: Literal["gate"]
    rows: int = Field(ge=1)
    positives: int = Field(ge=0)
    groups: int = Field(ge=1)
    all_positive_f1: Probability
    baselines: list[Baseline] = Field(default_factory=list, description="Scores of classifiers without understanding.")
    options: list[OptionEvidence]
    comparisons: list[Comparison]
    slices: list[KindEvidence]
    shippable: list[DeploymentCandidate] = Field(
        default_factory=list, description="Every option as it would be packed: the seed best on dev, then all seeds."
    )
    truncation: dict[Option, Truncation] = Field(
        default_factory=dict,
        description="Functions that the two base models do not see all of, summed over their seeds.",
    )
    inputs: dict[str, Sha256] = Field(description="Hash of every predictions file that was read, by run.")
