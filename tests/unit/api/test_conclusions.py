"""The API tells what came of experiments and jobs, apart from their states."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import null, select, update

from cellgate.contract.cells import Cell
from cellgate.contract.states import FailureReason
from service.store.conclusions import store_missing_conclusions
from service.store.tables import DeliveryRow, ExperimentRow, WebhookRow
from tests.api_client import Api, get
from tests.fakes import HEALTHY, F1s

COLLAPSE = (FailureReason.COLLAPSE, 5)
REASON = "The latency of two models is too high for us."


def ended(api: Api, *, collapsed: Sequence[tuple[Cell, int]] = (), f1s: F1s = HEALTHY, **spec: Any) -> str:
    experiment = api.experiment(**spec)
    trainers = api.trainers(f1s)
    trainers.failing = dict.fromkeys(collapsed, COLLAPSE)
    trainers.work()
    return experiment


def all_collapsed(api: Api) -> str:
    return ended(api, collapsed=[(cell, seed) for cell in (Cell.TRANSFORMER, Cell.GNN) for seed in (0, 1)])


def outcomes(api: Api, experiment: str) -> set[tuple[str, str]]:
    """Return lifecycle and outcome from every route that tells them."""
    path = f"/v1/experiments/{experiment}"
    (listed,) = (item for item in get(api, "/v1/experiments")["items"] if item["id"] == experiment)
    return {
        (found["lifecycle"], found["conclusion"] and found["conclusion"]["text"])
        for found in (get(api, path), get(api, f"{path}/status"), listed)
    }


def test_four_of_four_collapsed_runs_are_broken_though_the_old_state_is_as_it_was(api: Api) -> None:
    experiment = all_collapsed(api)

    assert outcomes(api, experiment) == {("ended", "broken: 4 of 4 seeds")}
    found = get(api, f"/v1/experiments/{experiment}")
    assert (found["state"], found["outcome"]) == ("succeeded", "improve")
    jobs = {job["step"]: job for job in found["jobs"]}
    assert (jobs["51"]["lifecycle"], jobs["51"]["conclusion"]["outcome"]) == ("ended", "broken")


def test_an_experiment_that_goes_on_has_no_conclusion(api: Api) -> None:
    experiment = api.experiment()

    assert outcomes(api, experiment) == {("running", None)}


def test_a_cancelled_experiment_is_stopped(api: Api) -> None:
    experiment = api.experiment()
    api.client.post(f"/v1/experiments/{experiment}/cancel")

    assert outcomes(api, experiment) == {("cancelled", "stopped: the experiment was cancelled")}


def test_a_retry_takes_the_conclusion_back_and_the_next_end_has_its_own(api: Api) -> None:
    experiment = ended(api, collapsed=[(Cell.GNN, 1)])
    assert outcomes(api, experiment) == {("ended", "broken: 1 of 4 seeds")}
    jobs = get(api, f"/v1/experiments/{experiment}")["jobs"]
    (job,) = (job["id"] for job in jobs if job["step"] == "52")

    api.client.post(f"/v1/jobs/{job}/retry")

    assert outcomes(api, experiment) == {("running", None)}
    api.trainers().work()
    assert outcomes(api, experiment) == {("ended", "ships ensemble")}


def test_after_an_overruling_the_outcome_is_the_last_word_with_the_computed_one_beside_it(api: Api) -> None:
    experiment = ended(api)
    body = {"outcome": "single", "option": "transformer", "reason": REASON}

    assert api.client.post(f"/v1/experiments/{experiment}/decision", json=body).status_code == 202

    assert outcomes(api, experiment) == {("ended", "ships transformer, overruled by local")}
    found = get(api, f"/v1/experiments/{experiment}")
    assert found["outcome"] == "single"
    assert found["conclusion"]["overruled_by"] == "local"
    assert found["conclusion"]["computed"]["text"] == "ships ensemble"
    assert get(api, "/v1/experiments")["items"][0]["outcome"] == "single"
    page = api.client.get(f"/v1/experiments/{experiment}/report.html").text
    assert "Outcome: ships transformer, overruled by local; computed: ships ensemble" in page


def test_a_waiver_that_leaves_the_gate_failing_shows_in_the_stored_conclusion(api: Api) -> None:
    experiment = all_collapsed(api)
    checks = get(api, f"/v1/experiments/{experiment}/gate")["checks"]
    failed = {check["name"] for check in checks if check["verdict"] == "fail"}
    assert {"seeds_complete", "exit_codes"} < failed

    for check in ("seeds_complete", "exit_codes"):
        body = {"check": check, "reason": REASON}
        answer = api.client.post(f"/v1/experiments/{experiment}/gate/waivers", json=body)
        assert answer.status_code == 202, answer.text

    assert get(api, f"/v1/experiments/{experiment}/gate")["verdict"] == "fail"
    shown = get(api, f"/v1/experiments/{experiment}")["conclusion"]
    with api.database.begin() as session:
        session.execute(update(ExperimentRow).values(outcome=null(), conclusion=null(), concluded_at=null()))
    computed = get(api, f"/v1/experiments/{experiment}")["conclusion"]
    assert shown == computed


def test_lists_are_filtered_by_outcome(api: Api) -> None:
    ships, broken = ended(api), all_collapsed(api)
    running = api.experiment()

    def found(query: str) -> list[str]:
        return [item["id"] for item in get(api, f"/v1/experiments?{query}")["items"]]

    assert found("outcome=ships") == [ships]
    assert found("outcome=broken&outcome=ships") == [broken, ships]
    assert found("outcome=stopped") == []
    assert running not in found("outcome=ships&outcome=broken&outcome=failed")
    jobs = get(api, f"/v1/jobs?outcome=broken&experiment={broken}")["items"]
    assert {job["step"] for job in jobs} == {"51", "52"}


def test_what_a_process_of_an_older_release_ended_is_concluded_when_read_and_then_stored(api: Api) -> None:
    experiment = all_collapsed(api)
    without = {"outcome": null(), "conclusion": null(), "concluded_at": null()}
    with api.database.begin() as session:
        session.execute(update(ExperimentRow).where(ExperimentRow.id == experiment).values(without))

    assert outcomes(api, experiment) == {("ended", "broken: 4 of 4 seeds")}
    with api.database.begin() as session:
        assert store_missing_conclusions(session) == [experiment]
    assert get(api, "/v1/experiments?outcome=broken")["items"][0]["id"] == experiment
    with api.database.begin() as session:
        assert store_missing_conclusions(session) == []


def test_the_end_of_an_older_release_is_not_told_by_the_conclusion_of_the_end_before(api: Api) -> None:
    experiment = all_collapsed(api)
    with api.database.begin() as session:
        session.execute(
            update(ExperimentRow).where(ExperimentRow.id == experiment).values(state="failed", finished_at=9.0)
        )

    (found,) = outcomes(api, experiment)

    assert found == ("ended", "failed")


def test_a_webhook_is_told_both(api: Api) -> None:
    with api.database.begin() as session:
        hook = {"id": "wh_1", "url": "https://example.org", "events": ["experiment.succeeded"], "secret": "whsec_"}
        session.add(WebhookRow(**hook, active=True, created_at=0.0))
    experiment = all_collapsed(api)

    with api.database.read() as session:
        (body,) = session.scalars(select(DeliveryRow.body)).all()
    data = json.loads(body)["data"]
    assert (data["experiment"], data["lifecycle"], data["outcome"]) == (experiment, "ended", "broken")
    assert data["conclusion"] == "broken: 4 of 4 seeds"
