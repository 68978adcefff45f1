"""Options of the loop, from outside: balance, deterministic kernels and the compiler, in cells 51 and 52."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from cellgate.contract.exit_codes import ExitCode

MODELS = {"transformer": {"size": "tiny", "vocab_size": 256, "max_tokens": 64}, "gnn": {"width": 8, "layers": 2}}


def _spec(dataset: Path, cell: str, **training: Any) -> dict[str, Any]:
    loop = {"epochs": 1, "max_steps": 6, "learning_rate": {"value": 1e-4}, **training}
    return {"dataset": str(dataset), "model": MODELS[cell], "training": loop}


def _run(trainer: Any, cell: str, spec: dict[str, Any], out: str) -> tuple[list[str], dict[str, Any]]:
    """Return what was warned of, and the weights; a model that predicts nothing yet has them in its checkpoint."""
    code, stderr = trainer.run(cell, spec, out)
    assert code in (ExitCode.SUCCESS, ExitCode.COLLAPSE), stderr
    codes = [event["code"] for event in trainer.events(out) if event["kind"] == "warning"]
    [checkpoint] = (trainer.out(out) / "checkpoint").glob("step-*")
    return codes, load_file(checkpoint / "model.safetensors")


@pytest.mark.parametrize(("cell", "balance"), [("transformer", "sampling"), ("gnn", "weights")])
def test_a_balanced_and_deterministic_run_gives_the_same_weights_twice(
    trainer: Any, dataset: Path, cell: str, balance: str
) -> None:
    spec = _spec(dataset, cell, class_balance=balance, deterministic=True)

    runs = [_run(trainer, cell, spec, f"{cell}-{balance}-{number}") for number in range(2)]

    assert all(runs[0][1][name].equal(tensor) for name, tensor in runs[1][1].items())


@pytest.mark.slow
def test_a_compiled_model_learns_what_it_learns_as_it_is(trainer: Any, dataset: Path) -> None:
    _, plain = _run(trainer, "gnn", _spec(dataset, "gnn"), "plain")

    warnings, compiled = _run(trainer, "gnn", _spec(dataset, "gnn", compile=True), "compiled")

    assert "not_compiled" not in warnings
    assert list(plain) == list(compiled)
    assert all(plain[name].allclose(compiled[name], rtol=1e-2, atol=1e-3) for name in plain)
