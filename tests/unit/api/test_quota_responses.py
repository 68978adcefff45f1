"""A caller with too many waiting runs gets a 429, and nothing is created."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.settings import Settings
from service.store.paging import PageOf
from service.store.runs import list_runs
from service.store.summaries import list_experiments
from tests.api_client import Api, assert_refused, get, running_api

TOKEN = "correct-horse-battery-staple-and-cart"


@pytest.fixture
def strict(settings: Settings) -> Iterator[Api]:
    """The app, for callers with at most three waiting runs."""
    with running_api(settings.model_copy(update={"max_queued_runs": 3})) as app:
        yield app


def a_job(api: Api, dataset: str, seeds: list[int]) -> Any:
    return api.client.post("/v1/jobs", json={"cell": 52, "dataset": dataset, "seeds": seeds})


def test_more_waiting_runs_than_the_quota_are_refused_and_nothing_is_created(strict: Api) -> None:
    dataset = strict.ready_dataset()
    assert a_job(strict, dataset, [0, 1]).status_code == 202
    before = strict.counts()

    refused = a_job(strict, dataset, [0, 1])

    problem = assert_refused(refused, status=429, code="quota_exceeded", pointers=[])
    assert problem["detail"].startswith("quota exceeded: 4 waiting runs with this request, limit 3; ")
    assert (problem["limit"], problem["waiting"], refused.headers["Retry-After"]) == (3, 4, "30")
    assert strict.counts() == before
    assert a_job(strict, dataset, [0]).status_code == 202
    for path, body in (
        ("/v1/experiments", {"name": "q", "dataset": dataset}),
        ("/v1/datasets", {"name": "made", "source": strict.file()}),
    ):
        assert_refused(strict.client.post(path, json=body), status=429, code="quota_exceeded", pointers=[])


def test_paused_runs_count_and_runs_at_work_do_not(strict: Api) -> None:
    dataset = strict.ready_dataset()
    job = a_job(strict, dataset, [0, 1, 2]).json()
    strict.client.post(f"/v1/jobs/{job['id']}/pause")
    assert a_job(strict, dataset, [0]).status_code == 429

    strict.client.post(f"/v1/jobs/{job['id']}/resume")
    strict.trainers().work(limit=1)
    assert a_job(strict, dataset, [0]).status_code == 202


@pytest.mark.parametrize("kind", ["jobs", "runs"])
def test_another_try_counts_too(strict: Api, kind: str) -> None:
    dataset = strict.ready_dataset()
    job = a_job(strict, dataset, [0]).json()
    path = f"/v1/{kind}/{job['id'] if kind == 'jobs' else job['runs'][0]['id']}"
    strict.client.post(f"{path}/cancel")
    a_job(strict, dataset, [0, 1, 2])

    assert_refused(strict.client.post(f"{path}/retry"), status=429, code="quota_exceeded", pointers=[])
    assert get(strict, f"/v1/runs/{job['runs'][0]['id']}")["superseded_by"] is None


def test_what_an_experiment_queues_by_itself_is_never_refused(strict: Api) -> None:
    experiment = strict.experiment(seeds=[0, 1, 2, 3], policy={"fusion": "never"})
    values = [0.9] * 4
    strict.trainers({"transformer": values, "gnn": values, "ensemble": values}).work()
    assert get(strict, f"/v1/experiments/{experiment}")["state"] == "succeeded"


@pytest.mark.parametrize(("token", "owner"), [(None, "local"), (TOKEN, "token")])
def test_what_is_submitted_belongs_to_the_caller(settings: Settings, token: str | None, owner: str) -> None:
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": token})) as api:
        api.client.headers.update({} if token is None else {"Authorization": f"Bearer {token}"})
        api.experiment()
        api.trainers().work()
        a_job(api, api.ready_dataset(), [0])

        with api.database.read() as session:
            owners = {run.owner for run in list_runs(session, PageOf(limit=500))}
            experiments = {row.experiment.owner for row in list_experiments(session)}
    assert (owners, experiments) == ({owner}, {owner})
