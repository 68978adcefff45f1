"""Pre-flight checks that need nothing but a data set's summary. Pure."""

from collections.abc import Iterator, Sequence

from cellgate.contract.configs import Split
from cellgate.contract.dataset import (
    ENOUGH_POSITIVES,
    ENOUGH_TO_TRAIN,
    MANY_NEAR_DUPLICATES,
    rarer_class,
    train_classes_detail,
)
from cellgate.contract.results import Check, DatasetSummary, PreflightVerdict, SplitSummary

# Share of the functions whose graph is not whole.
MANY_BROKEN = 0.2
SEVERITY: tuple[PreflightVerdict, ...] = ("pass", "warn", "fail")
BROKEN_GRAPHS = ("partial", "token_chain")


def static_checks(summary: DatasetSummary) -> list[Check]:
    """Check the counts of `prepare`: classes, positives for the gate, copies across splits, graphs.

    All checks run, whatever fails. Checks that need models or functions belong to the smoke pre-flight.
    """
    return [
        *_classes(summary),
        _gate_positives(summary),
        _train_classes(summary),
        *_near_duplicates(summary),
        _graphs(summary),
    ]


def worst(checks: Sequence[Check]) -> PreflightVerdict:
    """Return the verdict over all checks."""
    return max((check.verdict for check in checks), key=SEVERITY.index, default="pass")


def _classes(summary: DatasetSummary) -> Iterator[Check]:
    for split in Split:
        name = f"classes_{split.value}"
        found = summary.splits.get(split.value)
        rows, positives = (found.rows, found.positives) if found is not None else (0, 0)
        detail = f"{split.value}: {positives} vulnerable, {rows - positives} not"
        if 0 < positives < rows:
            yield Check(name=name, verdict="pass", detail=detail)
        else:
            fix = "prepare with other fractions, or add functions of the missing class"
            yield Check(name=name, verdict="fail", detail=detail, fix=fix)


def _gate_positives(summary: DatasetSummary) -> Check:
    gate = summary.splits.get(Split.GATE.value)
    positives = 0 if gate is None else gate.positives
    detail = f"{positives} vulnerable functions in gate"
    if positives >= ENOUGH_POSITIVES:
        return Check(name="gate_positives", verdict="pass", detail=detail)
    detail += ": F1 is uncertain by more than ±0.04"
    return Check(
        name="gate_positives", verdict="warn", detail=detail, fix="give gate a larger fraction, or add functions"
    )


def _train_classes(summary: DatasetSummary) -> Check:
    train = summary.splits.get(Split.TRAIN.value, SplitSummary(rows=0, positives=0))
    linear = next((probe for probe in summary.probes if probe.name == "bag_of_tokens"), None)
    few = rarer_class(train)[0] < ENOUGH_TO_TRAIN
    return Check(
        name="train_classes",
        verdict="warn" if few else "pass",
        detail=train_classes_detail(train, linear),
        fix="add functions of the rarer class, or take the linear model's figure for what these data give"
        if few
        else "",
    )


def _near_duplicates(summary: DatasetSummary) -> Iterator[Check]:
    if not summary.near_duplicates:
        return
    shares = {split: found.share for split, found in summary.near_duplicates.items()}
    listed = ", ".join(f"{share:.1%} of {split}" for split, share in shares.items())
    detail = f"nearly repeat a function of train: {listed}"
    if max(shares.values()) <= MANY_NEAR_DUPLICATES:
        yield Check(name="near_duplicates", verdict="pass", detail=detail)
    else:
        fix = 'prepare the data set again with near_duplicates "group"'
        yield Check(name="near_duplicates", verdict="warn", detail=detail, fix=fix)


def _graphs(summary: DatasetSummary) -> Check:
    share = sum(summary.graph_quality.get(quality, 0) for quality in BROKEN_GRAPHS) / summary.rows
    detail = f"{share:.1%} of the functions could not be parsed whole"
    if share <= MANY_BROKEN:
        return Check(name="graph_quality", verdict="pass", detail=detail)
    return Check(
        name="graph_quality",
        verdict="warn",
        detail=detail,
        fix="look at the sources: are these whole C or C++ functions?",
    )
