"""An experiment is estimated before it is submitted, and what it took stands beside that."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from bench.estimates import replay, rows_of
from service.settings import Settings
from service.store.tables import AttemptRow, DatasetRow, RunRow
from tests.api_client import Api, get, running_api

PRICE = 3.6
NEEDS = {"host_bytes": 4_000_000_000, "device_bytes": 0, "disk_bytes": 1_000, "step_s": 0.1, "steps": 50}
SPLITS = {name: {"rows": 600 if name == "train" else 100, "positives": 50} for name in ("train", "dev", "fuse", "gate")}


@pytest.fixture
def priced(settings: Settings) -> Iterator[Api]:
    with running_api(settings.model_copy(update={"price_per_device_hour": PRICE})) as app:
        yield app


def ready(api: Api) -> str:
    dataset = api.ready_dataset()
    with api.database.begin() as session:
        row = session.get_one(DatasetRow, dataset)
        row.summary = {**(row.summary or {}), "splits": SPLITS}
    return dataset


def took(api: Api, seconds: float) -> None:
    """Let every run have taken so long, over 4 of its epochs."""
    with api.database.begin() as session:
        session.execute(update(AttemptRow).values(duration_s=seconds))
        for run in session.query(RunRow).filter(RunRow.result.is_not(None)):
            run.running_s, run.result = seconds, {**(run.result or {}), "epochs": 4}


def estimate(api: Api, dataset: str, **spec: Any) -> dict[str, Any]:
    answer = api.client.post("/v1/estimates", json={"name": "question", "dataset": dataset, **spec})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def submit(api: Api, dataset: str, **spec: Any) -> str:
    answer = api.client.post("/v1/experiments", json={"name": "question", "dataset": dataset, "seeds": [0, 1], **spec})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_what_nobody_has_trained_is_not_known_and_nothing_is_created(api: Api) -> None:
    dataset = ready(api)

    found = estimate(api, dataset)

    assert [(step["cell"], step["runs"], step["seconds"]["value"]) for step in found["steps"]] == [
        (51, 3, None),
        (52, 3, None),
        (53, 3, None),
    ]
    assert "no run of 51 transformer" in found["steps"][0]["seconds"]["source"]
    assert found["device_s"]["value"] is found["cost"]["value"] is None
    assert "CELLGATE_PRICE_PER_DEVICE_HOUR" in found["cost"]["source"]
    assert get(api, "/v1/experiments")["items"] == []


def test_finished_runs_give_time_and_cost_and_the_next_experiment_shows_both(priced: Api) -> None:
    dataset = ready(priced)
    submit(priced, dataset, policy={"fusion": "never"})
    priced.trainers().work()
    took(priced, 40.0)

    second = submit(priced, dataset, policy={"fusion": "never"}, fresh=True)
    priced.trainers().work()
    took(priced, 40.0)

    spent = get(priced, f"/v1/experiments/{second}/spent")
    predicted = spent["predicted"]
    # Two seeds of two cells, each as long as before.
    assert predicted["device_s"]["value"] == pytest.approx(4 * 40.0)
    assert predicted["device_s"]["low"] < 160 < predicted["device_s"]["high"]
    assert predicted["cost"]["value"] == pytest.approx(0.16)
    assert (spent["device_s"], spent["budget_s"]) == (pytest.approx(160.0), None)
    assert spent["cost"] == pytest.approx((spent["device_s"] + spent["other_s"]) / 1000)


def test_another_model_is_not_estimated_by_runs_of_this_one(api: Api) -> None:
    dataset = ready(api)
    submit(api, dataset)
    api.trainers().work()
    took(api, 40.0)

    found = estimate(api, dataset, gnn={"model": {"width": 64}})

    assert [step["seconds"]["value"] is None for step in found["steps"][:2]] == [False, True]


def test_a_pre_flight_of_the_same_config_makes_memory_and_disk_known(api: Api) -> None:
    dataset = ready(api)
    answer = api.client.post("/v1/preflights", json={"dataset": dataset, "gnn": {}})
    assert answer.status_code == 202, answer.text
    api.trainers().work()
    with api.database.begin() as session:
        for run in session.query(RunRow).filter(RunRow.cell == "preflight"):
            run.result = {**(run.result or {}), "needs": {"gnn": NEEDS}}

    gnn = estimate(api, dataset, seeds=[0, 1])["steps"][1]

    assert (gnn["host_bytes"]["value"], gnn["disk_bytes"]["value"]) == (4e9, 2_000)
    assert gnn["seconds"]["value"] == pytest.approx(5.0)
    assert gnn["host_bytes"]["source"].startswith("pre-flight")


def test_a_budget_as_a_cost_needs_a_price(api: Api) -> None:
    body = {"name": "question", "dataset": ready(api), "budget": {"cost": 5}}

    for path in ("/v1/estimates", "/v1/experiments"):
        refused = api.client.post(path, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/budget/cost")


@pytest.mark.parametrize("budget", [{}, {"cost": 0}, {"device_s": -1}])
def test_a_budget_limits_something(api: Api, budget: dict[str, float]) -> None:
    body = {"name": "question", "dataset": ready(api), "budget": budget}

    assert api.client.post("/v1/experiments", json=body).status_code == 422


def test_a_cost_is_kept_as_seconds_at_the_price_of_then_and_the_stricter_limit_counts(priced: Api) -> None:
    dataset = ready(priced)

    budgets = [{"cost": 1.0}, {"cost": 1.0, "device_s": 400}, {"cost": 1.0, "device_s": 4000}]
    found = [submit(priced, dataset, budget=budget) for budget in budgets]

    spent = [get(priced, f"/v1/experiments/{one}/spent")["budget_s"] for one in found]
    assert spent == [pytest.approx(1000.0), 400, pytest.approx(1000.0)]


def test_an_estimate_says_when_even_its_lower_end_is_above_the_budget(api: Api) -> None:
    dataset = ready(api)
    submit(api, dataset, policy={"fusion": "never"})
    api.trainers().work()
    took(api, 40.0)
    spec = {"seeds": [0, 1], "policy": {"fusion": "never"}}

    assert estimate(api, dataset, budget={"device_s": 20}, **spec)["exceeds_budget"] is True
    assert estimate(api, dataset, budget={"device_s": 2000}, **spec)["exceeds_budget"] is False


def test_every_run_is_estimated_once_more_from_what_had_ended_before_it_started(api: Api) -> None:
    dataset = ready(api)
    for started, seconds in ((100.0, 40.0), (200.0, 50.0), (300.0, 100.0)):
        made = submit(api, dataset, policy={"fusion": "never"}, seeds=[0], fresh=True)
        api.trainers().work()
        times = {"started_at": started, "finished_at": started + seconds}
        with api.database.begin() as session:
            for run in session.query(RunRow).filter(RunRow.experiment_id == made, RunRow.result.is_not(None)):
                for name, value in times.items():
                    setattr(run, name, value)
                run.running_s, run.result = seconds, {**(run.result or {}), "epochs": 4}

    with api.database.read() as session:
        cases = [case for case in replay(session) if case.kind == "time" and case.cell.startswith("52")]

    # The second is told from the first alone, the third from both: their median is 45 s.
    assert [(case.source, case.predicted, case.actual) for case in cases] == [
        ("not known", None, 40.0),
        ("finished runs", pytest.approx(40.0), 50.0),
        ("finished runs", pytest.approx(45.0), 100.0),
    ]
    assert list(rows_of(cases))[:2] == [
        "| 52 gnn | time | finished runs | 2 | 1 of 2 | 1.74 | 2.22 |",
        "| 52 gnn | time | not known | 1 | | | |",
    ]
