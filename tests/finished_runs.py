"""Output folders of trained runs, made by hand: what cells 51 to 53 leave behind, without their training."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.artifacts import DATASET_FOLDER
from cellgate.contract.configs import Split
from cellgate.contract.events import EventWriter
from cellgate.contract.evidence import Evidence
from cellgate.contract.files import sha256_of_file, write_json
from cellgate.contract.results import Environment, Memory, RunResult, read_result
from cellgate.contract.specs import AggregationSpec, PrepareSpec
from trainers.data.dataset import Dataset
from trainers.data.prepare import prepare
from trainers.demo_data.generator import write_jsonl
from trainers.engine.context import RunContext
from trainers.engine.predictions import Predictions, predictions_path, write_predictions
from trainers.evaluation.aggregate import run as run_aggregation

SPEC_HASH = "sha256:" + "5" * 64
SPLITS = (Split.DEV, Split.FUSE, Split.GATE, Split.TEST)
SEEDS = (0, 1, 2)
# Of the linear model beneath the text models, for `noisy_log_odds`.
LINEAR_STRENGTH = 0.5
MakeSpec = Callable[..., AggregationSpec]
LogOdds = Callable[[Split, NDArray[np.int64]], NDArray[np.float64]]


def prepare_generated(folder: Path, *, functions: int) -> Path:
    """Prepare a generated data set and return its folder."""
    source = folder / "functions.jsonl"
    write_jsonl(source, functions=functions, seed=3)
    with EventWriter(folder / "events.jsonl") as events:
        prepare(PrepareSpec(source=source), folder, events)
    return folder / DATASET_FOLDER


def noisy_log_odds(*, strength: float, seed: int) -> LogOdds:
    """A model that knows the label up to normal noise: margins of mean +-strength and standard deviation 2."""

    def log_odds(split: Split, labels_R: NDArray[np.int64]) -> NDArray[np.float64]:
        rng = np.random.default_rng([seed, list(Split).index(split)])
        noise_R: NDArray[np.float64] = rng.normal(0.0, 2.0, len(labels_R))
        return strength * (2 * labels_R - 1) + noise_R

    return log_odds


def write_run(
    folder: Path,
    dataset: Dataset,
    *,
    cell: Literal[51, 52, 53],
    seed: int,
    log_odds: LogOdds,
    width: int = 4,
    linear: LogOdds | None = None,
    **changes: Any,
) -> Path:
    """Write one run's predictions and result; return its folder.

    Args:
        width: Of the embeddings, which hold the log-odds in their first column.
        linear: Of the linear model beneath; null for a run of a network alone.
        changes: Other values for fields of the result.
    """
    for split in SPLITS:
        rows_R = dataset.rows(split)
        labels_R = dataset.labels(rows_R)
        margin_R = log_odds(split, labels_R).astype(np.float32)
        embeddings_RD = np.random.default_rng(seed).normal(size=(len(rows_R), width)).astype(np.float32)
        embeddings_RD[:, 0] = margin_R
        predictions = Predictions(
            rows_R=rows_R,
            ids=dataset.ids(rows_R),
            labels_R=labels_R,
            logits_RC=np.stack([np.zeros_like(margin_R), margin_R], axis=1),
            embeddings_RD=embeddings_RD,
            linear_R=None if linear is None else linear(split, labels_R).astype(np.float32),
        )
        write_predictions(predictions_path(folder, split), predictions)
    write_result_of(folder, dataset, cell=cell, seed=seed, **changes)
    return folder


def write_result_of(folder: Path, dataset: Dataset, *, cell: Literal[51, 52, 53], seed: int, **changes: Any) -> None:
    """Write a result that vouches for the predictions as they lie in `folder`."""
    fields: dict[str, Any] = {
        "schema_version": 1,
        "cell": cell,
        "seed": seed,
        "spec_hash": SPEC_HASH,
        "dataset_id": dataset.id,
        "started_at": 0.0,
        "timings_s": {},
        "memory": Memory(host_bytes=1, device_bytes=0),
        "environment": Environment(
            python="3.11", packages={}, platform="test", device="cpu", threads=1, precision="fp32", code_version="0"
        ),
        "artifacts": {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in folder.rglob("*.arrow")},
        "threshold": 0.5,
        "temperature": 1.0,
    }
    result = RunResult.model_validate({**fields, **changes})
    write_json(folder / "result.json", result.model_dump(mode="json"))


def aggregate(spec: AggregationSpec, out: Path) -> Evidence:
    """Run cell 54 into `out` and return its evidence, read back."""
    with EventWriter(out / "events.jsonl") as events:
        run_aggregation(spec, RunContext(out=out, events=events, spec_hash=SPEC_HASH, started_at=time.time()))
    evidence = read_result(out / "result.json").evidence
    assert evidence is not None
    return evidence
