"""A model that cannot be compiled is trained as it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from trainers.engine.compilation import is_compiled
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.loop import fit
from trainers.results import LearningRateOutcome
from trainers.specs import TrainingConfig


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


# torch's compiler says so of torch's own code while it is imported.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_without_a_compiler_training_goes_on_as_if_it_had_not_been_asked_for(
    toy: type[Any],
    hardware: Hardware,
    new_context: Callable[..., RunContext],
    rate: LearningRateOutcome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(inductor.cpp, "cxx", (None, str(tmp_path / "no compiler")))
    weights = []
    for compile_it in (True, False):
        torch.manual_seed(0)
        task, context = toy(dropout=0.3), new_context(str(compile_it))
        task.model = Network(task.model)
        torch.manual_seed(1)
        fit(
            task,
            train_rows=np.arange(80),
            dev_rows=np.arange(80, 160),
            labels=task.labels,
            config=TrainingConfig(epochs=2, compile=compile_it),
            learning_rate=rate,
            seed=0,
            context=context,
            hardware=hardware,
        )
        said = [json.loads(line) for line in (context.out / "events.jsonl").read_text().splitlines()]
        warnings = [event["message"] for event in said if event.get("code") == "not_compiled"]
        assert len(warnings) == compile_it
        assert not compile_it or "compiler" in warnings[0]
        assert not is_compiled(task.model)
        weights.append(task.model.state_dict())

    assert list(weights[0]) == list(weights[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
