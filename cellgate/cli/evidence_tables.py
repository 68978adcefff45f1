"""What a decision was taken on, as tables: each option, options in pairs, and what they are worth where they run."""

from collections.abc import Callable, Sequence

from rich.console import Console

from cellgate.cli.columns import Column, print_rows
from cellgate.cli.formatting import score, span
from cellgate.contract.evidence import (
    Abstention,
    AlertBudget,
    Comparison,
    DeploymentScores,
    Estimate,
    Evidence,
    OptionEvidence,
    PairShare,
    PairVerdicts,
)
from cellgate.contract.text import p_value, percent

# A figure of one option.
Abstaining = tuple[str, Abstention]
Budgets = tuple[str, AlertBudget]
Deployed = tuple[str, DeploymentScores]
Verdicts = tuple[str, PairVerdicts]


def _name(option: OptionEvidence) -> str:
    return option.option if option.text_weight is None else f"{option.option} ({option.text_weight:.2f} text)"


def _shares(title: str, share_of: Callable[[PairVerdicts], PairShare]) -> Column[Verdicts]:
    return Column(title=title, text=lambda one: score(share_of(one[1]).mean), is_number=True, rank=1)


def _estimates(
    title: str, digits: int, estimate_of: Callable[[DeploymentScores], Estimate], *, rank: int = 0
) -> tuple[Column[Deployed], Column[Deployed]]:
    """Return the columns of a mean and of its interval."""

    def interval(one: Deployed) -> str:
        found = estimate_of(one[1]).interval
        return f"{found.low:.{digits}f} to {found.high:.{digits}f}"

    mean = Column[Deployed](
        title=title, text=lambda one: f"{estimate_of(one[1]).mean:.{digits}f}", is_number=True, rank=rank
    )
    return mean, Column[Deployed](title="95 %", text=interval, rank=rank + 1)


OPTIONS: Sequence[Column[OptionEvidence]] = (
    Column(title="option", text=_name),
    Column(title="F1 mean", text=lambda option: score(option.f1), is_number=True),
    Column(title="95 % interval", text=lambda option: span(option.f1_interval.low, option.f1_interval.high)),
    Column(title="F1 per seed", text=lambda option: " ".join(f"{f1:.3f}" for f1 in option.f1_per_seed), rank=1),
    Column(title="precision", text=lambda option: score(option.precision), is_number=True, rank=2),
    Column(title="recall", text=lambda option: score(option.recall), is_number=True, rank=2),
    Column(title="AUPRC", text=lambda option: score(option.auprc), is_number=True, rank=3),
    Column(title="ECE", text=lambda option: score(option.ece), is_number=True, rank=4),
    Column(title="test F1", text=lambda option: score(option.test_f1), is_number=True, rank=3),
)
PAIRS: Sequence[Column[Comparison]] = (
    Column(title="first", text=lambda pair: pair.first),
    Column(title="second", text=lambda pair: pair.second),
    Column(title="F1 difference", text=lambda pair: f"{pair.f1_difference:+.4f}", is_number=True),
    Column(title="95 % interval", text=lambda pair: span(pair.f1_interval.low, pair.f1_interval.high, sign="+")),
    Column(title="p", text=lambda pair: p_value(pair.p), is_number=True, rank=1),
    Column(title="p (Holm)", text=lambda pair: p_value(pair.adjusted_p), is_number=True, rank=1),
)
VERDICTS: Sequence[Column[Verdicts]] = (
    Column(title="option", text=lambda one: one[0]),
    Column(title="both right", text=lambda one: score(one[1].correct.mean), is_number=True),
    Column(title="95 % interval", text=lambda one: span(one[1].correct.interval.low, one[1].correct.interval.high)),
    Column(title="per seed", text=lambda one: " ".join(f"{share:.3f}" for share in one[1].correct.per_seed), rank=2),
    _shares("both vulnerable", lambda verdicts: verdicts.vulnerable),
    _shares("both safe", lambda verdicts: verdicts.benign),
    _shares("reversed", lambda verdicts: verdicts.reversed),
)
DEPLOYMENT: Sequence[Column[Deployed]] = (
    Column(title="option", text=lambda one: one[0]),
    *_estimates("precision", 3, lambda scores: scores.precision),
    *_estimates("F1", 3, lambda scores: scores.f1),
    *_estimates("alerts per 1,000", 1, lambda scores: scores.alerts_per_1000),
    *_estimates("VD-S", 3, lambda scores: scores.vd_s, rank=2),
)
BUDGETS: Sequence[Column[Budgets]] = (
    Column(title="option", text=lambda one: one[0]),
    Column(title="recall", text=lambda one: score(one[1].recall.mean), is_number=True),
    Column(title="95 % interval", text=lambda one: span(one[1].recall.interval.low, one[1].recall.interval.high)),
    Column(title="precision", text=lambda one: score(one[1].precision.mean), is_number=True),
    Column(title="alerts per 1,000", text=lambda one: f"{one[1].alerts_per_1000.mean:.1f}", is_number=True),
    Column(title="thresholds", text=lambda one: " ".join(f"{value:.3f}" for value in one[1].thresholds), rank=1),
)

ABSTENTION: Sequence[Column[Abstaining]] = (
    Column(title="option", text=lambda one: one[0]),
    Column(title="verdicts", text=lambda one: score(one[1].coverage.mean), is_number=True),
    Column(title="95 % interval", text=lambda one: _interval(one[1].coverage), rank=1),
    Column(
        title="wrong of these",
        text=lambda one: score(None if one[1].risk is None else one[1].risk.mean) or "–",
        is_number=True,
    ),
    Column(title="95 % interval", text=lambda one: _interval(one[1].risk), rank=1),
    Column(title="margins", text=lambda one: " ".join(_margin(margin) for margin in one[1].margins), rank=2),
)


def _interval(found: Estimate | None) -> str:
    return "" if found is None else span(found.interval.low, found.interval.high)


def _margin(margin: float | None) -> str:
    return "none" if margin is None else f"{margin:.2f}"


def show_evidence(console: Console, evidence: Evidence) -> None:
    """Print every option with its scores, and the options in pairs, as far as the terminal has room for it."""
    title = f"Options on the gate split: {evidence.rows} functions, {evidence.positives} vulnerable"
    print_rows(console, evidence.options, OPTIONS, title=title)
    _show_pair_verdicts(console, evidence)
    _show_deployment(console, evidence)
    abstaining = [(one.option, one.abstention) for one in evidence.options if one.abstention is not None]
    if abstaining:
        wanted = percent(abstaining[0][1].wanted_risk)
        print_rows(console, abstaining, ABSTENTION, title=f"Verdicts where at most {wanted} may be wrong")
    if evidence.comparisons:
        print_rows(console, evidence.comparisons, PAIRS, title="Compared in pairs")


def _show_pair_verdicts(console: Console, evidence: Evidence) -> None:
    """Print every option's verdicts on pairs; nothing where the gate split has none."""
    found = [(one.option, one.pair_verdicts) for one in evidence.options if one.pair_verdicts is not None]
    if found:
        pairs = max(verdicts.pairs for _, verdicts in found)
        title = f"Verdicts on {pairs:,} pairs of a vulnerable function and its patched version: share of pairs"
        print_rows(console, found, VERDICTS, title=title)


def _show_deployment(console: Console, evidence: Evidence) -> None:
    """Print every option's scores at the prevalence that the policy states; nothing where it states none."""
    found = [(one.option, one.deployment) for one in evidence.options if one.deployment is not None]
    if not found:
        return
    stated = percent(found[0][1].prevalence)
    print_rows(console, found, DEPLOYMENT, title=f"Where {stated} of the functions are vulnerable")
    budgets = [(option, scores.budget) for option, scores in found if scores.budget is not None]
    if budgets:
        title = f"At most {budgets[0][1].wanted_per_1000:g} alerts per 1,000 of them"
        print_rows(console, budgets, BUDGETS, title=title)
