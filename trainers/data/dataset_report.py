"""`report.json`: counts of read and dropped rows, of splits and graphs, and signs that labels leak."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cellgate.contract.composition import SplitComposition
from cellgate.contract.configs import Split
from cellgate.contract.dataset import ENOUGH_TO_TRAIN, rarer_class, train_classes_detail
from cellgate.contract.inspection import Inspection, Reason
from cellgate.contract.results import SplitSummary
from trainers.data.clean.composition import composition_warnings
from trainers.data.clean.cross_split import CrossSplit
from trainers.data.clean.duplicates import Deduplication
from trainers.data.clean.near_duplicates import MAX_PAIRS_PER_FUNCTION
from trainers.data.clean.probes import Probes
from trainers.data.clean.splits import Assignment
from trainers.data.encoding import GraphSet, quality_names
from trainers.data.graphs.syntax import GraphQuality
from trainers.data.read.row import Row
from trainers.data.read.rows import Reading

PERCENTILES = (50, 75, 90, 95, 99, 100)
MAX_CONTRADICTIONS = 100
MIN_GATE_POSITIVES = 100
# Difference in parse-error rate between the labels from which a model may learn how data were cut, not what is wrong.
MAX_PARSE_RATE_GAP = 0.02
# Standard errors that the difference must exceed to be more than chance.
PARSE_RATE_GAP_ERRORS = 3.0
MAX_GROUP_SHARE = 0.05
# Of published sets in C a sixth has errors, half of SVEN; hardly any function is not understood at all.
MAX_PARTIAL_SHARE = 0.6
MAX_TOKEN_CHAIN_SHARE = 0.01
GIVEAWAY_F1 = 0.75
QUALITIES = tuple(quality.name.lower() for quality in GraphQuality)
BADLY_PARSED = ("partial", "token_chain")
MAX_NEAR_DUPLICATE_SHARE = 0.02
DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything the report is made from; `rows`, `groups`, splits and graphs are those that were kept."""

    reading: Reading
    inspection: Inspection
    deduplication: Deduplication
    rows: Sequence[Row]
    groups: Sequence[str]
    largest_group: str
    assignment: Assignment
    tokens_F: np.ndarray
    names_F: Sequence[str | None]
    graphs: GraphSet
    cross_split: CrossSplit
    composition: Mapping[Split, SplitComposition]
    probes: Probes | None


def split_summaries(rows: Sequence[Row], splits: Sequence[Split]) -> dict[Split, SplitSummary]:
    """Return the size of each split."""
    sizes = Counter(splits)
    positives = Counter(split for row, split in zip(rows, splits, strict=True) if row.label)
    return {split: SplitSummary(rows=sizes[split], positives=positives[split]) for split in Split}


def make_dataset_report(material: Material) -> dict[str, object]:
    """Return the report; equal inputs give equal reports, so it holds no times."""
    rows, splits = material.rows, material.assignment.splits
    group_sizes = Counter(material.groups)
    return {
        "rows": _rows(material),
        "reading": material.inspection.model_dump(mode="json"),
        "contradictions": [
            {"ids": list(c.ids), "lines": list(c.lines)}
            for c in material.deduplication.contradictions[:MAX_CONTRADICTIONS]
        ],
        "splits": {
            split.value: {
                "rows": summary.rows,
                "positives": summary.positives,
                "prevalence": round(summary.positives / max(summary.rows, 1), DIGITS),
                "groups": len({g for g, own in zip(material.groups, splits, strict=True) if own is split}),
            }
            for split, summary in split_summaries(rows, splits).items()
        },
        "groups": {
            "count": len(group_sizes),
            "largest_rows": max(group_sizes.values()),
            "rows_moved_from_file_split": material.assignment.moved,
        },
        "lengths": {
            "chars": _percentiles([len(row.text) for row in rows]),
            "tokens": _percentiles(material.tokens_F),
        },
        "graphs": _graphs(material),
        "near_duplicates": material.cross_split.to_json(),
        "composition": {split.value: found.model_dump() for split, found in material.composition.items()},
        "probes": material.probes and material.probes.to_json(),
        "warnings": warnings_of(material),
    }


def _rows(material: Material) -> dict[str, int]:
    duplicates = material.deduplication
    return {
        "read": material.reading.read,
        "functions": len(material.reading.rows),
        "too_long": material.reading.left_out.counts[Reason.TOO_LONG],
        "left_out": material.reading.left_out.counts.total(),
        "exact_duplicates": duplicates.exact,
        "renamed_duplicates": duplicates.renamed,
        "contradictory": sum(len(c.ids) for c in duplicates.contradictions),
        "kept": len(material.rows),
        "positives": sum(row.label for row in material.rows),
    }


def _percentiles(values: Sequence[int] | np.ndarray) -> dict[str, int]:
    found = np.percentile(values, PERCENTILES, method="nearest")
    return {f"p{p}": int(value) for p, value in zip(PERCENTILES, found, strict=True)}


def _graphs(material: Material) -> dict[str, object]:
    names = quality_names(material.graphs)
    labels = [row.label for row in material.rows]
    by_label = Counter(zip(names, labels, strict=True))
    return {
        "nodes": _percentiles(material.graphs.nodes_F),
        "edges": _percentiles(material.graphs.edges_F),
        "truncated": material.graphs.truncated,
        "quality_by_label": {name: {str(label): by_label[name, label] for label in (0, 1)} for name in QUALITIES},
        "parse_error_rate_by_label": {
            str(label): round(rate, DIGITS) for label, rate in parse_error_rates(material).items()
        },
    }


def parse_error_rates(material: Material) -> dict[int, float]:
    """Return for each label the share of functions that neither grammar parses without error."""
    names = quality_names(material.graphs)
    totals = Counter(row.label for row in material.rows)
    errors = Counter(row.label for row, name in zip(material.rows, names, strict=True) if name in BADLY_PARSED)
    return {label: errors[label] / totals[label] for label in (0, 1)}


def warnings_of(material: Material) -> list[str]:
    """Return the warnings that a user should read before trusting figures from this data set."""
    found = []
    gate = split_summaries(material.rows, material.assignment.splits)[Split.GATE]
    is_measured_on = material.probes is not None or gate.rows
    if is_measured_on and gate.positives < MIN_GATE_POSITIVES:
        found.append(
            f"The gate split has {gate.positives} vulnerable functions; with fewer than {MIN_GATE_POSITIVES} the "
            "F1 measured on it may be off by more than 0.04. Give more data or a larger share to gate."
        )
    found += _class_warnings(material)
    rates = parse_error_rates(material)
    if _gap_is_real(rates, Counter(row.label for row in material.rows)):
        found.append(
            f"{rates[1]:.1%} of the vulnerable and {rates[0]:.1%} of the other functions do not parse: a model may "
            "learn how the data were cut instead of what is vulnerable. Look for truncated functions."
        )
    largest = max(Counter(material.groups).values())
    if largest > MAX_GROUP_SHARE * len(material.rows):
        found.append(
            f"The largest group holds {largest} of {len(material.rows)} functions ({material.largest_group}) and "
            "cannot be divided, so the splits' sizes may be off. Group by something finer."
        )
    return [
        *found,
        *material.inspection.notes,
        *_drop_warnings(material),
        *_leak_warnings(material),
        *composition_warnings(material.composition),
    ]


def _class_warnings(material: Material) -> list[str]:
    """Return whether train is too small for a network; a set for evaluation only has nothing to train on."""
    train = split_summaries(material.rows, material.assignment.splits)[Split.TRAIN]
    if not train.rows or rarer_class(train)[0] >= ENOUGH_TO_TRAIN:
        return []
    probes = material.probes.baselines() if material.probes is not None else []
    linear = next((probe for probe in probes if probe.name == "bag_of_tokens"), None)
    detail = train_classes_detail(train, linear)
    return [f"{detail[0].upper()}{detail[1:]}."]


def _parse_warnings(qualities: Counter[str], rows: int) -> list[str]:
    """Return what the parser's verdicts say about the whole set: perhaps it is another language, or was cut badly."""
    found = []
    if qualities["token_chain"] > MAX_TOKEN_CHAIN_SHARE * rows:
        found.append(
            f"{qualities['token_chain']} of {rows} functions do not parse as C or C++ at all; their graphs are "
            "chains of tokens. Look whether they are of another language."
        )
    if qualities["partial"] > MAX_PARTIAL_SHARE * rows:
        found.append(
            f"{qualities['partial']} of {rows} functions parse with errors. Look whether they were cut off, or hold "
            "macros that the parser does not know."
        )
    return found


def _leak_warnings(material: Material) -> list[str]:
    found = []
    if not material.cross_split.complete:
        found.append(
            f"So many functions are alike that only {MAX_PAIRS_PER_FUNCTION} pairs for each were compared: there "
            "are more near-duplicates than are counted here. Leave out copies of one pattern."
        )
    shares = {
        split: counts.share
        for split, counts in material.cross_split.counts["either"].items()
        if counts.share > MAX_NEAR_DUPLICATE_SHARE
    }
    if shares:
        listed = ", ".join(f"{share:.1%} of {split.value}" for split, share in shares.items())
        found.append(
            f"Near-duplicates of functions in train: {listed}. A model may know them by heart. Prepare with "
            'near_duplicates "group" to keep them together.'
        )
    probes = material.probes
    if probes is None:
        return found
    named = (
        ("A bag of tokens", probes.bag_of_tokens),
        ("Length alone", probes.length),
        ("A bag of identifiers", probes.identifiers),
    )
    found.extend(
        f"{name} reaches F1 {scores.f1:.2f} on gate: single tokens, names or lengths give labels away, so a high F1 "
        "of a trained model means little."
        for name, scores in named
        if scores.f1 > max(GIVEAWAY_F1, probes.all_positive_f1 + 0.02)
    )
    return found


def _gap_is_real(rates: dict[int, float], counts: Counter[int]) -> bool:
    """Return whether the rates differ by more than matters and by more than chance explains."""
    variance = sum(rates[label] * (1 - rates[label]) / counts[label] for label in (0, 1))
    gap = abs(rates[0] - rates[1])
    return gap > MAX_PARSE_RATE_GAP and gap > PARSE_RATE_GAP_ERRORS * math.sqrt(variance)


def _drop_warnings(material: Material) -> list[str]:
    found = []
    counts = material.reading.left_out.counts
    if counts[Reason.TOO_LONG]:
        found.append(f"{counts[Reason.TOO_LONG]} functions are longer than max_function_chars and were left out.")
    if mistakes := material.reading.left_out.mistakes:
        listed = ", ".join(f"{reason} {counts[reason]}" for reason in counts if not reason.is_choice)
        found.append(f"{mistakes} rows were left out for mistakes ({listed}); the report lists the first of each.")
    contradictory = sum(len(c.ids) for c in material.deduplication.contradictions)
    if contradictory:
        found.append(
            f"{contradictory} functions are copies of each other with contradictory labels; all were left out."
        )
    if material.graphs.truncated:
        found.append(
            f"{material.graphs.truncated} graphs were cut at max_nodes; the graph model does not see the rest."
        )
    qualities = Counter(quality_names(material.graphs))
    if 0 < qualities["ready"] < len(material.rows):
        found.append(
            f"{len(material.rows) - qualities['ready']} functions have no imported graph and got ours: a model may "
            "tell the two kinds apart. Compare quality_by_label in the report."
        )
    found += _parse_warnings(qualities, len(material.rows))
    if material.assignment.moved:
        found.append(
            f"{material.assignment.moved} functions left the file's split, for their group has rows in another one."
        )
    return found
