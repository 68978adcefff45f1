import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.states import FailureReason
from service.store.workers import register_worker
from tests.live_server import LiveServer, run_live_server

Cellgate = Callable[..., Any]
FUNCTION = {"func": "int f(int a) { return a; }", "target": 0}


def a_file(context: LiveServer, name: str) -> Path:
    context.data.mkdir(exist_ok=True)
    path = context.data / name
    path.write_text("".join(json.dumps({**FUNCTION, "target": row % 2}) + "\n" for row in range(10)))
    return path


def a_spec(folder: Path, **content: object) -> Path:
    path = folder / "spec.yaml"
    path.write_text(json.dumps(content))
    return path


def test_a_file_becomes_a_data_set_named_after_it(context: LiveServer, cellgate: Cellgate) -> None:
    added = cellgate("dataset", "add", a_file(context, "named.jsonl"), "--json")
    assert added.code == 0, added.err
    assert json.loads(added.out)["name"] == "named"
    assert "named" in cellgate("dataset", "ls").out
    context.trainers().work()


def test_waiting_for_a_data_set_ends_when_it_is_ready(context: LiveServer, cellgate: Cellgate) -> None:
    with context.trainers().at_work():
        added = cellgate("dataset", "add", a_file(context, "waited.jsonl"), "--wait")
    assert added.code == 0, added.err
    assert "is ready" in added.out
    assert "A bag of tokens reaches F1 0.7000" in added.out


def test_a_data_set_that_cannot_be_prepared_ends_with_1(context: LiveServer, cellgate: Cellgate) -> None:
    trainers = context.trainers()
    trainers.failing = {(Cell.PREPARE, 0): (FailureReason.DATA_ERROR, 3)}
    added = cellgate("dataset", "add", a_file(context, "corrupted.jsonl"), "--json")
    trainers.work()
    watched = cellgate("watch", json.loads(added.out)["id"])
    assert watched.code == 1
    assert "made to fail" in watched.out


def test_a_file_outside_the_data_roots_is_refused_with_a_pointer(cellgate: Cellgate, tmp_path: Path) -> None:
    path = tmp_path / "outside.jsonl"
    path.write_text(json.dumps(FUNCTION) + "\n")
    refused = cellgate("dataset", "add", path)
    assert refused.code == 3
    assert "/source" in refused.err


def test_an_experiment_is_submitted_by_the_name_of_its_data_set(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, tmp_path: Path
) -> None:
    submitted = cellgate("submit", a_spec(tmp_path, name="by name", seeds=[4]), "--dataset", "made", "--json")
    assert submitted.code == 0, submitted.err
    answer = json.loads(submitted.out)
    assert answer["dataset"] == ready_dataset
    assert answer["seeds"] == [4]
    cellgate("cancel", answer["id"])
    context.trainers().work()


def test_a_dry_run_shows_an_estimate_and_submits_nothing(finished: str, cellgate: Cellgate, tmp_path: Path) -> None:
    shown = cellgate("submit", a_spec(tmp_path, name="dry", dataset="made"), "--dry-run")
    assert shown.code == 0, shown.err
    assert "Estimate of cells 51 to 53" in shown.out
    assert "not known" in shown.out
    assert "CELLGATE_PRICE_PER_DEVICE_HOUR" in shown.out.replace("\n", "")
    assert "dry" not in cellgate("ls").out
    assert "At work:" in cellgate("show", finished).out


def test_an_evaluation_is_waited_for_and_says_first_what_is_shared_with_training(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    scores = context.data / "scores.jsonl"
    scores.write_text("")
    with context.trainers().at_work():
        shown = cellgate("evaluate", "made", "--scores", scores)
        as_json = cellgate("evaluate", ready_dataset, "--scores", scores, "--json")

    assert shown.code == 0, shown.err
    assert "3 exact copies, 2 near-duplicates" in shown.out.replace("\n", " ").partition("On gate")[0]
    assert "not seen in training" in shown.out
    assert json.loads(as_json.out)["evaluation"]["threshold"] == 0.5


@pytest.mark.parametrize("named", [[], ["--bundle", "bun_x", "--scores", "y"]], ids=["neither", "both"])
def test_one_detector_is_evaluated(cellgate: Cellgate, named: list[str]) -> None:
    assert cellgate("evaluate", "made", *named).code == 2


def test_a_job_has_no_dry_run(ready_dataset: str, cellgate: Cellgate, tmp_path: Path) -> None:
    refused = cellgate("submit", a_spec(tmp_path, cell=52, dataset=ready_dataset), "--dry-run")
    assert refused.code == 2
    assert "--dry-run, --name and --label are for experiments" in refused.err


def test_seeds_are_added_to_what_has_decided(context: LiveServer, finished: str, cellgate: Cellgate) -> None:
    refused = cellgate("seeds", finished, "0")
    made = json.loads(cellgate("seeds", finished, "7", "--json").out)
    cellgate("cancel", made["id"])
    context.trainers().work()
    assert refused.code == 3
    assert (made["extends"], made["seeds"][-1]) == (finished, 7)


def test_every_mistake_of_a_spec_is_reported_with_its_pointer(
    ready_dataset: str, cellgate: Cellgate, tmp_path: Path
) -> None:
    spec = a_spec(tmp_path, name="wrong", dataset=ready_dataset, seeds=[1, 1], policy={"gate_f1": 2}, gnn={"modle": {}})
    refused = cellgate("submit", spec)
    assert refused.code == 3
    pointers = {line.strip().partition(":")[0] for line in refused.err.splitlines()[1:]}
    assert {"/seeds", "/policy/gate_f1", "/gnn/modle"} <= pointers


def test_watching_tells_each_change_and_ends_with_0_when_the_experiment_succeeded(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    # given an experiment whose runs are trained while it is watched
    watched_id = context.experiment(ready_dataset, "watched")

    # when it is watched
    with context.trainers().at_work():
        watched = cellgate("watch", watched_id)

    # then its end is shown, and every seed's scores
    assert watched.code == 0, watched.err
    assert f"{watched_id}: ended, ships ensemble" in watched.out
    assert "51 transformer seed 1: succeeded, F1 0.9100" in watched.out
    row = next(line for line in watched.out.splitlines() if line.startswith("52 gnn") and " 0.8800" in line)
    assert row.split()[2:8] == ["0", "succeeded", "0.8800", "0.8800", "0.8800", "0.9500"]


def test_watching_a_failed_experiment_ends_with_1_and_says_why(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    failed = context.experiment(ready_dataset, "failed")
    trainers = context.trainers()
    trainers.failing = {(Cell.PREFLIGHT, 0): (FailureReason.PREFLIGHT_FAILED, 4)}
    trainers.work()
    watched = cellgate("watch", failed)
    assert watched.code == 1
    assert "preflight seed 0: preflight_failed: made to fail" in watched.out


def test_a_passed_gate_ends_with_0_and_shows_every_check(finished: str, cellgate: Cellgate) -> None:
    shown = cellgate("gate", finished)
    assert shown.code == 0
    assert "Gate: pass" in shown.out
    for name in ("seeds_complete", "exit_codes", "mean_f1_transformer", "mean_f1_gnn", "lr_cache", "metadata_valid"):
        assert name in shown.out


def test_a_failed_gate_ends_with_1(context: LiveServer, ready_dataset: str, cellgate: Cellgate) -> None:
    weak = context.experiment(ready_dataset, "weak")
    context.trainers({"transformer": [0.5, 0.5], "gnn": [0.5, 0.5], "ensemble": [0.5, 0.5]}).work()
    shown = cellgate("gate", weak)
    assert shown.code == 1
    assert "FAIL" in shown.out


def test_before_anything_was_trained_gate_and_decision_end_with_5(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    young = context.experiment(ready_dataset, "young", ExperimentSpec(seeds=[0]))
    assert cellgate("gate", young).code == 5
    undecided = cellgate("decision", young)
    assert undecided.code == 5
    assert "no decision has been taken yet" in undecided.err

    # and what is cancelled has been stopped
    assert cellgate("cancel", young).code == 0
    assert cellgate("watch", young).code == 23


def test_a_decision_is_shown_with_rule_reasons_and_options(finished: str, cellgate: Cellgate) -> None:
    shown = cellgate("decision", finished)
    assert shown.code == 0
    assert "Decision: Ship the ensemble (clear)" in shown.out
    assert "Rule: " in shown.out
    row = next(line for line in shown.out.splitlines() if line.startswith("ensemble (0.60 text)"))
    # the mean of 0.93 and 0.94, and the interval that the evidence was made with
    assert row.split()[3:7] == ["0.9350", "0.925", "to", "0.945"]


def test_an_experiment_is_shown_with_every_run_as_it_is_now(finished: str, cellgate: Cellgate) -> None:
    shown = cellgate("show", finished).out
    assert shown.startswith(f"finished  {finished}\nhttp://127.0.0.1:")
    assert "\nended  ships ensemble  pre-flight succeeded → " in shown
    row = next(line for line in shown.splitlines() if line.startswith("51 transformer") and " 0.9100" in line)
    assert row.split()[2:4] == ["1", "succeeded"]


def test_the_list_shows_outcome_and_gate(finished: str, cellgate: Cellgate) -> None:
    row = next(line for line in cellgate("ls").out.splitlines() if line.startswith(finished))
    assert row.split()[1:6] == ["finished", "ships", "ensemble", "0.935", "pass"]


def test_the_report_holds_everything(finished: str, cellgate: Cellgate, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.json"
    assert cellgate("report", finished, "--out", out).code == 0
    report = json.loads(out.read_text())
    assert report["experiment"]["id"] == finished
    assert report["gate"]["verdict"] == "pass"
    assert [decision["outcome"] for decision in report["decisions"]] == ["ensemble"]
    assert report["decisions"][0]["evidence"]["positives"] == 150
    f1s = {
        (run["cell"], run["seed"]): run["result"]["metrics"]["gate"]["f1"]
        for run in report["runs"]
        if run["cell"] in (51, 52)
    }
    assert f1s == {(51, 0): 0.90, (51, 1): 0.91, (52, 0): 0.88, (52, 1): 0.89}
    assert report["dataset"]["summary"]["rows"] == 600
    assert report["report"]["evidence"] == report["decisions"][0]["evidence"]


def test_the_report_is_written_as_one_page(finished: str, cellgate: Cellgate, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.html"

    assert cellgate("report", finished, "--html", out).code == 0

    text = out.read_text()
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert "Ship the ensemble" in text


def test_a_report_to_nowhere_is_a_wrong_use_of_the_command(finished: str, cellgate: Cellgate) -> None:
    reported = cellgate("report", finished)

    assert reported.code == 2
    assert "--html FILE" in reported.err


def test_before_cell_54_has_weighed_the_document_has_no_report_and_there_is_no_page(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, tmp_path: Path
) -> None:
    waiting = context.experiment(ready_dataset, "not yet")

    assert cellgate("report", waiting, "--out", tmp_path / "report.json").code == 0
    page = cellgate("report", waiting, "--html", tmp_path / "report.html")

    assert json.loads((tmp_path / "report.json").read_text())["report"] is None
    assert page.code == 3
    assert "cell 54 has not finished yet" in page.err
    assert not (tmp_path / "report.html").exists()
    assert cellgate("cancel", waiting).code == 0


def test_a_job_is_paused_resumed_cancelled_and_tried_again(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, tmp_path: Path
) -> None:
    job = json.loads(cellgate("submit", a_spec(tmp_path, cell=52, dataset=ready_dataset, seeds=[0]), "--json").out)
    run_id = job["runs"][0]["id"]
    with context.database.begin() as session:
        register_worker(session, worker_id="w", queues=["cpu"], slots=1)

    assert "queued: about to start in queue cpu" in cellgate("show", run_id).out
    assert "about to start in queue cpu" in " ".join(cellgate("show", job["id"]).out.split())
    assert "is being paused: `cellgate resume" in cellgate("pause", job["id"]).out
    assert json.loads(cellgate("show", run_id, "--json").out)["waiting"]["reason"] == "paused"
    assert context.trainers().work() == []
    assert f"{run_id} goes on" in cellgate("resume", run_id).out
    assert cellgate("cancel", run_id).code == 0
    assert "with all of its seeds at a learning rate of 0.0007" in cellgate("retry", run_id, "--rate", "0.0007").out
    assert "is tried again" in cellgate("retry", job["id"]).out
    assert context.trainers().work() == [(Cell.GNN, 0), (Cell.GNN, 0)]
    assert cellgate("watch", job["id"]).code == 0
    assert "counts in its place" in cellgate("show", run_id).out

    assert cellgate("retry", job["id"], "--rate", "0.0007").code == 3
    refused = cellgate("retry", run_id)
    assert refused.code == 3
    assert "was tried again already" in refused.err


def test_an_experiment_is_nothing_that_can_be_tried_again(cellgate: Cellgate) -> None:
    refused = cellgate("retry", "exp_" + "0" * 26)
    assert refused.code == 2
    assert "(experiment), expected job (job_…) or run (run_…)" in refused.err


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_an_experiment_is_paused_and_resumed_as_a_whole(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate, verb: str
) -> None:
    submitted = context.experiment(ready_dataset, f"to {verb}")
    for asked in ["pause", "resume"][: 1 + (verb == "resume")]:
        assert cellgate(asked, f"to {verb}").code == 0
    assert json.loads(cellgate("show", submitted, "--json").out)["paused"] is (verb == "pause")
    cellgate("cancel", submitted)
    context.trainers().work()


def test_an_unknown_experiment_is_refused(cellgate: Cellgate) -> None:
    refused = cellgate("watch", "exp_" + "0" * 26)
    assert refused.code == 3
    assert "there is no experiment" in refused.err


def test_a_spec_file_that_is_missing_is_wrong_usage(cellgate: Cellgate, tmp_path: Path) -> None:
    assert cellgate("submit", tmp_path / "nowhere.yaml").code == 2


def test_where_no_server_answers_the_exit_code_is_4(cellgate: Cellgate) -> None:
    away = cellgate("ls", server="http://127.0.0.1:1")
    assert away.code == 4
    assert "cellgate up" in away.err


def test_a_server_with_a_token_refuses_a_caller_without_it(tmp_path: Path, cellgate: Cellgate) -> None:
    with run_live_server(tmp_path, token="a secret of 32 characters or more") as locked:
        refused = cellgate("ls", server=locked.url)
        assert refused.code == 3
        assert "token" in refused.err
