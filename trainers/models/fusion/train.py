"""Cell 53 from top to bottom: a head over the transformer and the graph model of one seed, frozen or learning on."""

from functools import partial
from pathlib import Path

from cellgate.contract.artifacts import predictions_name
from cellgate.contract.cells import Cell
from cellgate.contract.configs import Split
from cellgate.contract.events import EventKind
from cellgate.contract.results import RunResult
from cellgate.contract.specs import FusionSpec
from trainers.data.dataset import Dataset
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.inference import infer
from trainers.engine.metrics import auroc, margins
from trainers.engine.train_cell import Trainee, open_inputs, train_cell
from trainers.evaluation.finished_runs import FinishedRun, WantedRun, open_runs
from trainers.models.fusion.base_models import UnfrozenBase
from trainers.models.fusion.features import Features, read_features
from trainers.models.fusion.heads import build_head
from trainers.models.fusion.saving import FusionInputs, save_fusion
from trainers.models.fusion.task import FusionTask


def run(spec: FusionSpec, context: RunContext) -> RunResult:
    """Train one seed of the fusion head and leave its model, predictions and result in the output folder.

    Fitted on fuse, which the base models have never seen; dev decides when to stop.

    Raises:
        TrainerError: One of its subclasses; each names its cause.
    """
    with context.phase("load"):
        inputs = open_inputs(spec)
        dataset = inputs.dataset
        text, graph = _open_bases(spec, dataset)
        features = read_features(text, graph, dataset=dataset, text_weight=spec.model.text_weight)
        task = _build_task(spec, dataset, features, text, graph, scratch=context.out)

    def save(folder: Path) -> None:
        for name, base in task.bases.items():
            base.save(folder / name)
        save_fusion(folder, task.head, config=spec.model, inputs=_inputs(features, text, graph))

    trainee = Trainee(
        task=task,
        save=save,
        train_split=Split.FUSE,
        rate_inputs=[run.result.artifacts[predictions_name(Split.FUSE)] for run in (text, graph)],
        review=partial(_keep_the_better, task, features, dataset, inputs.hardware, context),
    )
    return train_cell(trainee, inputs, spec=spec, context=context)


def _build_task(
    spec: FusionSpec, dataset: Dataset, features: Features, text: FinishedRun, graph: FinishedRun, *, scratch: Path
) -> FusionTask:
    text_width, graph_width = features.widths
    head = build_head(spec.model, text_width=text_width, graph_width=graph_width)
    head.learn_missing(graphs_missing=bool(features.batch(dataset.rows(Split.FUSE)).graph_missing_B.any()))
    bases: dict[str, UnfrozenBase] = {}
    if spec.model.unfreeze != "none":
        # The text library takes seconds to import, which a run from the cache does without.
        from trainers.models.fusion.unfreezing import open_unfrozen

        bases = open_unfrozen(spec, dataset, features, text=text, graph=graph, scratch=scratch)
    return FusionTask(head, features, spec, pairs=_pairs(spec, dataset), bases=bases)


def _keep_the_better(
    task: FusionTask, features: Features, dataset: Dataset, hardware: Hardware, context: RunContext
) -> list[str]:
    """Make the model the ensemble again unless it ranks dev at least as well; return the warning, if so."""
    rows = dataset.rows(Split.DEV)
    labels_R = dataset.labels(rows)
    head = auroc(labels_R, margins(infer(task, rows, hardware=hardware, context=context).logits_RC))
    ensemble = auroc(labels_R, features.batch(rows).ensemble_log_odds_B.double().numpy())
    if head is None or ensemble is None or head >= ensemble:
        return []
    task.forget()
    message = f"the trained head ranks dev less well than the ensemble (AUROC {head:.4f}, {ensemble:.4f}): undone"
    context.events.write(EventKind.WARNING, code="fusion_adds_nothing", message=message)
    return [message]


def _open_bases(spec: FusionSpec, dataset: Dataset) -> tuple[FinishedRun, FinishedRun]:
    text, graph = open_runs(
        [
            WantedRun(where="/transformer", cell=Cell.TRANSFORMER, seed=spec.seed, path=spec.transformer),
            WantedRun(where="/gnn", cell=Cell.GNN, seed=spec.seed, path=spec.gnn),
        ],
        dataset=dataset,
    )
    return text, graph


def _inputs(features: Features, text: FinishedRun, graph: FinishedRun) -> FusionInputs:
    text_width, graph_width = features.widths
    return FusionInputs(
        text_width=text_width,
        graph_width=graph_width,
        text_temperature=text.temperature,
        graph_temperature=graph.temperature,
        text_spec_hash=text.result.spec_hash,
        graph_spec_hash=graph.result.spec_hash,
    )


def _pairs(spec: FusionSpec, dataset: Dataset) -> list[str | None] | None:
    return dataset.all_pairs() if spec.training.keep_pairs_together else None
