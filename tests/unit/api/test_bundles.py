"""Bundles over HTTP: what can be packed and queried, and when not. Scores are checked end to end."""

from tests.api_client import Api, assert_refused, get
from tests.fakes import F1s

SINGLE = {"kind": "single", "option": "gnn"}
WEAK: F1s = {"transformer": [0.5, 0.5], "gnn": [0.5, 0.5], "ensemble": [0.5, 0.5]}


def finished(api: Api, f1s: F1s | None = None) -> str:
    """Path of an experiment that has ended."""
    experiment = api.experiment()
    (api.trainers() if f1s is None else api.trainers(f1s)).work()
    return f"/v1/experiments/{experiment}"


def test_what_was_decided_is_queued_to_be_packed_of_all_seeds(api: Api) -> None:
    path = finished(api)
    runs = {job["step"]: [run["id"] for run in job["runs"]] for job in get(api, path)["jobs"]}
    response = api.client.post(f"{path}/bundle", json={"licence_notes": "ours"})
    bundle = get(api, response.headers["Location"])
    job = get(api, f"/v1/jobs/{get(api, '/v1/runs/' + bundle['run'])['job']}")

    assert get(api, f"{path}/decision")["outcome"] == "ensemble"
    assert (response.status_code, response.json()) == (202, bundle)
    assert (bundle["kind"], bundle["state"], bundle["summary"]) == ("ensemble", "packing", None)
    assert (job["cell"], job["experiment"], job["seeds"]) == ("pack", None, [0])
    assert job["spec"] == {
        "kind": "ensemble",
        "runs": [runs["51"][0], runs["52"][0], runs["51"][1], runs["52"][1]],
        "text_weight": 0.6,
        "licence_notes": "ours",
        "tolerance": 1e-5,
    }
    assert [one["id"] for one in get(api, "/v1/bundles")["items"]] == [bundle["id"]]
    assert get(api, f"/v1/bundles?experiment=exp_{'0' * 26}")["items"] == []


def test_a_bundle_is_made_for_what_its_experiment_s_policy_states(api: Api) -> None:
    experiment = api.experiment(
        policy={"deployment_prevalence": 0.01, "alert_budget_per_1000": 5, "selective_risk": 0.1}
    )
    api.trainers().work()

    bundle = api.client.post(f"/v1/experiments/{experiment}/bundle").json()

    spec = get(api, f"/v1/jobs/{get(api, '/v1/runs/' + bundle['run'])['job']}")["spec"]
    assert (spec["deployment_prevalence"], spec["alerts_per_1000"], spec["selective_risk"]) == (0.01, 5, 0.1)


def test_what_is_named_is_packed_of_the_seeds_that_are_named(api: Api) -> None:
    path = finished(api, WEAK)
    undecided = api.client.post(f"{path}/bundle")
    named = api.client.post(f"{path}/bundle", json={**SINGLE, "seeds": [1]})
    missing = api.client.post(f"{path}/bundle", json={**SINGLE, "seeds": [1, 7]})
    odd = api.client.post(f"{path}/bundle", json={"kind": "fusion", "option": "gnn", "text_weight": 0.5})

    assert get(api, f"{path}/decision")["outcome"] == "improve"
    assert_refused(undecided, status=409, code="conflict", pointers=[])
    assert (named.status_code, named.json()["kind"]) == (202, "single")
    assert_refused(missing, status=422, code="invalid_spec", pointers=["/seeds"])
    assert_refused(odd, status=422, code="invalid_spec", pointers=["/option", "/text_weight"])


def test_before_anything_has_finished_there_is_nothing_to_pack(api: Api) -> None:
    path = f"/v1/experiments/{api.experiment()}"

    for body in ({}, SINGLE):
        assert_refused(api.client.post(f"{path}/bundle", json=body), status=409, code="conflict", pointers=[])
    assert_refused(
        api.client.post(f"/v1/experiments/exp_{'0' * 26}/bundle", json={}), status=404, code="not_found", pointers=[]
    )


def test_a_bundle_that_is_not_ready_is_neither_sent_nor_queried(api: Api) -> None:
    bundle = api.client.post(f"{finished(api)}/bundle", json={}).headers["Location"]

    assert_refused(api.client.get(f"{bundle}/archive"), status=409, code="conflict", pointers=[])
    response = api.client.post(f"{bundle}/predict", json={"functions": ["int f(void) { return 0; }"]})
    assert_refused(response, status=409, code="conflict", pointers=[])


def test_a_run_that_asks_no_bundle_is_no_prediction(api: Api) -> None:
    api.dataset()
    run = get(api, "/v1/runs")["items"][0]["id"]

    assert_refused(api.client.get(f"/v1/predictions/{run}"), status=404, code="not_found", pointers=[])


def test_every_wrong_function_is_named(api: Api) -> None:
    response = api.client.post(f"/v1/bundles/bun_{'0' * 26}/predict", json={"functions": ["", 3], "threshold": 2})

    assert_refused(
        response, status=422, code="invalid_request", pointers=["/functions/0", "/functions/1", "/threshold"]
    )
