"""Each stage of a smoke test can fail, is reported, and stops only the stages that need it."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.errors import DataError
from cellgate.contract.events import EventWriter
from tests.collapse_runs import HASH, InputError, SmallTask, new_hardware
from trainers.engine.context import RunContext
from trainers.engine.task import ParameterGroup, Prediction
from trainers.preflight.stages import Stages

ALL = ["load", "forward", "backward", "clip", "step", "gradients", "evaluate", "resume", "save"]
TRAIN, DEV = np.arange(100, 200), np.arange(100)
BATCHES = math.ceil(len(TRAIN) / 16)  # as the task plans them
Reload = Callable[[SmallTask, Path], Any]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[RunContext]:
    with EventWriter(tmp_path / "events.jsonl") as events:
        yield RunContext(out=tmp_path, events=events, spec_hash=HASH, started_at=0.0)


def _copy(task: SmallTask, _folder: Path) -> SmallTask:
    other = SmallTask(InputError(seed=0, rows=200))
    other.model.load_state_dict(task.model.state_dict())
    return other


def _stages(task: Any, context: RunContext, **config: Any) -> Stages:
    return Stages(
        "small",
        task,
        train_rows=TRAIN,
        dev_rows=DEV,
        labels=task.labels,
        config=TrainingConfig(batch_size=16, **config),
        cost=len,
        context=context,
        hardware=new_hardware(),
        scratch=context.out,
    )


def _verdicts(task: Any, context: RunContext, reload: Reload = _copy) -> dict[str, str]:
    stages = _stages(task, context)
    stages.train()
    stages.save(lambda folder: reload(task, folder))
    return {check.name.removeprefix("small_"): check.verdict for check in stages.checks.made}


def _task() -> Any:
    return SmallTask(InputError(seed=0, rows=200))


def test_a_healthy_model_passes_every_stage(context: RunContext) -> None:
    assert _verdicts(_task(), context) == dict.fromkeys(ALL, "pass")


@pytest.mark.parametrize(
    ("config", "steps"),
    [({"epochs": 3}, 3 * BATCHES), ({"epochs": 3, "accumulation": 10}, 3), ({"epochs": 3, "max_steps": 2}, 2)],
)
def test_it_tells_how_many_steps_a_training_has_and_what_one_takes(
    context: RunContext, config: dict[str, int], steps: int
) -> None:
    stages = _stages(_task(), context, **config)

    stages.train()

    assert stages.steps == steps
    assert stages.step_s is not None
    assert stages.step_s > 0


def _raise(error: Exception) -> Callable[..., Any]:
    def call(*_arguments: Any, **_more: Any) -> Any:
        raise error

    return call


def _unreadable(task: Any) -> None:
    task.load_batch = _raise(DataError("graph 7 is cut off"))


def _forgetful_plan(task: Any) -> None:
    whole = task.plan_epoch
    task.plan_epoch = lambda rows, rng: whole(rows[1:], rng)


def _not_a_number(task: Any) -> None:
    with torch.no_grad():
        task.model.classifier.bias.fill_(float("nan"))


def _crash(task: Any) -> None:
    task.predict = _raise(ValueError("unknown node type"))


def _infinite_gradient(task: Any) -> None:
    task.model.classifier.weight.register_hook(lambda gradient: gradient + float("inf"))


def _gradient_beyond_float32(task: Any) -> None:
    task.model.classifier.weight.register_hook(lambda gradient: gradient.sign() * 1e38)


class _Elsewhere(SmallTask):
    """Gives the optimizer a parameter that the model does not have."""

    stray = torch.nn.Parameter(torch.zeros(1))

    @property
    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(name="stray", parameters=[self.stray])]

    @property
    def components(self) -> dict[str, list[torch.nn.Parameter]]:
        return {"stray": [self.stray]}


def _detached(task: Any) -> None:
    task.model.encoder.register_forward_hook(lambda _module, _inputs, hidden: hidden.detach())


def _odd_in_evaluation(task: Any) -> None:
    def corrupt(module: Any, _inputs: Any, logits: Any) -> Any:
        return logits if module.training else logits * float("nan")

    task.model.classifier.register_forward_hook(corrupt)


def _secret_state(task: Any) -> None:
    """Something that the next step depends on and that no checkpoint holds."""
    predict, calls = task.predict, [0.0]

    def drift(batch: Any) -> Prediction:
        calls[0] += task.model.training
        recorded = predict(batch)
        return Prediction(logits_BC=recorded.logits_BC * (1 + calls[0]), embedding_BD=recorded.embedding_BD)

    task.predict = drift


@pytest.mark.parametrize(
    ("corrupt", "failed", "skipped"),
    [
        (_unreadable, {"load"}, set(ALL) - {"load"}),
        (_forgetful_plan, {"load"}, set(ALL) - {"load"}),
        (_not_a_number, {"forward", "evaluate"}, {"backward", "clip", "step", "gradients", "resume", "save"}),
        (_crash, {"forward", "evaluate"}, {"backward", "clip", "step", "gradients", "resume", "save"}),
        (_infinite_gradient, {"backward"}, {"clip", "step", "gradients", "resume"}),
        (_gradient_beyond_float32, {"clip"}, {"step", "gradients", "resume"}),
        (_detached, {"gradients"}, set()),
        (_odd_in_evaluation, {"evaluate"}, {"save"}),
        (_secret_state, {"resume", "save"}, set()),
    ],
)
def test_a_fault_fails_its_stage_and_leaves_out_only_what_needs_it(
    corrupt: Callable[[Any], None], failed: set[str], skipped: set[str], context: RunContext
) -> None:
    task = _task()
    corrupt(task)

    verdicts = _verdicts(task, context)

    assert {name for name, verdict in verdicts.items() if verdict == "fail"} == failed
    assert set(ALL) - set(verdicts) == skipped


def test_an_optimizer_that_changes_no_weight_fails_the_step(context: RunContext) -> None:
    verdicts = _verdicts(_Elsewhere(InputError(seed=0, rows=200)), context)

    assert verdicts["step"] == "fail"


def _fresh(_task: SmallTask, _folder: Path) -> SmallTask:
    return SmallTask(InputError(seed=1, rows=200))


@pytest.mark.parametrize("reload", [_fresh, _raise(OSError("no such file"))], ids=["other weights", "unreadable"])
def test_a_model_that_does_not_load_as_it_was_saved_fails_save_alone(reload: Reload, context: RunContext) -> None:
    verdicts = _verdicts(_task(), context, reload)

    assert verdicts == {**dict.fromkeys(ALL, "pass"), "save": "fail"}


def test_a_batch_that_does_not_fit_at_once_is_a_warning(context: RunContext) -> None:
    task = _task()
    load = task.load_batch
    task.load_batch = lambda rows: load(rows) if len(rows) < 10 else _raise(MemoryError())()

    assert _verdicts(task, context)["step"] == "warn"
