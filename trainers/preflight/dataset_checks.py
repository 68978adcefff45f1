"""Checks of a prepared data set before anything is trained on it."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cellgate.contract.artifacts import DATASET_REPORT_NAME
from cellgate.contract.configs import Split
from cellgate.contract.dataset import (
    ENOUGH_POSITIVES,
    ENOUGH_TO_TRAIN,
    MANY_NEAR_DUPLICATES,
    rarer_class,
    train_classes_detail,
)
from cellgate.contract.errors import DataError
from cellgate.contract.evidence import Baseline
from cellgate.contract.results import Check, PreflightVerdict, SplitSummary
from trainers.data.clean.duplicates import exact_key
from trainers.data.dataset import Dataset
from trainers.preflight.checks import CheckCollector

PREPARE_AGAIN = "prepare the data set again: this one leaks"


def check_dataset(dataset: Dataset, folder: Path) -> list[Check]:
    """Check hashes, ids, labels, classes, groups, copies and size; each goes on after another has failed."""
    checks = CheckCollector()
    checks.guard("dataset_hashes", lambda: _hashes(dataset, folder, checks))
    checks.guard("ids", lambda: _ids(dataset, checks))
    checks.guard("labels", lambda: _labels(dataset, checks))
    for split in Split:
        checks.guard(f"classes_{split.value}", partial(_classes, dataset, split, checks))
    checks.guard("groups", lambda: _groups(dataset, checks))
    checks.guard("duplicates", lambda: _duplicates(dataset, checks))
    checks.guard("near_duplicates", lambda: _near_duplicates(folder, checks))
    checks.guard("gate_positives", lambda: _gate_positives(dataset, checks))
    checks.guard("train_classes", lambda: _train_classes(dataset, folder, checks))
    return checks.made


def _hashes(dataset: Dataset, folder: Path, checks: CheckCollector) -> None:
    try:
        Dataset.open(folder, verify=True)
    except DataError as error:
        checks.add("dataset_hashes", "fail", str(error), fix="restore the folder, or prepare the data set again")
    else:
        checks.add("dataset_hashes", "pass", f"all files are as they were prepared ({dataset.id})")


def _ids(dataset: Dataset, checks: CheckCollector) -> None:
    """Text, label and graph share a row: each row needs an id of its own, text, and a graph with nodes."""
    rows = np.arange(len(dataset))
    repeated = [name for name, count in Counter(dataset.ids(rows)).items() if count > 1]
    nodes_F, _ = dataset.graph_sizes(rows)
    empty_graphs = dataset.ids(rows[nodes_F <= 0])
    empty_texts = [
        name for name, func in zip(dataset.ids(rows), dataset.sources(rows), strict=True) if not func.strip()
    ]
    found = [
        f"{len(names)} {what}, the first is {names[0]!r}"
        for names, what in (
            (repeated, "ids are there twice"),
            (empty_graphs, "functions have no graph"),
            (empty_texts, "functions have no text"),
        )
        if names
    ]
    detail = "; ".join(found) or f"{len(dataset)} ids, each with text, label and graph"
    checks.add("ids", "fail" if found else "pass", detail, fix="prepare the data set again")


def _labels(dataset: Dataset, checks: CheckCollector) -> None:
    others = sorted(set(dataset.labels(np.arange(len(dataset))).tolist()) - {0, 1})
    detail = f"labels other than 0 and 1: {others[:5]}" if others else "every label is 0 or 1"
    checks.add("labels", "fail" if others else "pass", detail, fix="prepare the data set again")


def _classes(dataset: Dataset, split: Split, checks: CheckCollector) -> None:
    labels = dataset.labels(dataset.rows(split))
    counts = f"{split.value}: {int((labels == 1).sum())} vulnerable, {int((labels == 0).sum())} not"
    both = {0, 1} <= set(labels.tolist())
    fix = "prepare with other fractions, or add functions of the missing class"
    checks.add(f"classes_{split.value}", "pass" if both else "fail", counts, fix=fix)


def _groups(dataset: Dataset, checks: CheckCollector) -> None:
    crossing, count = _crossing(dataset, dataset.groups(np.arange(len(dataset))))
    if crossing:
        detail = f"{len(crossing)} groups are in several splits, the first is {crossing[0]!r}"
        checks.add("groups", "fail", detail, fix=PREPARE_AGAIN)
    else:
        checks.add("groups", "pass", f"none of {count} groups is in two splits")


def _duplicates(dataset: Dataset, checks: CheckCollector) -> None:
    rows = np.arange(len(dataset))
    keys = [exact_key(func) for func in dataset.sources(rows)]
    crossing, _ = _crossing(dataset, keys)
    if crossing:
        first = dataset.ids([keys.index(crossing[0])])[0]
        detail = f"{len(crossing)} functions have exact copies in another split, the first is {first!r}"
        checks.add("duplicates", "fail", detail, fix=PREPARE_AGAIN)
    else:
        checks.add("duplicates", "pass", "no function has an exact copy in another split")


def _crossing(dataset: Dataset, keys: Sequence[Any]) -> tuple[list[Any], int]:
    """Return the keys that are in several splits, in order, and how many keys there are."""
    splits_of: dict[Any, set[Split]] = {}
    for split in Split:
        for row in dataset.rows(split):
            splits_of.setdefault(keys[int(row)], set()).add(split)
    return [key for key, splits in splits_of.items() if len(splits) > 1], len(splits_of)


def _near_duplicates(folder: Path, checks: CheckCollector) -> None:
    """Report near-duplicates of train in the other splits; data sets from before that search add no check."""
    report = _report(folder)
    by_split = report.get("near_duplicates", {}).get("either", {})
    shares = {split: counts["share"] for split, counts in by_split.items() if "share" in counts}
    if not shares:
        return
    listed = ", ".join(f"{share:.1%} of {split}" for split, share in shares.items())
    verdict: PreflightVerdict = "warn" if max(shares.values()) > MANY_NEAR_DUPLICATES else "pass"
    fix = "prepare the data set so that near-duplicates are grouped"
    checks.add("near_duplicates", verdict, f"nearly repeat a function of train: {listed}", fix=fix)


def _report(folder: Path) -> Any:
    return json.loads((folder / DATASET_REPORT_NAME).read_bytes())


def _train_classes(dataset: Dataset, folder: Path, checks: CheckCollector) -> None:
    labels = dataset.labels(dataset.rows(Split.TRAIN))
    train = SplitSummary(rows=len(labels), positives=int((labels == 1).sum()))
    found = (_report(folder).get("probes") or {}).get("bag_of_tokens")
    linear = None if found is None else Baseline(name="bag_of_tokens", f1=found["f1"], auroc=found["auroc"])
    few = rarer_class(train)[0] < ENOUGH_TO_TRAIN
    fix = "add functions of the rarer class, or take the linear model's figure for what these data give"
    checks.add("train_classes", "warn" if few else "pass", train_classes_detail(train, linear), fix=fix)


def _gate_positives(dataset: Dataset, checks: CheckCollector) -> None:
    positives = int(dataset.labels(dataset.rows(Split.GATE)).sum())
    few = positives < ENOUGH_POSITIVES
    detail = f"{positives} vulnerable functions in gate" + (": F1 is uncertain by more than ±0.04" if few else "")
    checks.add("gate_positives", "warn" if few else "pass", detail, fix="give gate a larger fraction, or add functions")
