"""Seeds are added by themselves while an answer is borderline, and no longer."""

from typing import Any

import pytest

from cellgate.contract.cells import Cell
from cellgate.contract.states import FailureReason
from tests.api_client import Api, assert_refused, get
from tests.fakes import F1s

SEEDS = 8
# Above 0.90 on average, and too near to it to be sure.
NEAR: F1s = {
    "transformer": [0.88] * SEEDS,
    "gnn": [0.87] * SEEDS,
    "ensemble": [0.898, 0.904] * (SEEDS // 2),
    "fusion": [0.90] * SEEDS,
}
CLEAR: F1s = {**NEAR, "ensemble": [0.96] * SEEDS}


def decided(api: Api, f1s: F1s = NEAR, **spec: Any) -> str:
    experiment = api.experiment(**{"seeds": [0, 1], "more_seeds": {"most": 5}, **spec})
    api.trainers(f1s).work()
    return experiment


def chain(api: Api, experiment: str) -> list[dict[str, Any]]:
    """The experiment and all that extend it, in their order."""
    listed = sorted(get(api, "/v1/experiments")["items"], key=lambda item: str(item["id"]))
    whole = [get(api, f"/v1/experiments/{item['id']}") for item in listed]
    found = [one for one in whole if one["id"] == experiment]
    while following := [one for one in whole if one["extends"] == found[-1]["id"]]:
        found += following
    return found


def test_seeds_are_added_until_there_are_as_many_as_it_may_have(api: Api) -> None:
    found = chain(api, decided(api))

    assert [one["seeds"] for one in found] == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    assert [one["conclusion"]["outcome"] for one in found] == ["borderline"] * 3
    assert [one["spec"]["policy"]["looks"] for one in found] == [1, 2, 3]
    assert len({one["name"] for one in found}) == 1


def test_an_answer_after_more_seeds_says_so_and_the_first_does_not(api: Api) -> None:
    found = chain(api, decided(api))

    reasons = [" ".join(get(api, f"/v1/experiments/{one['id']}/decision")["reasons"]) for one in found]

    assert "seeds were added" not in reasons[0]
    assert "seeds were added once, since the answer before was borderline" in reasons[1]
    assert "seeds were added 2 times" in reasons[2]


def test_the_event_says_which_experiment_goes_on_and_why(api: Api) -> None:
    first, second, *_ = chain(api, decided(api))

    events = get(api, f"/v1/experiments/{first['id']}/events")

    [extended] = [event["body"] for event in events if event["kind"] == "extended"]
    assert (extended["experiment"], extended["seeds"]) == (second["id"], [2, 3])
    assert extended["reason"].startswith("the answer is borderline: ")


@pytest.mark.parametrize(
    ("f1s", "spec"),
    [
        pytest.param(CLEAR, {}, id="a clear answer"),
        pytest.param(NEAR, {"more_seeds": None}, id="a person decides"),
        pytest.param(NEAR, {"more_seeds": {"most": 2}}, id="all seeds that it may have"),
    ],
)
def test_none_is_added_to(api: Api, f1s: F1s, spec: dict[str, Any]) -> None:
    assert len(chain(api, decided(api, f1s, **spec))) == 1


def test_none_is_added_where_seeds_failed(api: Api) -> None:
    experiment = api.experiment(seeds=[0, 1], more_seeds={"most": 5})
    trainers = api.trainers(NEAR)
    trainers.failing = {(Cell.GNN, 1): (FailureReason.DIVERGENCE, 6)}
    trainers.work()

    assert len(chain(api, experiment)) == 1


def test_an_experiment_that_ends_again_is_followed_once(api: Api) -> None:
    """A waiver lets it decide again."""
    weak = {**NEAR, "gnn": [0.82, 0.87] * (SEEDS // 2)}
    first = decided(api, weak, more_seeds={"most": 4})
    assert len(chain(api, first)) == 2
    waiver = {"check": "mean_f1_gnn", "reason": "near enough"}
    answer = api.client.post(f"/v1/experiments/{first}/gate/waivers", json=waiver)
    assert answer.status_code == 202, answer.text
    api.trainers(weak).work()

    assert len([one for one in chain(api, first) if one["extends"] == first]) == 1


def test_what_is_left_of_a_budget_is_that_of_the_next_and_without_any_there_is_none(api: Api) -> None:
    first, second, *_ = chain(api, decided(api, budget={"device_s": 1000.0}))

    left = second["spec"]["budget"]["device_s"]
    spent = get(api, f"/v1/experiments/{first['id']}/spent")["device_s"]
    assert left <= 1000.0 - spent
    assert left > 900


def test_the_new_one_belongs_to_whom_the_old_one_did(api: Api) -> None:
    first = decided(api)

    assert len({(one["owner"], one["owner_id"]) for one in chain(api, first)}) == 1


def test_more_seeds_than_it_may_have_are_refused(api: Api) -> None:
    body = {"name": "x", "dataset": api.dataset(), "seeds": [0, 1, 2], "more_seeds": {"most": 2}}

    answer = api.client.post("/v1/experiments", json=body)

    problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["/more_seeds/most"])
    assert problem["errors"][0]["detail"] == "more_seeds.most is 2, and there are 3 seeds already"


def test_each_field_that_a_rule_over_several_refuses_is_named_with_its_own_mistake(api: Api) -> None:
    policy = {"blocking": ["pair_correct"], "alert_budget_per_1000": 5}
    body = {"name": "x", "dataset": api.dataset(), "policy": policy}
    body["transformer"] = {"training": {"learning_rate": {"finder_min": 0.1, "finder_max": 0.01}}}

    answer = api.client.post("/v1/experiments", json=body)

    pointers = ["/policy/alert_budget_per_1000", "/policy/blocking", "/transformer/training/learning_rate/finder_min"]
    problem = assert_refused(answer, status=422, code="invalid_spec", pointers=pointers)
    assert not any("{" in mistake["detail"] for mistake in problem["errors"])
    assert problem["detail"].startswith("the request has 3 mistakes")
    assert problem.get("errors_left_out", 0) == 0
