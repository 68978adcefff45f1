"""What each route answers when all is well."""

from typing import Any

import pytest

from cellgate.contract.cells import SUBMITTED
from cellgate.contract.configs import GnnConfig, TransformerConfig
from cellgate.contract.events import EventKind
from service.store.recorder import record_event, record_log, record_metrics, record_progress
from service.store.workers import register_worker
from tests.api_client import Api, begin, get
from tests.fakes import F1s

FUSION_IS_DUE: F1s = {
    "transformer": [0.87, 0.88],
    "gnn": [0.86, 0.87],
    "ensemble": [0.89, 0.89],
    "fusion": [0.93, 0.94],
}


@pytest.mark.parametrize("name", ["functions.jsonl", "functions.jsonl.gz"])
def test_a_data_set_is_accepted_and_can_be_read_where_location_says(api: Api, name: str) -> None:
    answer = api.client.post("/v1/datasets", json={"name": " made ", "source": api.file(name)})

    assert answer.status_code == 202
    made = answer.json()
    assert (made["name"], made["state"], made["summary"]) == ("made", "preparing", None)
    assert made["source"] == str(api.data / name)
    assert answer.headers["Location"] == f"/v1/datasets/{made['id']}"
    assert get(api, answer.headers["Location"]) == made
    assert get(api, "/v1/datasets") == {"items": [made], "next": None, "total": None}
    assert api.notifier.notified == [(made["run"], "cpu")]
    assert get(api, f"/v1/runs/{made['run']}")["cell"] == "prepare"


def test_a_data_set_that_is_ready_shows_its_summary_and_hash(api: Api) -> None:
    ready = get(api, f"/v1/datasets/{api.ready_dataset()}")

    assert ready["state"] == "ready"
    assert ready["summary"]["rows"] == 600
    assert ready["content_hash"].startswith("sha256:")


def test_a_link_that_stays_inside_a_data_root_is_followed(api: Api) -> None:
    target = api.file("target.jsonl")
    (api.data / "link.jsonl").symlink_to(target)

    answer = api.client.post("/v1/datasets", json={"name": "linked", "source": str(api.data / "link.jsonl")})

    assert (answer.status_code, answer.json()["source"]) == (202, target)


def test_an_experiment_is_accepted_with_every_default_of_its_spec_written_out(api: Api) -> None:
    dataset = api.ready_dataset()
    api.notifier.notified.clear()

    answer = api.client.post("/v1/experiments", json={"name": "question", "dataset": dataset, "seeds": [3, 4]})

    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/experiments/{made['id']}"
    assert get(api, answer.headers["Location"]) == made
    assert (made["seeds"], made["gate_verdict"], made["outcome"]) == ([3, 4], "pending", None)
    assert made["spec"]["transformer"] == TransformerConfig().model_dump(mode="json")
    assert made["spec"]["policy"]["gate_f1"] == 0.85
    [preflight] = made["jobs"]
    assert (preflight["cell"], preflight["step"]) == ("preflight", "preflight")
    assert api.notifier.notified == [(preflight["runs"][0]["id"], "cpu")]


def test_an_experiment_waits_for_a_data_set_that_is_still_being_prepared(api: Api) -> None:
    experiment = api.experiment(api.dataset())
    assert get(api, f"/v1/experiments/{experiment}")["jobs"] == []

    api.trainers().work()

    assert get(api, f"/v1/experiments/{experiment}")["state"] == "succeeded"


def test_an_experiment_that_has_ended_shows_pipeline_gate_and_decision(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}"
    api.trainers().work()

    ended, gate, decision = get(api, path), get(api, f"{path}/gate"), get(api, f"{path}/decision")

    assert (ended["state"], ended["gate_verdict"], ended["outcome"]) == ("succeeded", "pass", decision["outcome"])
    assert [(job["cell"], len(job["runs"])) for job in ended["jobs"]] == [("preflight", 1), (51, 2), (52, 2), (54, 1)]
    assert {check["verdict"] for check in gate["checks"]} == {"pass"}
    assert decision["outcome"] == "ensemble"
    [summary] = get(api, "/v1/experiments")["items"]
    assert (summary["runs_done"], summary["runs_total"], summary["outcome"]) == (6, 6, "ensemble")


def test_both_decisions_are_listed_once_fusion_has_been_trained(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}"
    api.trainers(FUSION_IS_DUE).work()

    decisions = get(api, f"{path}/decisions")

    assert [(decision["stage"], decision["outcome"]) for decision in decisions] == [
        ("bases", "train_fusion"),
        ("final", "fusion"),
    ]
    assert get(api, f"{path}/decision") == decisions[-1]


def test_the_newest_evidence_over_the_seeds_is_one_document(api: Api) -> None:
    experiment = api.experiment()
    path = f"/v1/experiments/{experiment}/aggregate"
    pending = api.client.get(path)
    api.trainers().work()
    answer = api.client.get(path)
    unchanged = api.client.get(path, headers={"If-None-Match": answer.headers["ETag"]})

    assert (pending.status_code, pending.json()["code"]) == (404, "evidence_pending")
    assert answer.json()["stage"] == "bases"
    assert answer.json()["evidence"] == get(api, f"/v1/experiments/{experiment}/decision")["evidence"]
    assert get(api, f"/v1/runs/{answer.json()['run']}")["cell"] == 54
    assert unchanged.status_code == 304


def test_a_decision_that_has_not_been_taken_is_pending(api: Api) -> None:
    experiment = api.experiment()

    answer = api.client.get(f"/v1/experiments/{experiment}/decision")
    assert (answer.status_code, answer.json()["code"]) == (404, "decision_pending")
    assert get(api, f"/v1/experiments/{experiment}/decisions") == []


def test_fusion_can_be_started_manually_once_the_gate_has_passed(api: Api) -> None:
    experiment = api.experiment(autopilot=False)
    trainers = api.trainers()
    for cell in (51, 52):
        assert api.client.post("/v1/jobs", json={"cell": cell, "experiment": experiment}).status_code == 202
    trainers.work()

    answer = api.client.post("/v1/jobs", json={"cell": 53, "experiment": experiment, "model": {"width": 16}})

    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["step"], made["seeds"], made["spec"]["model"]["width"]) == ("53", [0, 1], 16)
    assert made["spec"]["training"]["patience"] == 10


def test_a_job_alone_on_a_data_set_has_one_run_per_seed(api: Api) -> None:
    dataset = api.ready_dataset()
    job = {"cell": 52, "dataset": dataset, "seeds": [7, 5], "priority": 9, "queue": "gpu", "training": {"epochs": 2}}

    answer = api.client.post("/v1/jobs", json=job)

    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{made['id']}"
    assert get(api, answer.headers["Location"]) == made
    assert get(api, "/v1/jobs?limit=1")["items"] == [made]
    assert [(run["seed"], run["state"], run["queue"]) for run in made["runs"]] == [
        (5, "queued", "gpu"),
        (7, "queued", "gpu"),
    ]
    assert made["spec"] == GnnConfig.model_validate({"training": {"epochs": 2}}).model_dump(mode="json")
    assert sorted(api.notifier.notified[-2:]) == sorted((run["id"], "gpu") for run in made["runs"])


def test_a_running_run_shows_progress_curves_events_and_output(api: Api) -> None:
    api.dataset()
    claim = begin(api)
    here: dict[str, Any] = {"run_id": claim.run_id, "attempt": claim.attempt}
    path = f"/v1/runs/{claim.run_id}"
    with api.database.begin() as session:
        record_progress(session, **here, phase="train", steps_done=3, steps_total=10, epoch=1, epochs=2, eta_s=7.5)
        record_metrics(session, **here, points=[("dev/f1", 2, 0.5), ("dev/f1", 4, 0.6), ("train/loss", 1, 0.7)])
        record_event(session, **here, kind=EventKind.WARNING, body={"message": "häufig"})
        record_log(session, **here, number=1, text="loading\n")
        record_log(session, **here, number=2, text="training\n")

    run = get(api, path)
    assert (run["state"], run["worker"], run["attempt"]) == ("running", "worker-1", 1)
    assert run["progress"] == {
        "phase": "train",
        "steps_done": 3,
        "steps_total": 10,
        "epoch": 1,
        "epochs": 2,
        "eta_s": 7.5,
    }
    assert get(api, "/v1/runs?state=running")["items"] == [run]
    assert get(api, "/v1/runs?state=failed")["items"] == []
    f1, loss = get(api, f"{path}/metrics")["curves"]
    assert (f1["key"], f1["steps"], f1["values"], f1["points"]) == ("dev/f1", [2, 4], [0.5, 0.6], 2)
    assert (loss["key"], loss["steps"], loss["values"], loss["points"]) == ("train/loss", [1], [0.7], 1)
    assert get(api, f"{path}/metrics?keys=train/loss,none")["curves"] == [loss]
    events = get(api, f"{path}/events")
    assert [found["kind"] for found in events][-1] == "warning"
    assert events[-1]["body"] == {"message": "häufig"}
    assert get(api, f"{path}/events?after={events[-2]['id']}") == events[-1:]
    assert api.client.get(f"{path}/logs").text == "loading\ntraining\n"
    assert api.client.get(f"{path}/logs?attempt=2").text == ""


def test_what_happened_to_an_experiment_is_reported_in_order_and_page_by_page(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}/events"
    api.trainers().work()

    whole = get(api, f"{path}?limit=500")
    pages, after = [], 0
    while page := get(api, f"{path}?limit=3&after={after}"):
        pages += page
        after = page[-1]["id"]

    assert pages == whole
    assert [found["id"] for found in whole] == sorted({found["id"] for found in whole})


@pytest.mark.parametrize("kind", ["runs", "jobs", "experiments"])
def test_cancelling_what_waits_ends_it_at_once(api: Api, kind: str) -> None:
    experiment = api.experiment()
    job = get(api, f"/v1/experiments/{experiment}")["jobs"][0]
    ids = {"runs": job["runs"][0]["id"], "jobs": job["id"], "experiments": experiment}
    path = f"/v1/{kind}/{ids[kind]}"

    answer = api.client.post(f"{path}/cancel")

    assert (answer.status_code, answer.headers["Location"]) == (202, path)
    assert get(api, path) | {"result": None} == answer.json() | {"result": None}
    assert answer.json()["state"] == "cancelled"
    assert get(api, f"/v1/runs/{ids['runs']}")["state"] == "cancelled"
    assert get(api, f"/v1/experiments/{experiment}")["state"] in ("cancelled", "failed")


def test_cancelling_what_runs_asks_it_to_stop(api: Api) -> None:
    api.dataset()
    claim = begin(api)

    answer = api.client.post(f"/v1/runs/{claim.run_id}/cancel")

    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")


def test_every_cell_lists_its_defaults_and_a_schema_that_they_meet(api: Api) -> None:
    cells = get(api, "/v1/cells")

    found = [(cell["cell"], cell["name"]) for cell in cells]
    assert found == [(entry.json, entry.name) for entry in SUBMITTED]
    assert found[:4] == [(51, "transformer"), (52, "gnn"), (53, "fusion"), (54, "aggregation")]
    assert cells[1]["defaults"] == GnnConfig().model_dump(mode="json")
    for cell in cells:
        assert set(cell["config_schema"]["properties"]) == set(cell["defaults"])


def test_workers_are_listed_with_their_slots(api: Api) -> None:
    assert get(api, "/v1/workers") == []
    with api.database.begin() as session:
        register_worker(session, worker_id="worker-1", queues=["cpu", "gpu"], slots=3)

    [worker] = get(api, "/v1/workers")

    assert (worker["id"], worker["queues"], worker["slots"], worker["alive"]) == ("worker-1", ["cpu", "gpu"], 3, True)


def test_a_submission_is_accepted_while_the_broker_is_away(api: Api) -> None:
    api.notifier.reachable = False

    answer = api.client.post("/v1/datasets", json={"name": "made", "source": api.file()})

    assert answer.status_code == 202
    assert get(api, f"/v1/runs/{answer.json()['run']}")["state"] == "queued"


def test_a_broker_that_is_away_is_tried_once_not_once_per_run(api: Api) -> None:
    dataset = api.ready_dataset()
    api.notifier.reachable = False
    api.notifier.notified.clear()

    api.client.post("/v1/jobs", json={"cell": 51, "dataset": dataset, "seeds": [0, 1, 2]})

    assert len(api.notifier.notified) == 1


def test_the_page_at_the_root_is_html(api: Api) -> None:
    answer = api.client.get("/")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
