"""The overview names what needs a person, with its cause and one action, until somebody has dealt with it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from cellgate.contract.states import FailureReason
from service.store.database import now_s
from service.store.lifecycle import fail
from service.store.pipeline import after_run
from service.store.tables import ExperimentRow
from service.store.workers import register_worker, set_draining
from tests.api_client import Api, begin, get
from tests.fakes import HEALTHY, F1s
from tests.statements import counted_statements

WEAK_GNN: F1s = {"transformer": [0.90, 0.91], "gnn": [0.80, 0.81], "ensemble": [0.93, 0.94], "fusion": [0.95, 0.95]}
REASON = "The graph model is known to be weak here; we ship the ensemble."
DAY_S = 86_400.0


def attention(api: Api) -> list[dict[str, Any]]:
    """What needs a person."""
    found = get(api, "/v1/overview")
    assert found["counts"]["attention"] == len(found["attention"])
    items: list[dict[str, Any]] = found["attention"]
    return items


def only(api: Api, kind: str) -> dict[str, Any]:
    """The one thing that needs a person, of this kind."""
    (item,) = attention(api)
    assert item["kind"] == kind, item
    return item


def carry_out(api: Api, item: dict[str, Any], **added: Any) -> None:
    """Do what an item proposes, with what it says that a person adds."""
    action = item["action"]
    assert sorted(added) == sorted(action["needs"])
    body = {**(action["body"] or {}), **added} or None
    answer = api.client.request(action["method"], action["path"], json=body)
    assert answer.is_success, answer.text


def work(api: Api, f1s: F1s) -> None:
    """Let trainers do what is queued, as a worker of their queue would."""
    api.trainers(f1s).work()


def fail_next(api: Api, reason: FailureReason, detail: str) -> None:
    """Let the next run fail."""
    claim = begin(api)
    with api.database.begin() as session:
        fail(session, run_id=claim.run_id, attempt=claim.attempt, reason=reason, detail=detail)
        after_run(session, run_id=claim.run_id, artifacts=api.settings.artifacts)


@pytest.fixture
def served(api: Api) -> Api:
    """The app, with a worker that serves the queue of all runs."""
    with api.database.begin() as session:
        register_worker(session, worker_id="w", queues=["cpu"], slots=1)
    return api


def test_an_answer_that_is_clear_needs_nobody(served: Api) -> None:
    experiment = served.experiment()
    work(served, HEALTHY)

    found = get(served, "/v1/overview")

    assert (found["attention"], found["counts"]) == ([], {"running": 0, "waiting": 0, "attention": 0, "ended": 1})
    assert [one["id"] for one in found["latest"]] == [experiment]


def test_a_gate_that_failed_names_the_check_and_drops_out_once_it_is_waived(served: Api) -> None:
    experiment = served.experiment()
    work(served, WEAK_GNN)

    item = only(served, "gate_failed")

    assert (item["experiment"], item["action"]["scope"]) == (experiment, "admin")
    assert "0.8050 over 2 of 2 seeds, is not above 0.85" in item["sentence"]
    carry_out(served, item, reason=REASON)
    work(served, WEAK_GNN)
    assert attention(served) == []


def test_a_person_s_word_and_the_archive_settle_it(served: Api) -> None:
    ways: tuple[Callable[[str], Any], ...] = (
        lambda path: served.client.post(f"{path}/decision", json={"outcome": "improve", "reason": REASON}),
        lambda path: served.client.patch(path, json={"archived": True}),
        lambda path: served.client.post(f"{path}/seeds", json={"seeds": [7]}),
    )
    for dealt_with in ways:
        experiment = served.experiment()
        work(served, WEAK_GNN)
        only(served, "gate_failed")

        assert dealt_with(f"/v1/experiments/{experiment}").is_success

        assert [item for item in attention(served) if item["experiment"] == experiment] == []
        served.client.delete(f"/v1/experiments/{experiment}?cascade=true")


def test_what_ended_a_week_ago_asks_for_nothing(served: Api) -> None:
    experiment = served.experiment()
    work(served, WEAK_GNN)
    for days, asks in ((6.9, True), (7.1, False)):
        ended = {"finished_at": now_s() - days * DAY_S, "concluded_at": now_s() - days * DAY_S}
        with served.database.begin() as session:
            session.execute(update(ExperimentRow).where(ExperimentRow.id == experiment).values(ended))

        assert bool(attention(served)) is asks


def test_a_queue_that_nobody_serves_says_how_to_start_a_worker(api: Api) -> None:
    api.experiment(queue="gpu")

    item = only(api, "no_worker")

    assert item["sentence"] == "1 run waits in queue gpu, and no worker serves it."
    assert item["action"]["command"] == "CELLGATE_QUEUES='[\"gpu\"]' cellgate run-worker"
    assert item["since"] is not None
    with api.database.begin() as session:
        register_worker(session, worker_id="w", queues=["gpu"], slots=1)
    assert attention(api) == []


def test_workers_that_all_drain_are_named_with_the_way_back(served: Api) -> None:
    served.experiment()
    with served.database.begin() as session:
        set_draining(session, "w", draining=True)

    item = only(served, "draining")

    assert item["sentence"] == "1 run waits in queue cpu, and every worker that serves it drains."
    carry_out(served, item)
    assert attention(served) == []


def test_a_data_set_that_could_not_be_prepared_stands_for_the_experiments_on_it(served: Api) -> None:
    dataset = served.dataset()
    served.experiment(dataset)
    fail_next(served, FailureReason.DATA_ERROR, "line 3: found no `func`\nand more")

    item = only(served, "dataset_failed")

    assert (item["dataset"], item["experiment"]) == (dataset, None)
    assert item["sentence"] == "The data set could not be prepared: line 3: found no `func`."
    carry_out(served, item)
    assert attention(served) == []


def test_a_run_that_failed_is_named_while_its_experiment_still_goes_on(served: Api) -> None:
    experiment = served.experiment()
    fail_next(served, FailureReason.OUT_OF_MEMORY, "the host has 2 GiB free, and 3 were asked for.")

    item = only(served, "failed")

    assert (item["experiment"], item["action"]["name"]) == (experiment, "retry_run")
    assert "out of memory: the host has 2 GiB free, and 3 were asked for." in item["sentence"]
    carry_out(served, item)
    assert attention(served) == []


def test_the_overview_takes_ten_statements_at_most(served: Api) -> None:
    for _ in range(3):
        served.experiment()
        work(served, WEAK_GNN)
    served.experiment()
    fail_next(served, FailureReason.KILLED, "killed")
    served.experiment(served.ready_dataset())
    begin(served)
    served.experiment(served.dataset())

    with counted_statements() as statements:
        found = get(served, "/v1/overview")

    assert found["running"]
    assert len([one for one in statements if not one.startswith("BEGIN")]) <= 10


def test_the_latest_answers_name_the_one_before_on_the_same_data_set(served: Api) -> None:
    dataset = served.ready_dataset()
    first = served.experiment(dataset, name="first")
    work(served, WEAK_GNN)
    elsewhere = served.experiment()
    work(served, HEALTHY)
    second = served.experiment(dataset, name="second")
    work(served, HEALTHY)

    latest = {one["id"]: one for one in get(served, "/v1/overview")["latest"]}

    assert list(latest) == [second, elsewhere, first]
    assert (latest[first]["previous"], latest[elsewhere]["previous"]) == (None, None)
    before = latest[second]["previous"]
    assert (before["id"], before["name"]) == (first, "first")
    assert before["difference"] == pytest.approx(latest[second]["f1"]["mean"] - latest[first]["f1"]["mean"])


def test_what_is_archived_is_neither_counted_nor_shown(served: Api) -> None:
    running, ended = served.experiment(), served.experiment()
    assert {running, ended}
    with served.database.begin() as session:
        session.execute(update(ExperimentRow).values(archived_at=now_s()))

    found = get(served, "/v1/overview")

    assert found["counts"] == {"running": 0, "waiting": 0, "attention": 0, "ended": 0}
    assert found["running"] == found["latest"] == found["attention"] == []


def test_what_moves_stands_before_what_waits(api: Api) -> None:
    dataset = api.ready_dataset()
    moving = api.experiment(dataset)
    begin(api)
    waiting = [api.experiment(dataset), api.experiment(dataset)]

    found = [one["id"] for one in get(api, "/v1/overview")["running"]]

    assert found == [moving, *reversed(waiting)]
