"""Small models trained in this process, and functions of which one line decides."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from trainers.__main__ import main

TEXT = {"model": {"size": "tiny"}, "training": {"epochs": 8, "batch_size": 8, "learning_rate": {"value": 1e-2}}}
GRAPH = {"model": {"width": 32}, "training": {"epochs": 8, "batch_size": 16, "learning_rate": {"value": 3e-3}}}
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
