"""What differs between an experiment's spec and another one, or the defaults."""

import pytest
from sqlalchemy import update

from service.store.tables import ExperimentRow
from tests.api_client import Api, assert_refused, get


@pytest.fixture(scope="module")
def dataset(shared_api: Api) -> str:
    return shared_api.ready_dataset()


def test_what_a_spec_sets_is_told_beside_its_default(shared_api: Api, dataset: str) -> None:
    experiment = shared_api.experiment(dataset, seeds=[5], policy={"gate_f1": 0.7}, gnn={"training": {"epochs": 3}})

    answer = get(shared_api, f"/v1/experiments/{experiment}/config")

    assert (answer["experiment"], answer["against"], answer["spec"]["seeds"]) == (experiment, "defaults", [5])
    assert {one["pointer"]: one["value"] for one in answer["changed"]} == {
        "/gnn/training/epochs": 3,
        "/policy/gate_f1": 0.7,
        "/seeds": [5],
    }
    assert {one["pointer"]: one["other"] for one in answer["changed"]}["/policy/gate_f1"] == 0.85


def test_a_spec_of_defaults_differs_in_nothing(shared_api: Api, dataset: str) -> None:
    experiment = shared_api.experiment(dataset, seeds=[0, 1, 2])

    assert get(shared_api, f"/v1/experiments/{experiment}/config")["changed"] == []


def test_two_experiments_differ_in_settings_and_in_their_data(api: Api) -> None:
    dataset, other = api.ready_dataset(), api.ready_dataset()
    first = api.experiment(dataset, policy={"fusion": "never"})
    second = api.experiment(other, transformer={"training": {"epochs": 3}})

    answer = get(api, f"/v1/experiments/{second}/config?against={first}")

    changed = {one["pointer"]: (one["value"], one["other"]) for one in answer["changed"]}
    assert changed["/dataset"] == (other, dataset)
    assert changed["/policy/fusion"] == ("auto", "never")
    assert set(changed) == {"/dataset", "/policy/fusion", "/transformer/training/epochs"}


def test_a_spec_that_todays_rules_refuse_is_compared_as_it_was_submitted(api: Api) -> None:
    experiment = api.experiment()
    with api.database.begin() as session:
        session.execute(update(ExperimentRow).values(spec={"seeds": [0], "policy": {"gate_f1": 7}}))

    changed = get(api, f"/v1/experiments/{experiment}/config")["changed"]

    assert {"pointer": "/policy/gate_f1", "value": 7, "other": 0.85} in changed


def test_an_experiment_to_compare_with_must_exist(shared_api: Api, dataset: str) -> None:
    experiment = shared_api.experiment(dataset)
    path = f"/v1/experiments/{experiment}/config?against="

    missing = shared_api.client.get(f"{path}exp_00000000000000000000000000")
    wrong = shared_api.client.get(f"{path}previous")

    assert_refused(missing, status=404, code="not_found", pointers=[])
    assert_refused(wrong, status=422, code="invalid_request", pointers=["#query/against"])


def test_whoever_holds_the_differences_is_told_that_they_are_current(shared_api: Api, dataset: str) -> None:
    path = f"/v1/experiments/{shared_api.experiment(dataset)}/config"
    tag = shared_api.client.get(path).headers["ETag"]

    assert shared_api.client.get(path, headers={"If-None-Match": tag}).status_code == 304
