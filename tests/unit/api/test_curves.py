"""Curves by step, by epoch and by time; and the curve of the LR range test."""

from typing import Any

import pytest
from sqlalchemy import update

from cellgate.contract.events import EventKind
from service.store.claims import Claim
from service.store.recorder import record_event, record_metrics
from service.store.run_actions import cancel_run
from service.store.tables import AttemptRow, MetricRow
from tests.api_client import Api, assert_refused, begin, get

CURVE = {"rates": [1e-4, 1e-3, 1e-2], "losses": [0.7, 0.5, None], "smoothed": [0.7, 0.6, None]}
FOUND = {
    "learning_rate": 1e-3,
    "source": "finder",
    "reason": "valley",
    "cache_key": None,
    "cache_hit": False,
    "cache_verified": None,
}


def training(api: Api) -> Claim:
    """Return an attempt at a run of cell 52."""
    body = {"cell": 52, "dataset": api.ready_dataset(), "seeds": [0], "training": {"epochs": 2}}
    assert api.client.post("/v1/jobs", json=body).status_code == 202
    return begin(api)


def tell(api: Api, claim: Claim, *, kind: EventKind = EventKind.LR_FINDER, **body: Any) -> None:
    with api.database.begin() as session:
        assert record_event(session, run_id=claim.run_id, attempt=claim.attempt, kind=kind, body=body)


def measure(api: Api, claim: Claim, points: list[tuple[str, int, float]]) -> None:
    with api.database.begin() as session:
        assert record_metrics(session, run_id=claim.run_id, attempt=claim.attempt, points=points)


def curves(api: Api, claim: Claim, query: str = "") -> dict[str, Any]:
    answer = get(api, f"/v1/runs/{claim.run_id}/metrics{query}")
    return {curve["key"]: curve for curve in answer["curves"]}


def test_a_point_tells_when_it_was_measured_since_the_first_attempt_began(api: Api) -> None:
    claim = training(api)
    measure(api, claim, [("train/loss", 1, 0.7), ("train/loss", 2, 0.6)])
    with api.database.begin() as session:
        session.execute(update(AttemptRow).values(started_at=100.0))
        session.execute(update(MetricRow).where(MetricRow.step == 1).values(at=103.5))
        session.execute(update(MetricRow).where(MetricRow.step == 2).values(at=110.0))

    assert curves(api, claim)["train/loss"]["times_s"] == [3.5, 10.0]


def test_what_was_stored_since_a_time_is_all_that_is_sent_and_counted(api: Api) -> None:
    claim = training(api)
    measure(api, claim, [("train/loss", 1, 0.7), ("train/loss", 2, 0.6), ("train/loss", 3, 0.5), ("dev/f1", 1, 0.4)])
    with api.database.begin() as session:
        session.execute(update(AttemptRow).values(started_at=100.0))
        session.execute(update(MetricRow).values(at=100.0 + MetricRow.step))

    new = curves(api, claim, "?since_s=2")

    assert {key: (curve["steps"], curve["points"]) for key, curve in new.items()} == {"train/loss": ([2, 3], 2)}


def test_a_point_tells_the_epochs_that_were_done_and_a_thinned_curve_keeps_both(api: Api) -> None:
    claim = training(api)
    loss = [("train/loss", step, 1.0 / step) for step in range(1, 41)]
    measure(api, claim, [*loss, ("dev/f1", 20, 0.5), ("dev/f1", 40, 0.6)])

    whole, thin = curves(api, claim)["train/loss"], curves(api, claim, "?max_points=8")["train/loss"]

    assert (whole["epochs"][9], whole["epochs"][39]) == (0.5, 2.0)
    assert len(thin["steps"]) <= 8 < thin["points"] == 40
    assert len(thin["times_s"]) == len(thin["epochs"]) == len(thin["steps"])
    assert (
        dict(zip(thin["steps"], thin["epochs"], strict=True)).items()
        <= dict(zip(whole["steps"], whole["epochs"], strict=True)).items()
    )


def test_a_group_of_curves_is_asked_for_by_its_name(api: Api) -> None:
    claim = training(api)
    names = ["grad_norm/head", "grad_norm/total", "grad_norms/x", "gradXnorm/x", "train/loss"]
    measure(api, claim, [(name, 1, 0.5) for name in names])

    assert list(curves(api, claim, "?keys=grad_norm/*")) == ["grad_norm/head", "grad_norm/total"]
    assert list(curves(api, claim, "?keys=grad_norm/*,train/loss")) == [*names[:2], "train/loss"]
    assert curves(api, claim, "?keys=%25/*") == {}


def test_of_resources_the_steps_are_seconds_through_all_attempts(api: Api) -> None:
    claim = training(api)
    measure(api, claim, [("resource/cpu_percent", 5, 90.0), ("resource/cpu_percent", 10, 95.0), ("dev/f1", 3, 0.5)])
    with api.database.begin() as session:
        session.execute(update(AttemptRow).values(started_at=100.0))
        first = session.get_one(AttemptRow, (claim.run_id, 1))
        session.add(AttemptRow(run_id=claim.run_id, attempt=2, worker="w", path=first.path, started_at=160.0))
        at: dict[str, Any] = {"run_id": claim.run_id, "key": "resource/cpu_percent", "attempt": 2, "at": 999.0}
        session.add(MetricRow(**at, step=5, value=80.0))

    found = curves(api, claim)["resource/cpu_percent"]

    assert (found["steps"], found["values"]) == ([5, 10, 65], [90.0, 95.0, 80.0])
    assert (found["times_s"], found["epochs"]) == ([5.0, 10.0, 65.0], None)


def test_the_curve_of_the_range_test_comes_with_the_rate_that_was_chosen(api: Api) -> None:
    claim = training(api)
    tell(api, claim, **FOUND, curve=CURVE)

    found = get(api, f"/v1/runs/{claim.run_id}/lr-finder")

    chosen = {"rate": 1e-3, "source": "finder", "why": "valley"}
    assert found == {"run": claim.run_id, **CURVE, "chosen": chosen}


def test_an_attempt_that_goes_on_tells_its_rate_without_the_curve_and_the_curve_stays(api: Api) -> None:
    claim = training(api)
    tell(api, claim, **FOUND, curve=CURVE)
    tell(api, claim, **FOUND)

    assert get(api, f"/v1/runs/{claim.run_id}/lr-finder")["losses"] == CURVE["losses"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "has not ended"),
        ({**FOUND, "source": "spec"}, "fixes the learning rate"),
        ({**FOUND, "source": "fallback", "reason": "no range test: too few steps"}, "too few steps"),
        ({**FOUND, "curve": {**CURVE, "losses": [0.5]}}, "no curve"),
        ({**FOUND, "curve": {**CURVE, "rates": ["<script>", 1, 2]}}, "no curve"),
        ({**FOUND, "learning_rate": "fast", "curve": CURVE}, "has not ended"),
    ],
)
def test_where_there_is_no_curve_the_answer_says_why(api: Api, body: dict[str, Any] | None, says: str) -> None:
    claim = training(api)
    if body is not None:
        tell(api, claim, **body)

    problem = assert_refused(
        api.client.get(f"/v1/runs/{claim.run_id}/lr-finder"), status=404, code="no_range_test", pointers=[]
    )

    assert says in problem["detail"]


def test_a_run_that_was_cancelled_before_its_test_and_one_that_trains_nothing_say_so(api: Api) -> None:
    prepare = api.ready_dataset()
    prepared = get(api, f"/v1/datasets/{prepare}")["run"]
    body = {"cell": 52, "dataset": prepare, "seeds": [0]}
    waiting = api.client.post("/v1/jobs", json=body).json()["runs"][0]["id"]
    with api.database.begin() as session:
        cancel_run(session, waiting)

    details = [api.client.get(f"/v1/runs/{run}/lr-finder").json()["detail"] for run in (prepared, waiting)]

    assert "trains no network" in details[0]
    assert "before its learning rate was chosen" in details[1]
