"""A fusion epoch from the cache against one that runs both frozen models again: seconds, and their ratio.

`python -m bench.fusion DATASET TRANSFORMER_RUN GNN_RUN [--size base] [--repeats 5] [--threads 1] [--profile]`

Both epochs take the same optimizer steps on the fuse rows, with norms and events as in a run. The naive one first runs
both models over these rows, in inference mode. On a CPU the seconds are those of the process, so that other work on
the machine counts little; the best of the repeats counts.
"""

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from cellgate.contract.cells import Cell
from cellgate.contract.configs import Split
from cellgate.contract.events import EventWriter
from cellgate.contract.specs import FusionSpec, TransformerSpec
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware, set_up_hardware
from trainers.engine.inference import infer
from trainers.engine.optimization import Stepper
from trainers.engine.progress import TrainingProgress
from trainers.engine.task import Task
from trainers.evaluation.finished_runs import WantedRun, open_runs
from trainers.models.fusion.base_models import TRANSFORMER
from trainers.models.fusion.features import read_features
from trainers.models.fusion.heads import build_head
from trainers.models.fusion.task import FusionTask
from trainers.models.fusion.unfreezing import open_unfrozen
from trainers.models.transformer.train import build_task, prepare_text

RATE = 1e-3
PROFILED_EPOCHS = 40
PROFILED_LINES = 25


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("transformer", type=Path)
    parser.add_argument("gnn", type=Path)
    parser.add_argument("--head", default="gated")
    parser.add_argument("--size", help="run an untrained text model of this size instead: it costs as much")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="print where an epoch from the cache spends its time")
    given = parser.parse_args()
    spec = FusionSpec.model_validate(
        {
            "dataset": given.dataset,
            "transformer": given.transformer,
            "gnn": given.gnn,
            "threads": given.threads,
            # The models are opened for inference, not for training.
            "model": {"head": given.head, "unfreeze": "both"},
        }
    )
    with tempfile.TemporaryDirectory() as folder, EventWriter(Path(folder) / "events.jsonl") as events:
        context = RunContext(out=Path(folder), events=events, spec_hash="", started_at=time.time())
        measure(spec, context, size=given.size, repeats=given.repeats, profiled=given.profile)


def measure(spec: FusionSpec, context: RunContext, *, size: str | None, repeats: int, profiled: bool) -> None:
    """Time both epochs and print what came of it."""
    dataset = Dataset.open(spec.dataset)
    hardware = set_up_hardware(
        device=spec.device, precision=spec.training.precision, threads=spec.threads, seed=spec.seed
    )
    wanted = [
        WantedRun(where="/transformer", cell=Cell.TRANSFORMER, seed=spec.seed, path=spec.transformer),
        WantedRun(where="/gnn", cell=Cell.GNN, seed=spec.seed, path=spec.gnn),
    ]
    text, graph = open_runs(wanted, dataset=dataset)
    features = read_features(text, graph, dataset=dataset, text_weight=spec.model.text_weight)
    live = open_unfrozen(spec, dataset, features, text=text, graph=graph, scratch=context.out)
    models: dict[str, Task] = {name: base.task for name, base in live.items()}
    if size is not None:
        models[TRANSFORMER] = untrained(size, spec, dataset, cache=context.out)
    for model in models.values():
        model.model.to(hardware.device)
    text_width, graph_width = features.widths
    head = build_head(spec.model, text_width=text_width, graph_width=graph_width)
    task = FusionTask(head, features, spec, pairs=dataset.pairs(np.arange(len(dataset))), bases={})
    rows = dataset.rows(Split.FUSE)
    epoch = cached_epoch(task, rows, dataset.labels(np.arange(len(dataset))), spec, context, hardware)

    def run_models(name: str) -> None:
        infer(models[name], rows, hardware=hardware, context=context)

    def naive_epoch() -> None:
        for name in models:
            run_models(name)
        epoch()

    from_models = {name: seconds(partial(run_models, name), repeats, hardware) for name in models}
    from_cache, naive = seconds(epoch, 10 * repeats, hardware), seconds(naive_epoch, repeats, hardware)
    steps = len(task.plan_epoch(rows, np.random.default_rng(0)))
    print(f"{len(rows)} functions, {steps} steps, {hardware.device_name}, {spec.threads} thread(s)")
    for name, taken in from_models.items():
        print(f"{name} over them    {1e3 * taken:8.1f} ms")
    print(f"epoch from the cache {1e3 * from_cache:8.1f} ms ({1e3 * from_cache / steps:.2f} ms a step)")
    print(f"naive epoch          {1e3 * naive:8.1f} ms")
    print(f"ratio                {naive / from_cache:8.0f} x")
    if profiled:
        profile(epoch)


def untrained(size: str, spec: FusionSpec, dataset: Dataset, *, cache: Path) -> Task:
    """Return a text model of a size with its data."""
    text_spec = TransformerSpec.model_validate({"dataset": spec.dataset, "model": {"size": size}})
    task = build_task(text_spec, dataset, prepare_text(text_spec.model, dataset, cache=cache))
    count = sum(parameter.numel() for parameter in task.model.parameters())
    print(f"text model of size {size}, {count / 1e6:.0f} million parameters, untrained")
    return task


def cached_epoch(
    task: FusionTask, rows: np.ndarray, labels: np.ndarray, spec: FusionSpec, context: RunContext, hardware: Hardware
) -> Callable[[], None]:
    """Return what trains one epoch as a run does, events included."""
    task.model.to(hardware.device).train()
    stepper = Stepper(task, labels=labels, config=spec.training, hardware=hardware, events=context.events)
    rng = np.random.default_rng(0)
    # Of a whole run: it decides how often norms are reported.
    total = spec.training.epochs * len(task.plan_epoch(rows, rng))
    progress = TrainingProgress(context.events, total=total, done=0, epochs=spec.training.epochs)
    done = 0

    def epoch() -> None:
        nonlocal done
        for batch in task.plan_epoch(rows, rng):
            report = stepper.step([batch], learning_rate=RATE)
            done += 1
            progress.tell_step(
                report, step=done, epoch=0, learning_rate=RATE, groups=task.groups, components=task.components
            )

    return epoch


def seconds(work: Callable[[], object], repeats: int, hardware: Hardware) -> float:
    """Return the best time of some calls, after one that warms up."""
    clock = time.process_time if hardware.device.type == "cpu" else time.perf_counter
    work()
    taken = []
    for _ in range(repeats):
        begun = clock()
        work()
        taken.append(clock() - begun)
    return min(taken)


def profile(epoch: Callable[[], None]) -> None:
    """Print which functions an epoch spends its time in."""
    profiler = cProfile.Profile()
    with profiler:
        for _ in range(PROFILED_EPOCHS):
            epoch()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(PROFILED_LINES)


if __name__ == "__main__":
    main()
