"""What is well formed but cannot be done now is a conflict, and creates nothing."""

from cellgate.contract.cells import Cell
from cellgate.contract.states import FailureReason
from tests.api_client import Api, assert_refused


def test_an_experiment_on_a_data_set_that_failed_is_a_conflict(api: Api) -> None:
    dataset = api.dataset()
    trainers = api.trainers()
    trainers.failing[(Cell.PREPARE, 0)] = (FailureReason.DATA_ERROR, 3)
    trainers.work()
    before = api.counts()

    answer = api.client.post("/v1/experiments", json={"name": "question", "dataset": dataset})

    problem = assert_refused(answer, status=409, code="conflict", pointers=[])
    assert "made to fail" in problem["detail"]
    assert api.counts() == before


def test_fusion_before_the_gate_has_passed_is_a_conflict_with_the_gates_report(api: Api) -> None:
    experiment = api.experiment(autopilot=False)
    before = api.counts()

    answer = api.client.post("/v1/jobs", json={"cell": 53, "experiment": experiment})

    problem = assert_refused(answer, status=409, code="gate_not_passed", pointers=[])
    assert problem["gate"] == api.client.get(f"/v1/experiments/{experiment}/gate").json()
    assert problem["gate"]["verdict"] == "pending"
    assert api.counts() == before


def test_fusion_after_the_gate_has_failed_is_a_conflict_that_names_the_failed_checks(api: Api) -> None:
    experiment = api.experiment()
    api.trainers({"transformer": [0.80, 0.81], "gnn": [0.88, 0.89], "ensemble": [0.9, 0.9]}).work()
    before = api.counts()

    answer = api.client.post("/v1/jobs", json={"cell": 53, "experiment": experiment})

    problem = assert_refused(answer, status=409, code="gate_not_passed", pointers=[])
    failed = [check["name"] for check in problem["gate"]["checks"] if check["verdict"] == "fail"]
    assert failed == ["mean_f1_transformer"]
    assert api.counts() == before


def test_evidence_over_nothing_is_a_conflict(api: Api) -> None:
    experiment = api.experiment(autopilot=False)
    before = api.counts()

    answer = api.client.post("/v1/jobs", json={"cell": 54, "experiment": experiment})

    assert_refused(answer, status=409, code="conflict", pointers=[])
    assert api.counts() == before


def test_a_step_that_an_experiment_has_already_is_a_conflict_that_names_its_job(api: Api) -> None:
    experiment = api.experiment(autopilot=False)
    first = api.client.post("/v1/jobs", json={"cell": 51, "experiment": experiment})
    before = api.counts()

    second = api.client.post("/v1/jobs", json={"cell": 51, "experiment": experiment})

    assert first.status_code == 202
    problem = assert_refused(second, status=409, code="conflict", pointers=[])
    assert first.json()["id"] in problem["detail"]
    assert api.counts() == before


def test_what_has_ended_cannot_be_cancelled(api: Api) -> None:
    experiment = api.experiment()
    api.trainers().work()
    run = api.client.get("/v1/runs").json()["items"][0]
    before = api.counts()

    for path in (f"/v1/experiments/{experiment}", f"/v1/jobs/{run['job']}", f"/v1/runs/{run['id']}"):
        assert_refused(api.client.post(f"{path}/cancel"), status=409, code="conflict", pointers=[])
    assert api.counts() == before
