"""Smoke test of one cell: its model is built and taken through every stage on one real batch."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cellgate.contract.artifacts import FUNCTIONS_NAME, GRAPHS_NAME
from cellgate.contract.configs import Split, TrainingConfig, TransformerModel
from cellgate.contract.results import Check, PredictedNeed, ResolvedRecipe
from cellgate.contract.specs import GnnSpec, TransformerSpec
from trainers.data.dataset import Dataset
from trainers.engine.checkpoint import weights_of
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.memory import MemoryWatch, available_memory
from trainers.engine.task import Rows, Task
from trainers.models.fusion.base_models import GNN, TRANSFORMER, UnfrozenBase
from trainers.models.gnn.model import GraphNetwork, GraphSizes
from trainers.models.gnn.saving import load_gnn, save_gnn
from trainers.models.gnn.train import GraphTask
from trainers.models.transformer.pretrained import load_pretrained_model, refuse_failed
from trainers.models.transformer.task import TransformerTask
from trainers.models.transformer.train import TokenizedText, build_task, prepare_text, quieten_library, save_model
from trainers.preflight.checks import CheckCollector
from trainers.preflight.resources import Need, check_disk, check_memory, folder_bytes, prediction_bytes
from trainers.preflight.stages import Cost, Reload, Stages

MANY_TRUNCATED = 0.2


@dataclass(frozen=True, kw_only=True)
class SmokeTestContext:
    """What every smoke test works with.

    Args:
        engine: Bytes that the process held without the libraries of text and graphs.
        libraries: Bytes that it held with them, before the first smoke test.
        scratch: A folder that is thrown away.
        bases: Filled with the models that could be built, for fusion to be tried on.
        needs: Filled with what a run of each cell is predicted to take.
    """

    dataset: Dataset
    folder: Path
    context: RunContext
    hardware: Hardware
    engine: int
    libraries: int
    scratch: Path
    bases: dict[str, UnfrozenBase] = field(default_factory=dict)
    needs: dict[str, PredictedNeed] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BuiltModel:
    """A model that was built, and how it is loaded again."""

    task: Task
    save: Callable[[Path], None]
    reload: Reload
    cost: Cost


def try_transformer(spec: TransformerSpec, setup: SmokeTestContext) -> CheckCollector:
    """Return the checks of cell 51."""
    quieten_library()
    recipe = ResolvedRecipe.of(spec).check()
    checks = _try(TRANSFORMER, lambda checks: _build_text(spec, setup, checks), spec.training, setup, FUNCTIONS_NAME)
    checks.made.insert(0, recipe)
    return checks


def try_gnn(spec: GnnSpec, setup: SmokeTestContext) -> CheckCollector:
    """Return the checks of cell 52."""
    return _try(GNN, lambda _: _build_graph(spec, setup), spec.training, setup, GRAPHS_NAME)


def _build_text(spec: TransformerSpec, setup: SmokeTestContext, checks: CheckCollector) -> BuiltModel:
    proved: list[Check] = []

    def judge(_model: TransformerModel, made: Sequence[Check]) -> None:
        """Keep what was checked, so that a foreign tokenizer does not hide weights that are missing."""
        proved.extend(made)
        for check in made:
            checks.add(check.name, check.verdict, check.detail, fix=check.fix)

    text = prepare_text(spec.model, setup.dataset, cache=setup.scratch, judge=judge)
    checks.guard("truncation", lambda: _check_truncation(text, checks))
    task = build_task(spec, setup.dataset, text, judge=judge)
    refuse_failed(spec.model, proved)

    def save(folder: Path) -> None:
        save_model(task.model, text.tokenizer, folder)

    def reload(folder: Path) -> Task:
        save(folder)
        saved = TransformerModel(checkpoint=str(folder))
        return TransformerTask(
            load_pretrained_model(saved, pad_token_id=text.tokenizer.pad_token_id),
            tokens=text.tokens,
            pad_token_id=text.tokenizer.pad_token_id,
            batch_size=spec.training.batch_size,
            max_tokens=text.max_tokens,
            pairs=None,
        )

    def cost(rows: Rows) -> int:
        return int(text.tokens.lengths(rows).max()) * len(rows)

    return BuiltModel(task=task, save=save, reload=reload, cost=cost)


def _check_truncation(text: TokenizedText, checks: CheckCollector) -> None:
    share = text.tokens.truncated_F.mean()
    detail = f"{share:.1%} of the functions have more than {text.max_tokens} tokens and lose their middle"
    checks.add("truncation", "warn" if share > MANY_TRUNCATED else "pass", detail, fix="raise max_tokens")


def _build_graph(spec: GnnSpec, setup: SmokeTestContext) -> BuiltModel:
    dataset = setup.dataset
    model = GraphNetwork(spec.model, GraphSizes.of(dataset.vocab))

    def save(folder: Path) -> None:
        save_gnn(folder, model, config=spec.model, vocabulary=dataset.vocab)

    def reload(folder: Path) -> Task:
        save(folder)
        return GraphTask(load_gnn(folder), dataset, spec.training)

    def cost(rows: Rows) -> int:
        nodes_B, edges_B = dataset.graph_sizes(rows)
        return int(nodes_B.sum() + edges_B.sum())

    return BuiltModel(task=GraphTask(model, dataset, spec.training), save=save, reload=reload, cost=cost)


def _try(
    name: str,
    build: Callable[[CheckCollector], BuiltModel],
    config: TrainingConfig,
    setup: SmokeTestContext,
    data_file: str,
) -> CheckCollector:
    checks = CheckCollector(name)
    built: list[tuple[BuiltModel, Stages]] = []
    with fresh_folder(setup.scratch / name) as scratch:

        def make() -> None:
            built_model = build(checks)
            parameters = sum(parameter.numel() for parameter in built_model.task.model.parameters())
            checks.add("model", "pass", f"{parameters:,} parameters")
            built.append((built_model, _stages(name, built_model, config, setup, scratch)))

        with MemoryWatch(setup.hardware.device) as watch:
            checks.guard("model", make)
            for _, stages in built:
                stages.train()
        for built_model, stages in built:
            if stages.checks.passed("step"):
                data = (setup.folder / data_file).stat().st_size
                stages.checks.extend(
                    check_resources(
                        name, stages, watch, setup, libraries=setup.libraries, data=data, checkpoints=scratch
                    )
                )
            stages.save(built_model.reload)
            checks.extend(stages.checks.made)
            setup.bases[name] = UnfrozenBase(
                task=built_model.task, temperature=1.0, start=weights_of(built_model.task.model), save=built_model.save
            )
    return checks


def check_resources(
    name: str,
    stages: Stages,
    watch: MemoryWatch,
    setup: SmokeTestContext,
    *,
    libraries: int,
    data: int,
    checkpoints: Path,
    whole: bool = True,
) -> list[Check]:
    """Return whether a whole run fits into memory and onto the disk, and keep what it is predicted to take.

    Args:
        libraries: Bytes of host memory that a run's process takes before it loads anything.
        data: Bytes of host memory that a run takes for data and the smoke test did not.
        checkpoints: The folder that the smoke test saved into.
        whole: Whether the stages have planned an epoch of all functions, so that steps can be told.
    """
    need = Need(
        libraries=libraries,
        training=watch.host_bytes,
        data=data,
        predictions=prediction_bytes(setup.dataset, embedding_width=stages.embedding_width),
        device=watch.device_bytes,
        checkpoint=folder_bytes(checkpoints),
    )
    setup.needs[name] = PredictedNeed(
        host_bytes=need.host,
        device_bytes=need.device,
        disk_bytes=need.disk,
        step_s=stages.step_s if whole else None,
        steps=stages.steps if whole else None,
    )
    free = shutil.disk_usage(setup.context.out).free
    return [check_memory(name, need, available_memory(setup.hardware.device)), check_disk(name, need, free)]


def _stages(
    name: str, built_model: BuiltModel, config: TrainingConfig, setup: SmokeTestContext, scratch: Path
) -> Stages:
    dataset = setup.dataset
    return Stages(
        name,
        built_model.task,
        train_rows=dataset.rows(Split.TRAIN),
        dev_rows=dataset.rows(Split.DEV),
        labels=dataset.labels(np.arange(len(dataset))),
        config=config,
        cost=built_model.cost,
        context=setup.context,
        hardware=setup.hardware,
        scratch=scratch,
    )


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """Make a folder that is gone afterwards."""
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
