"""Seeds are added to an experiment that has decided, as a new experiment beside it."""

from cellgate.contract.cells import Cell
from cellgate.contract.states import FailureReason
from service.store.retries import retry_job_at
from service.store.reuse import reused_lines
from service.store.tables import RunRow
from tests.api_client import Api, get

CONFIGS = {"gnn": {"training": {"epochs": 3}}, "labels": {"team": "core"}}


def decided(api: Api, **spec: object) -> str:
    experiment = api.experiment(**{**CONFIGS, "seeds": [0], **spec})
    api.trainers().work()
    return experiment


def add(api: Api, experiment: str, seeds: list[int], status: int = 202) -> dict[str, object]:
    answer = api.client.post(f"/v1/experiments/{experiment}/seeds", json={"seeds": seeds})
    assert answer.status_code == status, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_a_new_experiment_has_all_seeds_and_the_old_one_keeps_its_decision(api: Api) -> None:
    old = decided(api, fresh=True)
    before = get(api, f"/v1/experiments/{old}/decisions")

    made = add(api, old, [1])
    api.trainers().work()

    new = get(api, f"/v1/experiments/{made['id']}")
    assert (new["extends"], new["seeds"], new["labels"]) == (old, [0, 1], {"team": "core"})
    assert (new["spec"]["gnn"]["training"]["epochs"], new["spec"]["fresh"]) == (3, False)
    assert new["conclusion"] is not None
    assert get(api, f"/v1/experiments/{old}/decisions") == before
    assert get(api, f"/v1/experiments/{old}")["extends"] is None


def test_it_trains_with_the_configs_that_the_old_one_has_trained_with(api: Api) -> None:
    old = api.experiment(**CONFIGS, seeds=[0, 1])
    trainers = api.trainers()
    trainers.failing = {(Cell.GNN, 1): (FailureReason.DIVERGENCE, 6)}
    trainers.work()
    job = next(job["id"] for job in get(api, f"/v1/experiments/{old}")["jobs"] if job["cell"] == 52)
    with api.database.begin() as session:
        retry_job_at(session, job, 1e-4)
    api.trainers().work()

    made = add(api, old, [2])

    assert get(api, f"/v1/experiments/{made['id']}")["spec"]["gnn"]["training"]["learning_rate"]["value"] == 1e-4


def test_seeds_that_it_has_or_that_are_too_many_are_refused(api: Api) -> None:
    old = decided(api)

    twice, many = add(api, old, [0, 2], 422), add(api, old, list(range(1, 33)), 422)

    assert [found["errors"][0]["pointer"] for found in (twice, many)] == ["/seeds", "/seeds"]  # type: ignore[index]
    assert "[0]" in str(twice["detail"])
    assert "32" in str(many["detail"])


def test_an_experiment_that_has_not_decided_takes_no_seeds(api: Api) -> None:
    assert "once it has succeeded" in str(add(api, api.experiment(), [5], 409)["detail"])


def test_the_old_experiment_cannot_be_deleted_without_the_new_one(api: Api) -> None:
    old = decided(api)
    new = str(add(api, old, [1])["id"])
    api.trainers().work()

    alone = api.client.delete(f"/v1/experiments/{old}")
    both = api.client.delete(f"/v1/experiments/{old}?cascade=true")

    assert (alone.status_code, alone.json()["code"]) == (409, "still_used")
    assert {"kind": "experiment", "id": new, "name": "question"} in alone.json()["dependents"]
    assert both.status_code == 200
    assert api.client.get(f"/v1/experiments/{new}").status_code == 404


def test_answers_and_report_say_which_run_a_result_was_reused_from(api: Api) -> None:
    experiment = decided(api)
    run = next(job["runs"][0]["id"] for job in get(api, f"/v1/experiments/{experiment}")["jobs"] if job["cell"] == 52)
    with api.database.begin() as session:
        session.get_one(RunRow, run).reused_from = "run_original"

    assert get(api, f"/v1/runs/{run}")["reused_from"] == "run_original"
    with api.database.read() as session:
        assert reused_lines(session, experiment) == ["52 gnn, seed 0, from run_original"]
    page = api.client.get(f"/v1/experiments/{experiment}/report.html").text
    assert "Reused, not trained again: 52 gnn, seed 0, from run_original." in page
