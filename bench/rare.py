"""What cells 51 and 52 reach where vulnerable functions are few or rare, beside the linear models in them.

`python -m bench.rare SOURCE OUT [--seeds 0 1 2] [--balance none weights sampling]`

Each set is drawn from SOURCE, which has `func` and `label` (gzipped JSON Lines), prepared, and trained with every
setting at its default but the balance between the classes. Gate and test together, mean over seeds. What is in OUT from
before is not made again.
"""

import argparse
import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from bench.models import CELLS, SPLITS, Trained, run_trainer, train
from cellgate.contract.results import read_result
from trainers.data.dataset import Dataset
from trainers.engine.metrics import Floats, auprc, auroc, f1_score, sigmoid

DRAW_SEED = 0
PREPARED = Path("prepare", "dataset")


@dataclass(frozen=True, kw_only=True)
class Draw:
    """So many functions, of which so many are vulnerable."""

    functions: int
    vulnerable: int

    @property
    def title(self) -> str:
        """As the table has it."""
        return f"{self.functions:,} with {self.vulnerable}"


DRAWS = (
    Draw(functions=300, vulnerable=30),
    Draw(functions=4_000, vulnerable=40),
    Draw(functions=4_000, vulnerable=200),
    Draw(functions=4_000, vulnerable=800),
)


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--balance", nargs="+", default=["none"])
    given = parser.parse_args()
    print("| functions | cell | balance | linear AUROC | network and linear: AUROC | AUPRC | F1 | collapsed seeds |")
    print("|---|---|---|---|---|---|---|---|")
    for draw in DRAWS:
        folder = given.out / f"{draw.functions}-{draw.vulnerable}"
        dataset = prepared(draw, given.source, folder)
        path = folder / PREPARED
        for cell in CELLS:
            for balance in given.balance:
                training = {"training": {"class_balance": balance}}
                runs = [train(path, folder / balance, cell, seed, more=training) for seed in given.seeds]
                print_row([draw.title, str(cell), balance], dataset, runs)


def prepared(draw: Draw, source: Path, folder: Path) -> Dataset:
    """Return the set that a draw gives, prepared."""
    if not (folder / "prepare" / "result.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        drawn = folder / "functions.jsonl"
        drawn.write_text("".join(drawn_lines(draw, source)))
        run_trainer("prepare", {"source": str(drawn)}, folder / "prepare")
    return Dataset.open(folder / PREPARED)


def drawn_lines(draw: Draw, source: Path) -> Iterator[str]:
    """Yield the functions of a draw, in the order of the source."""
    with gzip.open(source, "rt") as file:
        lines = [line for line in file if line.strip()]
    labels = [int(json.loads(line)["label"]) for line in lines]
    rng = random.Random(DRAW_SEED)
    chosen: set[int] = set()
    for label, number in ((1, draw.vulnerable), (0, draw.functions - draw.vulnerable)):
        chosen.update(rng.sample([place for place, found in enumerate(labels) if found == label], number))
    yield from (lines[place] for place in sorted(chosen))


def print_row(titles: Sequence[str], dataset: Dataset, runs: Sequence[Trained | None]) -> None:
    """Print one row; a run that ended without a model is one that collapsed."""
    rows = np.concatenate([dataset.rows(split) for split in SPLITS])
    labels_R = dataset.labels(rows)
    done = [run for run in runs if run is not None]
    scores = [both_splits(run) for run in done]
    linear = [linear_R for _, linear_R in scores[:1] if linear_R is not None]
    thresholds = [read_result(run.folder / "result.json").threshold or 0.5 for run in done]
    f1 = [
        f1_score(labels_R, sigmoid(own_R) >= threshold)
        for threshold, (own_R, _) in zip(thresholds, scores, strict=True)
    ]
    figures: list[list[float | None]] = [
        [auroc(labels_R, linear_R) for linear_R in linear],
        [auroc(labels_R, own_R) for own_R, _ in scores],
        [auprc(labels_R, own_R) for own_R, _ in scores],
        [*f1],
    ]
    cells = ["none" if not values else f"{fmean(value or 0.0 for value in values):.3f}" for values in figures]
    print(f"| {' | '.join([*titles, *cells, f'{len(runs) - len(done)} of {len(runs)}'])} |")


def both_splits(run: Trained) -> tuple[Floats, Floats | None]:
    """Return a run's log-odds of gate and test, and those of its linear model."""
    found = [run.log_odds(split) for split in SPLITS]
    linear = [linear_R for _, linear_R in found if linear_R is not None]
    return np.concatenate([own_R for own_R, _ in found]), np.concatenate(linear) if linear else None


if __name__ == "__main__":
    main()
