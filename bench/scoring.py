"""How many functions a second each kind of bundle scores, with and without saying which lines weighed most.

`python -m bench.scoring DATASET BASES [--functions 512] [--explained 16] [--repeats 3] [--threads 2]`

BASES is a folder of finished runs, `t<seed>`, `g<seed>` and `f<seed>` for cells 51, 52 and 53; every kind of bundle is
packed of the first seed, and the fusion of all seeds too. The functions are those of the data set's gate, repeated as
needed, each a little different, from source text to verdict: parse, tokenise, score. Rates are by the clock, the best
of the repeats; `CPU ms` are the process's milliseconds a function on all its threads, which other work on the machine
changes little.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from cellgate.contract.configs import Split
from cellgate.contract.specs import BundleKind
from trainers.bundle.bundle import Bundle
from trainers.bundle.packing import pack_bundle
from trainers.data.dataset import Dataset

KINDS: dict[str, tuple[BundleKind, str]] = {
    "text": ("single", "t"),
    "graph": ("single", "g"),
    "ensemble": ("ensemble", "tg"),
    "fusion": ("fusion", "tgf"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("bases", type=Path)
    parser.add_argument("--functions", type=int, default=512)
    parser.add_argument("--explained", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    sources = functions(Dataset.open(given.dataset), given.functions)
    seeds = sorted(int(path.name[1:]) for path in given.bases.glob("t[0-9]*") if path.is_dir())
    wanted = [(name, kind, cells, seeds[:1]) for name, (kind, cells) in KINDS.items()]
    wanted.append((f"fusion, {len(seeds)} seeds", *KINDS["fusion"], seeds))
    print(f"{'bundle':<18} {'MB':>6} {'open s':>7} {'functions/s':>12} {'CPU ms':>7} {'explained/s':>12} {'CPU ms':>7}")
    for name, kind, cells, chosen in wanted:
        runs = [given.bases / f"{cell}{seed}" for seed in chosen for cell in cells]
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "bundle"
            pack_bundle(target, kind=kind, runs=runs, dataset=given.dataset)
            measure(name, target, sources, explained=given.explained, repeats=given.repeats)


def functions(dataset: Dataset, count: int) -> list[str]:
    """Return so many functions of gate; repetitions have a comment more, so that no two are the same text."""
    sources = dataset.sources(dataset.rows(Split.GATE))
    return [f"{sources[place % len(sources)]} // {place}" for place in range(count)]


def measure(name: str, folder: Path, sources: Sequence[str], *, explained: int, repeats: int) -> None:
    """Time one bundle and print its line."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    opening, _ = best(lambda: Bundle.open(folder), repeats)
    bundle = Bundle.open(folder)
    scoring = rate(best(lambda: bundle.predict(sources, explain="none"), repeats), len(sources))
    explaining = rate(best(lambda: bundle.predict(sources[:explained], explain="all"), repeats), explained)
    print(f"{name:<18} {size / 1e6:>6.1f} {opening:>7.2f} {scoring} {explaining}", flush=True)


def rate(seconds: tuple[float, float], count: int) -> str:
    """Return functions a second by the clock and milliseconds of the processor a function, in columns."""
    clock, processor = seconds
    return f"{count / clock:>12.1f} {1000 * processor / count:>7.2f}"


def best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the fastest of some repeats, in seconds of the clock, and the least in seconds of the processor."""
    measured = []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        work()
        measured.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    return min(clock for clock, _ in measured), min(processor for _, processor in measured)


if __name__ == "__main__":
    main()
