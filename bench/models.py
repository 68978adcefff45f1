"""What cells 51 and 52 reach on a prepared data set, beside the linear models in them, as Markdown tables.

`python -m bench.models DATASET OUT [--seeds 0 1 2]`

Each run is a `python -m trainers` process with every setting at its default. AUROC of gate and test: the mean over
seeds, and their standard deviation. CPU minutes are those of the process, the linear model and the range test included;
memory is its peak. Seeds that were trained before, in OUT, are not trained again.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from types import MappingProxyType
from typing import Any

import numpy as np

from cellgate.contract.configs import Split
from cellgate.contract.exit_codes import ExitCode
from cellgate.contract.results import read_result
from trainers.data.dataset import Dataset
from trainers.engine.metrics import Floats, auroc, margins
from trainers.engine.predictions import read_predictions
from trainers.evaluation.ensemble import ensemble_log_odds

CELLS = {51: "transformer", 52: "gnn"}
SPLITS = (Split.GATE, Split.TEST)
TEXT_WEIGHT = 0.6
# By the length of the function, as many in each.
PARTS = ("short", "medium", "long")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One finished run: its folder, and what it took."""

    folder: Path
    cpu_minutes: float
    memory_gib: float

    def log_odds(self, split: Split) -> tuple[Floats, Floats | None]:
        """Return its calibrated log-odds, and those of its linear model."""
        temperature = read_result(self.folder / "result.json").temperature or 1.0
        found = read_predictions(self.folder / "predictions" / f"{split.value}.arrow")
        linear_R = None if found.linear_R is None else found.linear_R.astype(np.float64)
        return margins(found.logits_RC) / temperature, linear_R


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    trained = {cell: [train(given.dataset, given.out, cell, seed) for seed in given.seeds] for cell in CELLS}
    runs = {cell: [run for run in of_cell if run is not None] for cell, of_cell in trained.items()}
    for cell, of_cell in trained.items():
        if None in of_cell:
            sys.exit(f"cell {cell}: {of_cell.count(None)} of {len(of_cell)} seeds collapsed; see their stderr above")
    dataset = Dataset.open(given.dataset)
    print("| | gate AUROC | test AUROC | CPU minutes | memory, GiB |\n|---|---|---|---|---|")
    for cell, name in CELLS.items():
        for title, scores in (("linear", linear_scores(runs[cell])), ("mixed", own_scores(runs[cell]))):
            print_row(f"{cell} {name}, {title}", dataset, scores, runs[cell])
    print_row("ensemble", dataset, ensemble_scores(runs[51], runs[52]), ())
    print_by_length(dataset, {f"{cell} {name}": own_scores(runs[cell]) for cell, name in CELLS.items()})


def train(
    dataset: Path, out: Path, cell: int, seed: int, *, more: Mapping[str, Any] = MappingProxyType({})
) -> Trained | None:
    """Train one seed, or find it trained; None where the run ended without a model, as one that collapses does.

    Args:
        more: Of the spec, beside its defaults.
    """
    folder = out / f"{cell}-{seed}"
    took = folder / "took.json"
    if not took.exists():
        spec = {"dataset": str(dataset), "seed": seed, "device": "cpu", "lr_cache": str(out / "cache"), **more}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run_trainer(CELLS[cell], spec, folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        took.write_text(json.dumps({"cpu_minutes": seconds / 60}))
    if not (folder / "result.json").exists():
        return None
    peak = read_result(folder / "result.json").memory.host_bytes / 2**30
    return Trained(folder=folder, cpu_minutes=json.loads(took.read_text())["cpu_minutes"], memory_gib=peak)


def run_trainer(cell: str, spec: Mapping[str, Any], folder: Path) -> None:
    """Run one cell in a process of its own.

    Raises:
        subprocess.CalledProcessError: It failed otherwise than by a collapse.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "trainers", cell, "--spec", str(folder / "spec.json"), "--out", str(folder)]
    process = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if process.returncode not in (ExitCode.SUCCESS, ExitCode.COLLAPSE):
        process.check_returncode()


Scores = dict[Split, list[Floats]]


def own_scores(runs: Sequence[Trained]) -> Scores:
    """Return each seed's log-odds."""
    return {split: [run.log_odds(split)[0] for run in runs] for split in SPLITS}


def linear_scores(runs: Sequence[Trained]) -> Scores:
    """Return the log-odds of the linear model that all seeds share."""
    found = {split: runs[0].log_odds(split)[1] for split in SPLITS}
    return {split: [] if log_odds_R is None else [log_odds_R] for split, log_odds_R in found.items()}


def ensemble_scores(text: Sequence[Trained], graph: Sequence[Trained]) -> Scores:
    """Return each seed's ensemble."""
    return {
        split: [
            ensemble_log_odds(one.log_odds(split)[0], other.log_odds(split)[0], text_weight=TEXT_WEIGHT)
            for one, other in zip(text, graph, strict=True)
        ]
        for split in SPLITS
    }


def print_row(title: str, dataset: Dataset, scores: Scores, runs: Sequence[Trained]) -> None:
    """Print one row; without runs there is no cost."""
    cells = [spread([ranked(dataset, split, log_odds_R) for log_odds_R in scores[split]]) for split in SPLITS]
    cost = (
        [f"{fmean(run.cpu_minutes for run in runs):.1f}", f"{max(run.memory_gib for run in runs):.1f}"]
        if runs
        else ["", ""]
    )
    print(f"| {title} | {' | '.join([*cells, *cost])} |")


def print_by_length(dataset: Dataset, scores_of: dict[str, Scores]) -> None:
    """Print AUROC on gate and test together, by thirds of length."""
    rows = np.concatenate([dataset.rows(split) for split in SPLITS])
    length_R = np.array([len(source) for source in dataset.sources(rows)])
    part_R = np.searchsorted(np.quantile(length_R, [1 / 3, 2 / 3]), length_R)
    labels_R = dataset.labels(rows)
    print(f"\n| AUROC by length | {' | '.join(PARTS)} |\n|---|---|---|---|")
    for name, scores in scores_of.items():
        seeds = [np.concatenate(of_seed) for of_seed in zip(*(scores[split] for split in SPLITS), strict=True)]
        cells = [
            spread([auroc(labels_R[part_R == part], seed_R[part_R == part]) or 0.5 for seed_R in seeds])
            for part in range(len(PARTS))
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def ranked(dataset: Dataset, split: Split, log_odds_R: Floats) -> float:
    """Return the AUROC of one split."""
    return auroc(dataset.labels(dataset.rows(split)), log_odds_R) or 0.5


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation as text."""
    if not values:
        return "none"
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
