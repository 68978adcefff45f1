"""Each graph architecture and each readout on one data set: what it reaches, and how long an epoch takes.

`python -m bench.gnn_kinds FILE.jsonl OUT [--epochs 5] [--learning-rate 2e-3]`: prepares the file and trains cell 52
once for each, all at one peak learning rate. Prints a Markdown table.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ARCHITECTURES = ("ggnn", "rgcn", "gine", "gat")
READOUTS = ("attention", "max", "mean", "sum")


def main() -> None:
    """Train all of them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    given = parser.parse_args()
    cell("prepare", given.out / "prepare", {"source": given.source})
    kinds = [(name, "attention") for name in ARCHITECTURES] + [("ggnn", readout) for readout in READOUTS[1:]]
    print("| architecture | readout | dev F1 | gate F1 | gate AUROC | seconds an epoch |")
    print("|---" * 6 + "|")
    for architecture, readout in kinds:
        out = given.out / f"{architecture}-{readout}"
        spec = {
            "dataset": given.out / "prepare" / "dataset",
            "model": {"architecture": architecture, "readout": readout},
            "training": {"epochs": given.epochs, "learning_rate": {"value": given.learning_rate}},
        }
        print(row(architecture, readout, cell("gnn", out, spec)), flush=True)


def cell(name: str, out: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Run one cell; return its result, or what stopped it."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "spec.json").write_text(json.dumps(spec, default=str))
    command = [sys.executable, "-m", "trainers", name, "--spec", str(out / "spec.json"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.splitlines()[0]}
    result: dict[str, Any] = json.loads((out / "result.json").read_bytes())
    return result


def row(architecture: str, readout: str, result: dict[str, Any]) -> str:
    """Return one line of the table."""
    if "failed" in result:
        return f"| {architecture} | {readout} | {result['failed']} | | | |"
    dev, gate = result["metrics"]["dev"], result["metrics"]["gate"]
    scores = f"{dev['f1']:.3f} | {gate['f1']:.3f} | {gate['auroc']:.3f}"
    epoch_s = result["timings_s"]["train"] / result["epochs"]
    return f"| {architecture} | {readout} | {scores} | {epoch_s:.1f} |"


if __name__ == "__main__":
    main()
