"""`cellgate metrics`, `compare`, `worker`, `ls` with filters, and sending a file."""

import json
from pathlib import Path

import pytest

from cellgate.cli.formatting import bars
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer


def test_curves_are_drawn_with_their_ends(context: LiveServer, finished: str, cellgate: Cellgate) -> None:
    run = context.run_of(finished, "51", 0)
    whole = json.loads(cellgate("metrics", run, "--json").out)
    shown = cellgate("metrics", run, "--key", "dev/f1")
    few = json.loads(cellgate("metrics", run, "--key", "train/loss", "--points", "8", "--json").out)
    missing = cellgate("metrics", run, "--key", "dev/f2")

    f1 = next(curve for curve in whole["curves"] if curve["key"] == "dev/f1")
    [_, line] = shown.out.splitlines()
    assert line.split()[0] == "dev/f1"
    assert line.split()[2:4] == [str(f1["points"]), f"{f1['values'][-1]:.4g}"]
    assert [len(curve["steps"]) for curve in few["curves"]] == [4]
    assert (missing.code, missing.out) == (2, "")
    assert "has no curve dev/f2" in missing.err


def test_a_line_of_bars_rises_and_falls_with_its_values() -> None:
    assert bars([0.0, 1.0, 2.0, 7.0, 3.5]) == "▁▂▃█▅"
    assert bars([5.0] * 3) == "▁▁▁"
    assert bars([0.0] * 50 + [1.0] * 50, width=10) == "▁▁▁▁▁█████"


def test_two_runs_are_compared(context: LiveServer, finished: str, cellgate: Cellgate) -> None:
    text, graph = context.run_of(finished, "51", 0), context.run_of(finished, "52", 0)
    shown = cellgate("compare", text, graph)
    found = json.loads(cellgate("compare", text, graph, "--json").out)

    assert shown.code == 0
    row = next(line.split() for line in shown.out.splitlines() if line.strip().startswith("gate/f1 "))
    assert row[1:] == [f"{value:.4f}" for value in found["metrics"]["gate/f1"]]
    assert cellgate("compare", text, f"run_{'0' * 26}").code == 3
    assert cellgate("compare", text).code == 3


def test_a_worker_drains_and_takes_runs_again(cellgate: Cellgate) -> None:
    before = json.loads(cellgate("worker", "ls", "--json").out)
    drained = cellgate("worker", "drain", "worker-1")
    shown = cellgate("worker", "ls").out
    resumed = cellgate("worker", "resume", "worker-1")
    after = json.loads(cellgate("worker", "ls", "--json").out)

    assert [(worker["id"], worker["draining"]) for worker in before] == [("worker-1", False)]
    assert (drained.code, drained.out) == (0, "worker-1 takes nothing more; it has nothing at work.\n")
    assert shown.splitlines()[1].split()[:2] == ["worker-1", "draining"]
    assert (resumed.code, after[0]["draining"]) == (0, False)
    assert cellgate("worker", "drain", "nobody").code == 3


def test_experiments_are_listed_by_state(finished: str, cellgate: Cellgate) -> None:
    assert finished in [found["id"] for found in json.loads(cellgate("ls", "--state", "succeeded", "--json").out)]
    assert json.loads(cellgate("ls", "--state", "failed", "--json").out) == []
    assert json.loads(cellgate("ls", "--label", "team:none", "--json").out) == []
    assert cellgate("ls", "--label", "none").code == 3


@pytest.mark.parametrize("name", ["functions.jsonl", "entraîne (1).JSONL"])
def test_a_file_is_sent_and_prepared(context: LiveServer, cellgate: Cellgate, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    rows = [{"func": f"int f(void) {{ return {number}; }}", "target": number % 2} for number in range(4)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sent = cellgate("dataset", "add", str(file), "--upload", "--json")

    source = Path(json.loads(sent.out)["source"])
    assert source.read_bytes() == file.read_bytes()
    assert source.is_relative_to(context.data)
    assert cellgate("dataset", "add", str(tmp_path / "none.jsonl"), "--upload").code == 2
