"""What pre-flight predicts of a run's memory is what the run takes, in a process of its own."""

import re
from typing import Any

import pytest

TOLERANCE = 0.25
GRAPH = {
    "model": {"width": 16, "layers": 2},
    "training": {"epochs": 5, "batch_size": 16, "learning_rate": {"value": 6e-3}},
}
# Large enough for its weights to be the most of what the process holds.
LARGE_GRAPH = {
    "model": {"width": 384, "layers": 2},
    "training": {"epochs": 1, "max_steps": 4, "batch_size": 4, "learning_rate": {"value": 1e-3}},
}


def _predicted(trainer: Any, out: str) -> dict[str, int]:
    """Bytes of host memory, by cell."""
    details = {c["name"]: c["detail"] for c in trainer.result(out)["checks"] if c["name"].endswith("_memory")}
    found = {name: re.match(r"([\d.]+) GB of host memory", detail) for name, detail in details.items()}
    return {name.removesuffix("_memory"): int(float(match[1]) * 1e9) for name, match in found.items() if match}


def _taken(trainer: Any, out: str) -> int:
    taken: int = trainer.result(out)["memory"]["host_bytes"]
    return taken


def test_a_text_models_peak_is_as_predicted(trainer: Any, tiny: dict[str, Any], whole: str) -> None:
    text = {"model": tiny["model"], "training": tiny["training"]}
    spec = {"dataset": tiny["dataset"], "device": "cpu", "transformer": text}
    # Cold, as the run was: a fork shares what its server holds.
    assert trainer.run("preflight", spec, "text-prediction", cold=True)[0] == 0

    predicted = _predicted(trainer, "text-prediction")

    assert predicted["transformer"] == pytest.approx(_taken(trainer, whole), rel=TOLERANCE)


@pytest.mark.slow
def test_every_cells_peak_is_as_predicted(trainer: Any, tiny: dict[str, Any], whole: str) -> None:
    text = {"model": tiny["model"], "training": tiny["training"]}
    spec = {"dataset": tiny["dataset"], "device": "cpu", "transformer": text, "gnn": GRAPH, "fusion": {}}
    # Cold, all of them: a fork shares what its server holds.
    assert trainer.run("preflight", spec, "prediction", cold=True)[0] == 0
    graph = {"dataset": tiny["dataset"], "device": "cpu", **GRAPH}
    assert trainer.run("gnn", graph, "predicted-gnn", cold=True) == (0, "")
    bases = {"transformer": str(trainer.out(whole)), "gnn": str(trainer.out("predicted-gnn"))}
    fusion = {"dataset": tiny["dataset"], "device": "cpu", **bases}
    assert trainer.run("fusion", fusion, "predicted-fusion", cold=True)[0] == 0

    predicted = _predicted(trainer, "prediction")

    for cell, out in (("transformer", whole), ("gnn", "predicted-gnn"), ("fusion", "predicted-fusion")):
        assert predicted[cell] == pytest.approx(_taken(trainer, out), rel=TOLERANCE), cell


@pytest.mark.slow
def test_the_peak_of_a_large_model_is_as_predicted(trainer: Any, tiny: dict[str, Any]) -> None:
    spec = {"dataset": tiny["dataset"], "device": "cpu", "gnn": LARGE_GRAPH}
    assert trainer.run("preflight", spec, "large-prediction", cold=True)[0] == 0
    # Four steps need not teach it anything: the memory is measured all the same.
    large = {"dataset": tiny["dataset"], "device": "cpu", **LARGE_GRAPH}
    process = trainer.start_cell("gnn", large, "large-gnn", cold=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _high_water(process.pid))
    process.communicate()

    predicted = _predicted(trainer, "large-prediction")["gnn"]

    assert process.returncode in (0, 5)
    assert predicted == pytest.approx(peak, rel=TOLERANCE)


def _high_water(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = [line.split() for line in file if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(lines[0][1]) * 1024 if lines else 0
