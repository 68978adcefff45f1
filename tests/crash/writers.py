"""Kills a writer again and again and looks at what it leaves: `python -m tests.crash.writers KIND FOLDER SEED KILLS`.

A process of its own, and a light one, because it forks: each writer is a child that writes versions 1, 2, 3 … over one
another and notes each before and after. What lies on disk after the kill must be the last version that was noted as
done, or the one begun since, and whole. Prints what it found as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from cellgate.contract.events import EventKind, EventWriter
from cellgate.contract.files import atomic_file, write_json
from trainers.data.writing import replaced_folder
from trainers.engine.lr_cache import CachedRate, LearningRateCache
from trainers.engine.predictions import Predictions, read_predictions, write_predictions

# The version that the first writer finds: one that was itself written over another.
FIRST = 2
# A life that ends before the first write shows nothing, one of many writes only takes time.
MOST_PER_LIFE = 4
# Large enough to take several writes.
ROWS = 4_000
KEY = "sha256:" + "a" * 64


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way of writing: `write` puts a version on disk, `read` returns the one that lies there, or raises.

    A writer is killed after `longest_life_s` at most, or four times what a write over another takes.
    """

    write: Callable[[Path, int], None]
    read: Callable[[Path], int]
    longest_life_s: float = 0.01


def _write_json(folder: Path, version: int) -> None:
    write_json(folder / "result.json", [version] * ROWS)


def _read_json(folder: Path) -> int:
    return _one_of(json.loads((folder / "result.json").read_bytes()))


def _write_bytes(folder: Path, version: int) -> None:
    # In two parts, as a library writes that is given the file.
    with atomic_file(folder / "file") as file:
        file.write(np.full(ROWS, version).tobytes())
        file.flush()
        file.write(np.full(ROWS, version).tobytes())


def _read_bytes(folder: Path) -> int:
    content = np.frombuffer((folder / "file").read_bytes(), dtype=np.int64)
    assert len(content) == 2 * ROWS, f"{len(content)} numbers"
    return _one_of(content.tolist())


def _write_predictions(folder: Path, version: int) -> None:
    rows = np.full(ROWS, version, dtype=np.int64)
    numbers = np.full((ROWS, 2), version, dtype=np.float32)
    predictions = Predictions(
        rows_R=rows, ids=[str(version)] * ROWS, labels_R=rows % 2, logits_RC=numbers, embeddings_RD=numbers
    )
    write_predictions(folder / "gate.arrow", predictions)


def _read_predictions(folder: Path) -> int:
    found = read_predictions(folder / "gate.arrow")
    return _one_of([*found.rows_R.tolist(), *map(int, found.ids), *found.logits_RC[:, 0].astype(int).tolist()])


def _write_cache(folder: Path, version: int) -> None:
    LearningRateCache(folder=folder).write(
        KEY, CachedRate(learning_rate=float(version), source="finder", reason=f"{version} " * ROWS)
    )


def _read_cache(folder: Path) -> int:
    found = LearningRateCache(folder=folder).read(KEY)
    assert found is not None, "no entry"
    return _one_of([int(found.learning_rate or 0), *map(int, found.reason.split())])


def _write_folder(folder: Path, version: int) -> None:
    with replaced_folder(folder / "model") as new:
        for name in ("config.json", "tokenizer.json"):
            (new / name).write_text(f"{version} " * ROWS)


def _read_folder(folder: Path) -> int:
    names = sorted(path.name for path in (folder / "model").iterdir())
    assert names == ["config.json", "tokenizer.json"], names
    return _one_of([int(word) for name in names for word in (folder / "model" / name).read_text().split()])


def _write_events(folder: Path, version: int) -> None:
    # A run that goes on from its checkpoint after the version-th event, and says the next one.
    with EventWriter(folder / "events.jsonl", last=version - 1) as events:
        events.write(EventKind.WARNING, code="version", message=f"{version} " * 100)


def _read_events(folder: Path) -> int:
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    # The last line may be cut: a reader waits for its end.
    numbers = [json.loads(line)["n"] for line in lines if line.endswith(b"\n")]
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    return len(numbers)


def _write_checkpoint(folder: Path, version: int) -> None:
    import torch

    from cellgate.contract.configs import Precision
    from cellgate.contract.specs import Device
    from trainers.engine.checkpoint import TrainingState, save_checkpoint, weights_of
    from trainers.engine.hardware import set_up_hardware

    model = torch.nn.Linear(64, 64)
    for weight in model.parameters():
        torch.nn.init.constant_(weight, float(version))
    save_checkpoint(
        folder / "checkpoint",
        state=TrainingState(fingerprint="f", learning_rate={}, step=version),
        model=model,
        best=weights_of(model),
        optimizer=torch.optim.AdamW(model.parameters()),
        hardware=set_up_hardware(device=Device.CPU, precision=Precision.FP32, threads=1, seed=version),
    )


def _read_checkpoint(folder: Path) -> int:
    from trainers.engine.checkpoint import load_checkpoint

    found = load_checkpoint(folder / "checkpoint", fingerprint="f")
    weights = [*found.model.values(), *(found.best or {}).values()]
    return _one_of([found.state.step, *(int(value) for weight in weights for value in weight.flatten().tolist())])


KINDS = {
    "json": Kind(write=_write_json, read=_read_json),
    "bytes": Kind(write=_write_bytes, read=_read_bytes),
    "predictions": Kind(write=_write_predictions, read=_read_predictions),
    "lr_cache": Kind(write=_write_cache, read=_read_cache),
    "folder": Kind(write=_write_folder, read=_read_folder),
    "checkpoint": Kind(write=_write_checkpoint, read=_read_checkpoint, longest_life_s=0.05),
    "events": Kind(write=_write_events, read=_read_events),
}


def _one_of(values: list[int]) -> int:
    found = set(values)
    assert len(found) == 1, f"versions {sorted(found)} in one file"
    return found.pop()


def _write_for_ever(kind: Kind, folder: Path, journal: Path, version: int) -> None:
    with journal.open("ab", buffering=0) as notes:
        while True:
            version += 1
            notes.write(b"begun %d\n" % version)
            kind.write(folder, version)
            notes.write(b"done %d\n" % version)


def _last(journal: Path, word: str) -> int:
    lines = [line.split() for line in journal.read_text().splitlines()]
    return max((int(number) for recorded, number in lines if recorded == word), default=0)


def kill_writers(kind: Kind, folder: Path, *, seed: int, kills: int) -> dict[str, object]:
    """Start and kill writers one after another; return how many, and what was wrong."""
    rng = random.Random(seed)
    journal = folder / "journal"
    work = folder / "work"
    work.mkdir()
    kind.write(work, 1)
    begun_at = time.monotonic()
    kind.write(work, FIRST)
    # Where a disk is slow, a shorter life would end every writer in its first write.
    longest_life_s = max(kind.longest_life_s, 4 * (time.monotonic() - begun_at))
    journal.write_text(f"begun {FIRST}\ndone {FIRST}\n")
    wrong: list[str] = []
    during = 0
    for kill in range(kills):
        version = max(_last(journal, "done"), kind.read(work)) if kill else FIRST
        child = os.fork()
        if child == 0:
            _write_for_ever(kind, work, journal, version)
        time.sleep(rng.uniform(0, longest_life_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        begun, done = _last(journal, "begun"), _last(journal, "done")
        during += begun > done
        # On a busy machine a child is slower than its parent was; the next one may be quicker again.
        if done <= version:
            longest_life_s *= 1.5
        elif done > version + MOST_PER_LIFE:
            longest_life_s /= 1.5
        try:
            found = kind.read(work)
        # Whatever the reader stumbles over is what this program is there to find.
        except Exception as error:  # noqa: BLE001
            wrong.append(f"kill {kill}: {type(error).__name__}: {error}"[:300])
            break
        if not done <= found <= max(begun, done):
            wrong.append(f"kill {kill}: version {found} lies there; {done} was done, {begun} begun")
    return {"kills": kills, "during_a_write": during, "versions": _last(journal, "done") - FIRST, "wrong": wrong}


if __name__ == "__main__":
    name, place, number, times = sys.argv[1:]
    # Its pool of threads does not survive a fork.
    pa.set_cpu_count(1)
    print(json.dumps(kill_writers(KINDS[name], Path(place), seed=int(number), kills=int(times))))
