"""A model that cannot be compiled is trained as it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException
from torch._inductor import config as inductor

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.results import LearningRateOutcome
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.loop import fit
from trainers.engine.optimization import is_compiled
from trainers.engine.planning import TrainingPlan


class Network(nn.Module):
    """The toy's network as a class of its own: the compiler leaves the library's containers alone."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.layers(inputs)
        return logits

    def __getitem__(self, place: int) -> nn.Module:
        return self.layers[place]  # type: ignore[index, no-any-return]


Fit = Callable[..., tuple[dict[str, Tensor], list[str]]]


@pytest.fixture
def train(hardware: Hardware, new_context: Callable[..., RunContext], rate: LearningRateOutcome) -> Fit:
    """Train a task with dropout; return its weights and the warnings that it was not compiled."""

    def train(task: Any, *, compile_it: bool) -> tuple[dict[str, Tensor], list[str]]:
        context = new_context(str(compile_it))
        torch.manual_seed(1)
        fit(
            TrainingPlan(
                task=task, rows=np.arange(80), labels=task.labels, config=TrainingConfig(epochs=2, compile=compile_it)
            ),
            dev_rows=np.arange(80, 160),
            learning_rate=rate,
            seed=0,
            context=context,
            hardware=hardware,
        )
        recorded = [json.loads(line) for line in (context.out / "events.jsonl").read_text().splitlines()]
        warnings = [event["message"] for event in recorded if event.get("code") == "not_compiled"]
        return task.model.state_dict(), warnings

    return train


def _same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return list(one) == list(two) and all(torch.equal(one[name], two[name]) for name in one)


def _task(toy: type[Any]) -> Any:
    task = toy(dropout=0.3)
    task.model = Network(task.model)
    return task


# The compiler's own way to fail, for which it is loaded: ten seconds.
@pytest.mark.slow
# torch's compiler says so of torch's own code while it is imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_without_a_compiler_training_goes_on_as_without_compilation(
    toy: type[Any], train: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(inductor.cpp, "cxx", (None, str(tmp_path / "no compiler")))
    task = _task(toy)

    weights, [warning] = train(task, compile_it=True)

    assert "compiler" in warning
    assert not is_compiled(task.model)
    assert _same(weights, train(_task(toy), compile_it=False)[0])


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_backward_pass_that_cannot_be_compiled_leaves_no_trace(toy: type[Any], train: Fit) -> None:
    # Of the library's containers the compiler makes nothing, so that this is quick.
    task, plain = toy(dropout=0.3), toy(dropout=0.3)
    predict = task.predict

    def predict_or_fail(batch: Any) -> Any:
        prediction = predict(batch)
        if is_compiled(task.model) and len(task.seen) == 1:
            raise TorchDynamoException("after dropout was drawn")
        return prediction

    task.predict = predict_or_fail
    weights, warnings = train(task, compile_it=True)

    assert len(warnings) == 1
    assert _same(weights, train(plain, compile_it=False)[0])
