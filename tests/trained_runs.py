"""Small models trained in this process, and functions of which one line decides."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from cellgate.contract.bundle import BundleManifest
from cellgate.contract.specs import BundleKind
from tests.finished_runs import prepare_generated
from trainers.__main__ import main
from trainers.bundle.packing import pack_bundle

TEXT = {"model": {"size": "tiny"}, "training": {"epochs": 8, "batch_size": 8, "learning_rate": {"value": 1e-2}}}
GRAPH = {"model": {"width": 32}, "training": {"epochs": 8, "batch_size": 16, "learning_rate": {"value": 3e-3}}}
HEAD = {"training": {"epochs": 3, "batch_size": 8, "learning_rate": {"value": 3e-3}}}
# By what is packed: the kind and the runs.
PACKED: dict[str, tuple[BundleKind, list[str]]] = {
    "text": ("single", ["t0"]),
    "text_of_two_seeds": ("single", ["t1", "t0"]),
    "graph": ("single", ["g0"]),
    "graph_of_two_seeds": ("single", ["g0", "g1"]),
    "ensemble": ("ensemble", ["t0", "g0"]),
    "ensemble_of_two_seeds": ("ensemble", ["t0", "g0", "t1", "g1"]),
    "fusion": ("fusion", ["t0", "g0", "f0"]),
    "fusion_of_two_seeds": ("fusion", ["f0", "t0", "g0", "f1", "t1", "g1"]),
    "fusion_with_unfrozen_models": ("fusion", ["t0", "g0", "u0"]),
}
PLANTED = "    gets(line);"
FILLERS = ("    total += {n};", "    total -= {n};", "    if (total > {n})\n        total = {n};", "    puts(line);")


def run_cell(folder: Path, cell: str, name: str, spec: dict[str, Any]) -> None:
    """Run a cell on a spec, into a folder by name, to its good end."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(spec))
    assert main([cell, "--spec", str(path), "--out", str(folder / name)]) == 0


def planted_function(number: int) -> tuple[str, int]:
    """A function of random lines, vulnerable if one of them is PLANTED, and whether it is: every second one."""
    rng = np.random.default_rng(number)
    lines = [FILLERS[rng.integers(len(FILLERS))].format(n=rng.integers(1, 9)) for _ in range(5)]
    label = number % 2
    if label:
        lines.insert(int(rng.integers(6)), PLANTED)
    body = "\n".join(lines)
    return f"int f{number}(char *line)\n{{\n    int total = 0;\n{body}\n    return total;\n}}", label


def train_on_planted(folder: Path) -> Path:
    """Prepare such functions and train a text model and a graph model on them, in `t` and `g`; return the folder."""
    rows = [{"func": source, "target": label} for source, label in map(planted_function, range(600))]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run_cell(folder, "prepare", "prepare", {"source": str(folder / "rows.jsonl")})
    common = {"dataset": str(folder / "prepare" / "dataset"), "device": "cpu", "lr_cache": str(folder / "cache")}
    run_cell(folder, "transformer", "t", {**common, **TEXT})
    run_cell(folder, "gnn", "g", {**common, **GRAPH})
    return folder


def train_every_cell(folder: Path) -> Path:
    """Prepare generated functions and train two seeds of every cell, in `t0` to `f1`; return the folder.

    The networks of seed 0 may be mixed with linear models, those of seed 1 are not. In `u0` is a fusion that went on
    training both models of seed 0.
    """
    dataset = prepare_generated(folder, functions=1000)
    unfrozen = {"width": 8, "unfreeze": "both", "unfrozen_lr_ratio": 0.1}
    for seed in (0, 1):
        common = {"dataset": str(dataset), "seed": seed, "device": "cpu", "lr_cache": str(folder / "cache")}
        bases = {"transformer": str(folder / f"t{seed}"), "gnn": str(folder / f"g{seed}")}
        for cell, name, network in (("transformer", "t", TEXT), ("gnn", "g", GRAPH)):
            model = {**network["model"], "mix_linear": seed == 0}
            run_cell(folder, cell, f"{name}{seed}", {**common, **network, "model": model})
        run_cell(folder, "fusion", f"f{seed}", {**common, **bases, **HEAD, "model": {"width": 8}})
        if seed == 0:
            run_cell(folder, "fusion", "u0", {**common, **bases, **HEAD, "model": unfrozen})
    return folder


def pack(folder: Path, target: Path, packed: str) -> BundleManifest:
    """Pack the bundle that a name of PACKED stands for, of runs that `train_every_cell` left."""
    kind, runs = PACKED[packed]
    paths = [folder / run for run in runs]
    return pack_bundle(target, kind=kind, runs=paths, dataset=folder / "dataset")
