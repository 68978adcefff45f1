"""Every kind of fusion over the same two runs, against each model alone and their ensemble, as a Markdown table.

`python -m bench.fusion_kinds DATASET TRANSFORMER_RUN GNN_RUN OUT [--epochs 20]`

Each kind is a `python -m trainers fusion` process. Threshold and temperature come from dev, also those of the
ensemble; the figures are of gate.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cellgate.contract.cells import Cell
from cellgate.contract.configs import Split
from cellgate.contract.results import Metrics, RunResult, read_result
from trainers.data.dataset import Dataset
from trainers.engine.calibration import fit_temperature
from trainers.engine.metrics import best_threshold, compute_metrics, probabilities
from trainers.evaluation.finished_runs import WantedRun, open_runs
from trainers.models.fusion.features import read_features

KINDS: dict[str, dict[str, Any]] = {
    "gated": {},
    "gated, modality dropout 0.15": {"modality_dropout": 0.15},
    "cross-attention": {"head": "cross_attention"},
    "cross-attention, modality dropout 0.15": {"head": "cross_attention", "modality_dropout": 0.15},
    "stacking": {"head": "stacking"},
    "gated, transformer unfrozen": {"unfreeze": "transformer"},
    "gated, gnn unfrozen": {"unfreeze": "gnn"},
    "gated, both unfrozen": {"unfreeze": "both"},
}
TEXT_WEIGHT = 0.6


def main() -> None:
    """Train each kind and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("transformer", type=Path)
    parser.add_argument("gnn", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    print("| | F1 | AUROC | ECE | training s |\n|---|---|---|---|---|")
    for cell, path in ((Cell.TRANSFORMER, given.transformer), (Cell.GNN, given.gnn)):
        print_row(f"{cell.label} alone", read_result(path / "result.json").metrics[Split.GATE.value], None)
    print_row("ensemble 0.6/0.4", ensemble_metrics(given), None)
    for number, (name, model) in enumerate(KINDS.items()):
        result = fuse(given, given.out / f"kind-{number}", model)
        print_row(name, result.metrics[Split.GATE.value], result.timings_s["train"])


def fuse(given: argparse.Namespace, out: Path, model: dict[str, Any]) -> RunResult:
    """Train one kind, or stop with its output."""
    out.mkdir(parents=True, exist_ok=True)
    spec = {
        "dataset": given.dataset,
        "transformer": given.transformer,
        "gnn": given.gnn,
        "seed": read_result(given.gnn / "result.json").seed,
        "model": model,
        "training": {"epochs": given.epochs},
    }
    path = out / "spec.json"
    path.write_text(json.dumps(spec, default=str))
    command = [sys.executable, "-m", "trainers", "fusion", "--spec", str(path), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{model} ended with exit code {done.returncode}:\n{done.stderr}")
    return read_result(out / "result.json")


def ensemble_metrics(given: argparse.Namespace) -> Metrics:
    """Return the untrained ensemble's metrics on gate."""
    dataset = Dataset.open(given.dataset)
    seed = read_result(given.gnn / "result.json").seed
    wanted = [
        WantedRun(where="transformer", cell=Cell.TRANSFORMER, seed=seed, path=given.transformer),
        WantedRun(where="gnn", cell=Cell.GNN, seed=seed, path=given.gnn),
    ]
    text, graph = open_runs(wanted, dataset=dataset)
    features = read_features(text, graph, dataset=dataset, text_weight=TEXT_WEIGHT)

    def labels_and_logits(split: Split) -> tuple[np.ndarray, np.ndarray]:
        rows = dataset.rows(split)
        log_odds_R = features.batch(rows).ensemble_log_odds_B.numpy()
        return dataset.labels(rows), np.stack([np.zeros_like(log_odds_R), log_odds_R], axis=1)

    labels_R, logits_RC = labels_and_logits(Split.DEV)
    temperature = fit_temperature(labels_R, logits_RC)
    threshold = best_threshold(labels_R, probabilities(logits_RC, temperature=temperature))
    labels_R, logits_RC = labels_and_logits(Split.GATE)
    return compute_metrics(labels_R, logits_RC, threshold=threshold, temperature=temperature)


def print_row(name: str, metrics: Metrics, seconds: float | None) -> None:
    """Print one line of the table."""
    taken = "" if seconds is None else f"{seconds:.1f}"
    print(f"| {name} | {metrics.f1:.3f} | {metrics.auroc:.3f} | {metrics.ece:.3f} | {taken} |", flush=True)


if __name__ == "__main__":
    main()
