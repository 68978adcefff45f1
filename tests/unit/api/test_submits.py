"""A submit costs one transaction, and its answer is made of what was written, without reading it again."""

from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.api_client import Api

# None in the order of the others: neither the answer nor the runs may depend on it.
SEEDS = [7, 0, 3]


@pytest.fixture(scope="module")
def dataset(shared_api: Api) -> str:
    """A data set that is ready."""
    return shared_api.ready_dataset()


def bodies_of(dataset: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return a request for each way to make a job."""
    return {
        "a job": ("/v1/jobs", {"cell": 52, "dataset": dataset, "seeds": SEEDS}),
        "a pre-flight": ("/v1/preflights", {"dataset": dataset, "gnn": {}}),
    }


@pytest.mark.parametrize("name", ["a job", "a pre-flight"])
def test_the_answer_to_a_submit_is_what_is_read_afterwards(shared_api: Api, dataset: str, name: str) -> None:
    path, body = bodies_of(dataset)[name]

    answer = shared_api.client.post(path, json=body)

    assert answer.status_code == 202
    made = answer.json().get("job", answer.json())
    assert made == shared_api.client.get(answer.headers["Location"]).json()


def test_a_submit_and_the_mark_that_workers_are_notified_of_it_are_one_transaction(
    shared_api: Api, dataset: str
) -> None:
    path, body = bodies_of(dataset)["a job"]
    shared_api.client.post(path, json=body)
    written: list[list[str]] = []

    def begun(_connection: Any) -> None:
        written.append([])

    def sent(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        written[-1].append(statement.split()[0])

    event.listen(Engine, "begin", begun)
    event.listen(Engine, "before_cursor_execute", sent)
    try:
        answer = shared_api.client.post(path, json=body)
    finally:
        event.remove(Engine, "begin", begun)
        event.remove(Engine, "before_cursor_execute", sent)

    writes = [words for words in written if not {"INSERT", "UPDATE", "WITH"}.isdisjoint(words)]
    assert [words.count("INSERT") for words in writes] == [len(("job", "runs", "audit"))]
    notified = {run for run, _ in shared_api.notifier.notified}
    assert {run["id"] for run in answer.json()["runs"]} <= notified
