"""How well the lines that a bundle names lead to those that patches change, beside rankings that know nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cellgate.contract.configs import Split
from cellgate.contract.errors import DataError, InputError
from trainers.bundle.attribution import METHOD, Weight
from trainers.bundle.bundle import Bundle
from trainers.data.dataset import Dataset
from trainers.evaluation.line_ranking import (
    LinesToRank,
    RankingMeasures,
    by_length,
    by_weight,
    measure,
    measure_random,
    removed_lines,
)

# Longer ones are left out: comparing two texts takes time in proportion to the square of their lines.
MAX_LINES = 2_000
BASELINES = {"random": "a random order", "longest": "the longest lines first"}
MEASURES = {
    "top_10": "Top-10 accuracy (more is better)",
    "false_alarms": "initial false alarm, median lines (fewer are better)",
    "effort": "Effort@20%Recall, share of lines (less is better)",
}


@dataclass(frozen=True, kw_only=True)
class LineReport:
    """What came of one split.

    Args:
        split: Whose pairs were ranked.
        functions: Vulnerable functions that were ranked.
        flaws: Their vulnerable lines.
        left_out: Pairs that were not, because the patch only adds lines, or they are too long.
        bundle: Measures of the bundle's ranking.
        baselines: Those of the rankings beside it, by name.
    """

    split: str
    functions: int
    flaws: int
    left_out: int
    bundle: RankingMeasures
    baselines: dict[str, RankingMeasures]

    @property
    def not_beaten(self) -> list[tuple[str, str]]:
        """Each measure and baseline where the bundle is not better."""
        return [
            (name, baseline)
            for baseline, measures in self.baselines.items()
            for name, is_better in self.bundle.beats(measures).items()
            if not is_better
        ]

    def as_document(self) -> dict[str, Any]:
        """Return the report for a program."""
        not_beaten = [{"measure": name, "baseline": baseline} for name, baseline in self.not_beaten]
        return {**asdict(self), "weights_method": METHOD, "not_beaten": not_beaten}

    def as_text(self) -> str:
        """Return the report for a person."""
        rankings = {"this bundle": self.bundle, **{BASELINES[name]: one for name, one in self.baselines.items()}}
        lines = [
            f"{self.functions} vulnerable functions of {self.split} with a patched version, {self.flaws} lines that the"
            f" patches change; {self.left_out} pairs left out (nothing removed, or more than {MAX_LINES} lines)"
        ]
        for name, title in MEASURES.items():
            values = ", ".join(f"{who} {getattr(one, name):.3f}" for who, one in rankings.items())
            lines.append(f"{title}: {values}")
        lines += [
            f"The bundle's lines do not beat {BASELINES[baseline]} in {MEASURES[name].partition(' (')[0]}."
            for name, baseline in self.not_beaten
        ]
        return "\n".join([*lines, *([] if self.not_beaten else ["The bundle's lines beat both."])]) + "\n"


def evaluate_lines(bundle: Bundle, dataset: Dataset, split: Split, *, limit: int | None = None) -> LineReport:
    """Rank the lines of the vulnerable functions of a split that have a patched version.

    The lines that the patch removes or changes are the vulnerable ones.

    Args:
        limit: Functions at most, spread evenly; null: all.

    Raises:
        DataError: The split has no such pair, or none whose patch removes a line.
    """
    pairs = _pairs(dataset, split)
    known = [(vulnerable, flaws) for vulnerable, patched in pairs if (flaws := _flaws(vulnerable, patched))]
    if not known:
        problem = InputError(
            where=f"data set {dataset.id}, split {split.value}",
            found=f"{len(pairs)} pairs, and none of which the patch removes a line",
            expected="pairs of a vulnerable function and its patched version",
            fix="use a data set with pairs, or another split",
        )
        raise DataError("no vulnerable lines are known", [problem])
    left_out = len(pairs) - len(known)
    known = known if limit is None else known[:: -(-len(known) // limit)]
    verdicts = bundle.predict([source for source, _ in known], explain="all")
    functions = [
        LinesToRank(
            probability=verdict.probability,
            lines=source.split("\n"),
            flaws=flaws,
            weights=_by_line(verdict.weights or ()),
        )
        for (source, flaws), verdict in zip(known, verdicts, strict=True)
    ]
    return LineReport(
        split=split.value,
        functions=len(functions),
        flaws=sum(len(function.flaws) for function in functions),
        left_out=left_out,
        bundle=measure(functions, by_weight),
        baselines={"random": measure_random(functions), "longest": measure(functions, by_length)},
    )


def _pairs(dataset: Dataset, split: Split) -> list[tuple[str, str]]:
    """Return the text of each vulnerable function that has a pair, and of its patched version."""
    rows = dataset.rows(split)
    by_label: dict[int, dict[str, str]] = {0: {}, 1: {}}
    facts = zip(dataset.pairs(rows), dataset.labels(rows).tolist(), dataset.sources(rows), strict=True)
    for pair, label, source in facts:
        if pair is not None:
            by_label[label].setdefault(pair, source)
    return [(source, by_label[0][pair]) for pair, source in by_label[1].items() if pair in by_label[0]]


def _flaws(vulnerable: str, patched: str) -> frozenset[int]:
    if max(vulnerable.count("\n"), patched.count("\n")) > MAX_LINES:
        return frozenset()
    return removed_lines(vulnerable, patched)


def _by_line(weights: Sequence[Weight]) -> dict[int, float]:
    """Return the weight of each line; lines that were left out together share theirs."""
    return {
        number: weight.log_odds / (weight.end_line - weight.start_line + 1)
        for weight in weights
        for number in range(weight.start_line, weight.end_line + 1)
    }
