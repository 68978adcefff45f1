"""The client reads what pages show of runs and data."""

from collections.abc import Iterator

import httpx
import pytest

from cellgate.client._sync.client import Client
from cellgate.client.errors import Refused
from tests.function_pages import FunctionPages


@pytest.fixture
def client(pages: FunctionPages) -> Iterator[Client]:
    def forward(request: httpx.Request) -> httpx.Response:
        answer = pages.api.client.get(request.url.raw_path.decode())
        # Its content is no longer compressed, whatever its other headers say.
        headers = {"Content-Type": answer.headers["Content-Type"]}
        return httpx.Response(answer.status_code, content=answer.content, headers=headers)

    with Client("http://localhost", transport=httpx.MockTransport(forward)) as client:
        yield client


def test_functions_errors_and_settings_are_read_as_they_are_answered(pages: FunctionPages, client: Client) -> None:
    functions = list(client.functions(pages.dataset, label=0))
    errors = client.errors(pages.experiment, option="gnn", limit=5)
    one = client.function(pages.dataset, errors.items[0].row, experiment=pages.experiment)
    config = client.config(pages.experiment, against=pages.experiment)

    labels = pages.prepared.labels([function.row for function in functions])
    assert len(functions) > 0
    assert labels.sum() == 0
    assert all("gnn" in function.wrong for function in errors.items)
    assert one.graph is not None
    assert {edge.from_ for edge in one.graph.edges} <= set(range(len(one.graph.nodes)))
    assert [(found.cell, found.seed) for found in one.predictions] == [(51, 0), (51, 1), (52, 0), (52, 1)]
    assert config.changed == []


def test_a_run_without_a_range_test_is_refused_with_its_code(pages: FunctionPages, client: Client) -> None:
    run = client.dataset(pages.dataset).run

    with pytest.raises(Refused) as caught:
        client.lr_finder(str(run))

    assert caught.value.code == "no_range_test"
