"""All four cells on one labelled file: what each model, the ensembles and fusion reach, with intervals.

`python -m bench.cells FILE.jsonl[.gz] OUT [--functions N] [--graphs READY] [--seeds 3] [--epochs 3] [--at-once 2]`

Draws N functions, prepares them, trains cells 51 and 52 over the seeds, fusion over each pair, and aggregates: each a
`python -m trainers` process of its own, as the worker runs them. Prints the data set's report and the evidence as
Markdown tables.
"""

import argparse
import gzip
import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

DRAW_SEED = 0


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--functions", type=int, help="draw so many at random; default all")
    parser.add_argument("--graphs", type=Path, help="imported graphs, as `prepare` takes them")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--at-once", type=int, default=2, help="processes side by side, a thread each")
    given = parser.parse_args()
    begun = time.monotonic()
    given.out.mkdir(parents=True, exist_ok=True)
    prepare(given)
    print_report(given.out / "prepare" / "dataset" / "report.json")
    train(given)
    print_evidence(given.out)
    print(f"\n{time.monotonic() - begun:.0f} s altogether, {given.at_once} processes at once.")


def cell(name: str, out: Path, spec: dict[str, Any]) -> None:
    """Run one cell to its end, or stop with its output."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "spec.json"
    path.write_text(json.dumps(spec, default=str))
    command = [sys.executable, "-m", "trainers", name, "--spec", str(path), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cell {name} ended with exit code {done.returncode}:\n{done.stderr}")


def draw(source: Path, functions: int | None, out: Path) -> Path:
    """Write the drawn lines of a file and return where; the file itself when all are wanted."""
    if functions is None:
        return source
    with gzip.open(source, "rt") if source.suffix == ".gz" else source.open() as file:
        lines = [line for line in file if line.strip()]
    drawn = sorted(random.Random(DRAW_SEED).sample(range(len(lines)), min(functions, len(lines))))
    path = out / "drawn.jsonl"
    path.write_text("".join(lines[place] for place in drawn))
    return path


def prepare(given: argparse.Namespace) -> None:
    """Make the data set."""
    spec = {"source": draw(given.source, given.functions, given.out), "workers": given.at_once}
    if given.graphs is not None:
        spec["graphs"] = given.graphs
    cell("prepare", given.out / "prepare", spec)


def train(given: argparse.Namespace) -> None:
    """Train 51 and 52 over all seeds, then 53, then aggregate."""
    seeds = range(given.seeds)
    common = {"dataset": given.out / "prepare" / "dataset", "lr_cache": given.out / "lr", "threads": 1}
    training = {"epochs": given.epochs}
    text = {"model": {"vocab_size": given.vocab_size, "max_tokens": given.max_tokens}, "training": training}
    with ThreadPoolExecutor(given.at_once) as pool:
        for name, config in (("transformer", text), ("gnn", {"training": training})):
            list(
                pool.map(lambda s, n=name, c=config: cell(n, given.out / f"{n}-{s}", {**common, **c, "seed": s}), seeds)
            )
        list(pool.map(lambda s: cell("fusion", given.out / f"fusion-{s}", {**common, **bases(given.out, s)}), seeds))
    runs = {
        name: [{"seed": seed, "path": given.out / f"{name}-{seed}"} for seed in seeds]
        for name in ("transformer", "gnn", "fusion")
    }
    cell("aggregation", given.out / "aggregation", {"dataset": common["dataset"], **runs})


def bases(out: Path, seed: int) -> dict[str, Any]:
    """Return the fields of a fusion spec that name its bases."""
    return {"seed": seed, "transformer": out / f"transformer-{seed}", "gnn": out / f"gnn-{seed}"}


def print_report(path: Path) -> None:
    """Print what `prepare` found."""
    report = json.loads(path.read_bytes())
    near = {view: found for view, found in report["near_duplicates"].items() if view != "pairs"}
    for part in ("rows", "splits", "graphs", "probes", "warnings"):
        print(f"{part}: {json.dumps(report[part])}")
    print(f"near_duplicates: {json.dumps(near)}")


def print_evidence(out: Path) -> None:
    """Print what aggregation found, and how long the runs took."""
    evidence = json.loads((out / "aggregation" / "result.json").read_bytes())["evidence"]
    print(f"\ngate: {evidence['rows']} functions, {evidence['positives']} vulnerable, {evidence['groups']} groups\n")
    print("| option | F1 per seed | F1 [95 %] | MCC | AUROC | AUPRC | ECE | VD-S | test F1 |")
    print("|---" * 9 + "|")
    for option in evidence["options"]:
        per_seed = " ".join(f"{f1:.3f}" for f1 in option["f1_per_seed"])
        interval = option["f1_interval"]
        scores = " | ".join(
            "–" if option[key] is None else f"{option[key]:.3f}"
            for key in ("mcc", "auroc", "auprc", "ece", "vd_s", "test_f1")
        )
        span = f"{option['f1']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
        print(f"| {option['option']} | {per_seed} | {span} | {scores} |")
    for baseline in evidence.get("baselines", []):
        auroc = "–" if baseline["auroc"] is None else f"{baseline['auroc']:.3f}"
        print(f"| *{baseline['name']}* | | {baseline['f1']:.3f} | | {auroc} | | | | |")
    for path in sorted(out.glob("*-*/result.json")):
        result = json.loads(path.read_bytes())
        rate = result["learning_rate"]
        spent = " ".join(f"{name} {seconds:.1f}" for name, seconds in result["timings_s"].items())
        found = f"LR {rate['learning_rate']:.2e} ({rate['source']}), {result['epochs']} epochs"
        print(f"{path.parent.name}: {found}, seconds: {spent}")


if __name__ == "__main__":
    main()
