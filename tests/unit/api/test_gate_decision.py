from tests.api_client import Api, assert_refused, get
from tests.fakes import F1s

WEAK_GNN: F1s = {"transformer": [0.90, 0.91], "gnn": [0.80, 0.81], "ensemble": [0.93, 0.94], "fusion": [0.95, 0.95]}
REASON = "The graph model is known to be weak here; we ship the ensemble."


def decided(api: Api, f1s: F1s) -> str:
    experiment = api.experiment()
    api.trainers(f1s).work()
    return f"/v1/experiments/{experiment}"


def test_a_waiver_lets_the_gate_pass_is_shown_with_it_and_the_experiment_is_decided_on_anew(api: Api) -> None:
    experiment = decided(api, WEAK_GNN)
    assert get(api, f"{experiment}/gate")["verdict"] == "fail"
    assert get(api, f"{experiment}/decision")["outcome"] == "improve"

    answer = api.client.post(f"{experiment}/gate/waivers", json={"check": "mean_f1_gnn", "reason": REASON})

    assert answer.status_code == 202, answer.text
    report = get(api, f"{experiment}/gate")
    assert report == answer.json()
    assert report["verdict"] == "pass"
    assert report["summary"] == "6 of 7 blocking checks pass; waived: Mean F1 of 52 gnn"
    (waived,) = (check for check in report["checks"] if check["verdict"] == "waived")
    assert (waived["name"], waived["waiver"]["reason"], waived["waiver"]["by"]) == ("mean_f1_gnn", REASON, "local")
    assert get(api, f"{experiment}/decision")["outcome"] == "ensemble"
    assert get(api, experiment)["state"] == "succeeded"
    (event,) = (event for event in get(api, f"{experiment}/events") if event["kind"] == "waived")
    assert [decision["outcome"] for decision in event["body"]["decisions"]] == ["improve"]


def test_a_waiver_that_leaves_another_check_failing_changes_no_decision(api: Api) -> None:
    experiment = decided(api, {**WEAK_GNN, "transformer": [0.70, 0.70]})
    before = get(api, f"{experiment}/decisions")

    api.client.post(f"{experiment}/gate/waivers", json={"check": "mean_f1_gnn", "reason": REASON})

    assert get(api, f"{experiment}/gate")["verdict"] == "fail"
    assert get(api, f"{experiment}/decisions") == before


def test_only_a_check_that_failed_can_be_waived(api: Api) -> None:
    experiment = decided(api, WEAK_GNN)
    for check in ("mean_f1_transformer", "no_such_check"):
        answer = api.client.post(f"{experiment}/gate/waivers", json={"check": check, "reason": REASON})
        problem = assert_refused(answer, status=409, code="conflict", pointers=[])
        assert "mean_f1_gnn" in problem["detail"]


def test_nothing_is_waived_or_overruled_while_gate_and_decision_are_pending(api: Api) -> None:
    experiment = f"/v1/experiments/{api.experiment()}"
    waiver = api.client.post(f"{experiment}/gate/waivers", json={"check": "mean_f1_gnn", "reason": REASON})
    assert_refused(waiver, status=409, code="conflict", pointers=[])
    overruling = api.client.post(f"{experiment}/decision", json={"outcome": "improve", "reason": REASON})
    assert_refused(overruling, status=409, code="conflict", pointers=[])


def test_a_waiver_without_a_reason_is_refused(api: Api) -> None:
    experiment = decided(api, WEAK_GNN)
    answer = api.client.post(f"{experiment}/gate/waivers", json={"check": "mean_f1_gnn", "reason": " because      "})
    assert_refused(answer, status=422, code="invalid_request", pointers=["/reason"])


def test_an_overruling_stands_beside_the_decision_which_stays_as_it_was_computed(api: Api) -> None:
    experiment = decided(api, WEAK_GNN)
    computed = get(api, f"{experiment}/decision")

    for body in ({"outcome": "single", "option": "transformer"}, {"outcome": "ensemble"}):
        answer = api.client.post(f"{experiment}/decision", json={**body, "reason": REASON})
        assert answer.status_code == 202, answer.text

    shown = get(api, f"{experiment}/decision")
    assert {**shown, "overrulings": []} == computed
    assert [(one["outcome"], one["option"], one["reason"], one["by"]) for one in shown["overrulings"]] == [
        ("single", "transformer", REASON, "local"),
        ("ensemble", "ensemble", REASON, "local"),
    ]
    assert get(api, f"{experiment}/decisions") == [shown]


def test_a_decision_cannot_be_overruled_by_what_was_not_weighed(api: Api) -> None:
    experiment = decided(api, WEAK_GNN)
    answer = api.client.post(f"{experiment}/decision", json={"outcome": "fusion", "reason": REASON})
    problem = assert_refused(answer, status=409, code="conflict", pointers=[])
    assert "ensemble, gnn, transformer" in problem["detail"]


def test_single_must_name_its_model(api: Api) -> None:
    experiment = decided(api, WEAK_GNN)
    answer = api.client.post(f"{experiment}/decision", json={"outcome": "single", "reason": REASON})
    assert answer.status_code == 422, answer.text
