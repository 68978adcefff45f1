"""The client reads what pages show of runs and data."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from cellgate.cli.dataset_export import export_functions
from cellgate.client._sync.client import Client
from cellgate.client.errors import Refused
from cellgate.contract.api.functions import FunctionAnswer
from cellgate.contract.configs import Split
from tests.function_pages import FunctionPages
from trainers.evaluation.score_files import read_scores


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


def test_functions_are_exported_as_files_that_a_log_on_them_is_told_apart_by(
    pages: FunctionPages, client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "files"

    count, cut = export_functions(client, pages.dataset, folder, splits=[Split.GATE, Split.TEST], suffix=".cpp")

    rows = np.sort(np.concatenate([pages.prepared.rows(split) for split in (Split.GATE, Split.TEST)]))
    ids = pages.prepared.ids(rows)
    sources = dict(zip(ids, pages.prepared.sources(rows), strict=True))
    with (folder / "functions.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert count == len(listed) == len(ids)
    assert cut == []
    assert {row["id"]: (folder / row["file"]).read_text("utf-8") for row in listed} == {
        function_id: f"{source}\n" for function_id, source in sources.items()
    }
    # An analyser that finds something in one of them.
    place = {"physicalLocation": {"artifactLocation": {"uri": listed[0]["file"]}}}
    log = tmp_path / "log.sarif"
    log.write_text(json.dumps({"version": "2.1.0", "runs": [{"results": [{"locations": [place]}]}]}))
    assert [name for name, score in zip(ids, read_scores(log, ids), strict=True) if score] == [listed[0]["id"]]


def test_functions_whose_source_the_api_cuts_are_named_by_an_export(
    pages: FunctionPages, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = client.function
    gate = pages.prepared.rows(Split.GATE)
    longest = int(gate[0])

    def cut(dataset_id: str, row: int) -> FunctionAnswer:
        found = whole(dataset_id, row)
        return found.model_copy(update={"source": found.source[:-1]}) if row == longest else found

    monkeypatch.setattr(client, "function", cut)

    count, named = export_functions(client, pages.dataset, tmp_path / "files", splits=[Split.GATE], suffix=".c")

    assert (count, named) == (len(gate), pages.prepared.ids([longest]))


def test_a_run_without_a_range_test_is_refused_with_its_code(pages: FunctionPages, client: Client) -> None:
    run = client.dataset(pages.dataset).run

    with pytest.raises(Refused) as caught:
        client.lr_finder(str(run))

    assert caught.value.code == "no_range_test"
