"""Single functions of a data set: listed, searched, and each with its source, its graph and its verdicts."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cellgate.contract.api.functions import EdgeKind, GraphQualityName
from cellgate.contract.configs import Split
from service.api import table_files
from service.store.tables import RunRow
from tests.api_client import assert_refused, get
from tests.function_pages import HOSTILE, SEEDS, FunctionPages
from trainers.data.encoding import build_chunk
from trainers.data.graphs.build import EDGE_TYPES
from trainers.data.graphs.grammar import KINDS


@pytest.fixture
def path(pages: FunctionPages) -> str:
    return f"/v1/datasets/{pages.dataset}/functions"


def found(pages: FunctionPages, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = get(pages.api, f"/v1/datasets/{pages.dataset}/functions?limit=500{query}")["items"]
    return items


@contextmanager
def instead_of(file: Path, content: bytes | None = None) -> Iterator[Path]:
    """Take a file away, or put other bytes in its place, for as long as the block lasts."""
    kept = file.read_bytes()
    try:
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        yield file
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(kept)


def test_the_list_has_every_function_as_the_data_set_has_it(pages: FunctionPages) -> None:
    listed, prepared = found(pages), pages.prepared
    rows = list(range(len(prepared)))

    assert [one["row"] for one in listed] == rows
    assert [one["id"] for one in listed] == prepared.ids(rows)
    assert [one["label"] for one in listed] == prepared.labels(rows).tolist()
    assert [one["cwe"] for one in listed] == prepared.cwes(rows)
    assert [one["project"] for one in listed] == prepared.projects(rows)
    assert [one["graph_quality"] for one in listed] == prepared.graph_qualities(rows)
    assert [one["lines"] for one in listed] == [source.count("\n") + 1 for source in prepared.sources(rows)]
    for split in Split:
        assert [one["row"] for one in listed if one["split"] == split] == prepared.rows(split).tolist()


def test_pages_follow_each_other_without_a_gap(pages: FunctionPages, path: str) -> None:
    rows, url = [], f"{path}?limit=100&label=0"
    while True:
        answer = pages.api.client.get(url)
        rows += [one["row"] for one in answer.json()["items"]]
        if (after := answer.json()["next"]) is None:
            break
        assert f'<{path}?limit=100&label=0&after={after}>; rel="next"' in answer.headers["Link"]
        url = f"{path}?limit=100&label=0&after={after}"

    assert rows == [one["row"] for one in found(pages) if one["label"] == 0]


def test_functions_are_found_by_split_label_weakness_and_project_together(pages: FunctionPages) -> None:
    everything = found(pages)
    known = next(one for one in everything if one["cwe"] and one["label"] == 1 and one["split"] == "gate")

    query = f"&split=gate&label=1&cwe={known['cwe']}"

    expected = [one for one in everything if (one["split"], one["label"], one["cwe"]) == ("gate", 1, known["cwe"])]
    assert found(pages, query) == expected != []
    assert [one["id"] for one in found(pages, "&cwe=CWE-2")] == [HOSTILE[2][0]]
    assert found(pages, "&cwe=CWE") == []


@pytest.mark.parametrize(
    ("words", "row_id"),
    [("OK_NAM", 0), ("GRÖSSE'", 1), ("drop table", 1), ("<SCRIPT>", 0), ("\u202eESR", 2)],
)
def test_a_search_finds_part_of_a_name_or_an_id_in_any_case(pages: FunctionPages, words: str, row_id: int) -> None:
    assert [one["id"] for one in found(pages, f"&q={quote(words)}")] == [HOSTILE[row_id][0]]


@pytest.mark.parametrize("words", ["%", "_%_%", "' OR 1=1 --", '"', "\\", "ok_name\n<script"])
def test_a_search_takes_no_character_for_more_than_itself(pages: FunctionPages, words: str) -> None:
    matches = [one["id"] for one in found(pages, f"&q={quote(words)}")]

    assert all(
        words.casefold() in f"{one['name'] or ''}\n{one['id']}".casefold()
        for one in found(pages)
        if one["id"] in matches
    )
    assert len(matches) < 3


def test_a_function_comes_with_its_source_and_what_names_it_are_plain_json(pages: FunctionPages, path: str) -> None:
    for row_id, source, cwe, project in HOSTILE:
        (row,) = (one["row"] for one in found(pages) if one["id"] == row_id)

        answer = pages.api.client.get(f"{path}/{row}")

        assert answer.headers["Content-Type"] == "application/json"
        one = answer.json()
        assert (one["id"], one["source"], one["cwe"], one["project"]) == (row_id, source, cwe, project)
        assert one["source_bytes"] == len(source.encode())


def test_the_graph_is_the_one_that_models_see_with_each_node_at_its_place(pages: FunctionPages, path: str) -> None:
    for row in (0, 1, 2, len(pages.prepared) - 1, *(one["row"] for one in found(pages, "&q=gr%C3%B6sse"))):
        one = get(pages.api, f"{path}/{row}")
        graph, lines = one["graph"], one["source"].split("\n")
        built = build_chunk([one["source"]], 2_000)

        assert [node["kind"] for node in graph["nodes"]] == [KINDS[kind] for kind in built.kind_N.tolist()]
        edges = zip(built.edge_type_E.tolist(), built.source_E.tolist(), built.target_E.tolist(), strict=True)
        expected = [{"kind": EDGE_TYPES[kind], "from": begin, "to": end} for kind, begin, end in edges]
        assert sorted(graph["edges"], key=str) == sorted(expected, key=str)
        for node in graph["nodes"]:
            text = one["source"][node["start"] : node["end"]]
            assert node["text"] == " ".join(text[:320].split())[:80]
            assert text.split("\n")[0] in lines[node["start_line"] - 1]
            assert text.rstrip("\n").split("\n")[-1] in lines[node["end_line"] - 1]


def test_the_kinds_of_edges_and_of_quality_are_those_of_the_trainers() -> None:
    assert set(EdgeKind.__args__) == set(EDGE_TYPES)
    assert set(GraphQualityName.__args__) == {"parsed", "partial", "token_chain", "ready"}


def test_drawing_a_graph_imports_no_numbers_and_no_arrow() -> None:
    program = (
        "import sys; from trainers.data.graphs.drawn import drawn_graph\n"
        "drawn_graph('int f(void) { return 0; }', max_nodes=9); print(*sys.modules)"
    )

    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert {"tree_sitter"} <= set(imported.stdout.split())
    assert {"numpy", "pyarrow", "torch", "scipy"}.isdisjoint(imported.stdout.split())


def test_an_imported_graph_is_not_drawn_and_a_long_function_neither(
    pages: FunctionPages, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.function_graph.MOST_CHARACTERS", 20)

    one = get(pages.api, f"{path}/0")

    assert one["graph"] is None
    assert "more than 20 characters" in one["graph_missing"]


def test_every_model_of_an_experiment_says_what_it_thinks_of_a_function_of_gate(
    pages: FunctionPages, path: str
) -> None:
    row = int(pages.prepared.rows(Split.GATE)[0])
    experiment = get(pages.api, f"/v1/experiments/{pages.experiment}")
    trained = {(job["cell"], run["seed"]): run["id"] for job in experiment["jobs"] for run in job["runs"]}

    one = get(pages.api, f"{path}/{row}?experiment={pages.experiment}")

    cells = [(found["cell"], found["seed"]) for found in one["predictions"]]
    assert cells == [(cell, seed) for cell in (51, 52) for seed in SEEDS]
    assert [found["run"] for found in one["predictions"]] == [trained[cell] for cell in cells]
    assert all((found["probability"] >= 0.5) == found["vulnerable"] for found in one["predictions"])
    assert one["predictions_missing"] is None
    assert get(pages.api, f"{path}/{row}")["predictions"] == []


@pytest.mark.parametrize("split", [Split.TRAIN, Split.TEST])
def test_of_train_and_test_no_verdicts_are_told(pages: FunctionPages, path: str, split: Split) -> None:
    row = int(pages.prepared.rows(split)[0])

    one = get(pages.api, f"{path}/{row}?experiment={pages.experiment}")

    assert one["predictions"] == []
    assert f"it is in {split}" in one["predictions_missing"]


def test_before_the_evidence_a_function_is_shown_and_says_that_verdicts_are_to_come(
    pages: FunctionPages, path: str
) -> None:
    waiting = pages.api.experiment(pages.dataset)

    one = get(pages.api, f"{path}/0?experiment={waiting}")

    assert one["predictions"] == []
    assert "cell 54 has not finished yet" in one["predictions_missing"]


def test_an_experiment_on_another_data_set_is_refused(pages: FunctionPages, path: str) -> None:
    other = pages.api.experiment()

    answer = pages.api.client.get(f"{path}/0?experiment={other}")

    assert_refused(answer, status=422, code="invalid_request", pointers=["#query/experiment"])


def test_whoever_holds_an_answer_is_told_that_it_is_current(pages: FunctionPages, path: str) -> None:
    for url in (path, f"{path}?label=1", f"{path}/0", f"{path}/0?experiment={pages.experiment}"):
        tag = pages.api.client.get(url).headers["ETag"]
        assert pages.api.client.get(url, headers={"If-None-Match": tag}).status_code == 304
    first = pages.api.client.get(f"{path}?label=1").headers["ETag"]
    assert pages.api.client.get(f"{path}?label=0", headers={"If-None-Match": first}).status_code == 200


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?q=", "#query/q"),
        (f"?q={'x' * 201}", "#query/q"),
        ("?q=%00", "#query/q"),
        ("?label=2", "#query/label"),
        ("?split=all", "#query/split"),
        ("?after=-1", "#query/after"),
        (f"?after={2**64}", "#query/after"),
        ("?limit=501", "#query/limit"),
        ("/-1", "#path/row"),
        (f"/{2**70}", "#path/row"),
    ],
)
def test_what_no_function_can_have_is_refused(pages: FunctionPages, path: str, query: str, pointer: str) -> None:
    assert_refused(pages.api.client.get(path + query), status=422, code="invalid_request", pointers=[pointer])


def test_a_row_that_there_is_not_is_answered_with_how_many_there_are(pages: FunctionPages, path: str) -> None:
    count = len(pages.prepared)

    problem = assert_refused(pages.api.client.get(f"{path}/{count}"), status=404, code="not_found", pointers=[])

    assert f"it has {count}, numbered from 0" in problem["detail"]


def test_a_data_set_that_is_not_ready_says_so(pages: FunctionPages) -> None:
    preparing = pages.api.dataset()

    answer = pages.api.client.get(f"/v1/datasets/{preparing}/functions")

    assert "is preparing" in assert_refused(answer, status=409, code="conflict", pointers=[])["detail"]


def test_a_data_set_of_an_older_release_says_to_prepare_it_again(pages: FunctionPages, path: str) -> None:
    with instead_of(pages.folder / "functions.sqlite"):
        answer = pages.api.client.get(path)

    problem = assert_refused(answer, status=409, code="made_by_older_release", pointers=[])
    assert "prepare it again" in problem["detail"]


def test_an_index_that_is_gone_is_told_from_one_that_never_was(pages: FunctionPages, path: str) -> None:
    with pages.api.database.begin() as session:
        run = get(pages.api, f"/v1/datasets/{pages.dataset}")["run"]
        row = session.get_one(RunRow, run)
        before, row.result = row.result, {**(row.result or {}), "artifacts": {"dataset/functions.sqlite": "sha256:0"}}
    with instead_of(pages.folder / "functions.sqlite"):
        answer = pages.api.client.get(path)
    with pages.api.database.begin() as session:
        session.get_one(RunRow, run).result = before

    assert_refused(answer, status=410, code="artifact_missing", pointers=[])


def changed(index: Path, scratch: Path, statements: str) -> bytes:
    """Return an index's bytes after somebody has changed it."""
    copy = scratch / "changed.sqlite"
    copy.write_bytes(index.read_bytes())
    with closing(sqlite3.connect(copy)) as database:
        database.executescript(statements)
    return copy.read_bytes()


@pytest.mark.parametrize(
    "statements",
    [
        "UPDATE functions SET split = 'else'",
        "UPDATE functions SET label = 'x'",
        "UPDATE functions SET begin = 1 << 60",
        "UPDATE functions SET begin = -5",
        "UPDATE functions SET bytes = 1 << 40",
        "UPDATE functions SET bytes = 'many'",
        "DROP TABLE functions",
        "ALTER TABLE functions DROP COLUMN words; ALTER TABLE functions DROP COLUMN begin",
        "UPDATE functions SET name = zeroblob(2000000) WHERE row = 0",
    ],
)
def test_an_index_that_somebody_changed_is_refused_and_nothing_of_it_is_logged(
    pages: FunctionPages, path: str, tmp_path: Path, statements: str
) -> None:
    index = pages.folder / "functions.sqlite"
    pages.api.logs.clear()
    with instead_of(index, changed(index, tmp_path, statements)):
        answer = pages.api.client.get(f"{path}/0")

    assert_refused(answer, status=410, code="artifact_missing", pointers=[])
    assert "int " not in str(pages.api.logs)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\xff" * 5000, b"{}"])
def test_a_file_that_is_no_index_is_refused(pages: FunctionPages, path: str, content: bytes) -> None:
    with instead_of(pages.folder / "functions.sqlite", content):
        answer = pages.api.client.get(path)

    assert answer.status_code in (409, 410)
    assert answer.json()["code"] in ("made_by_older_release", "artifact_missing")


def test_an_index_with_other_tables_is_not_read(pages: FunctionPages, path: str, tmp_path: Path) -> None:
    index = pages.folder / "functions.sqlite"
    with instead_of(index, changed(index, tmp_path, "PRAGMA user_version = 2")):
        answer = pages.api.client.get(path)

    assert_refused(answer, status=409, code="made_by_older_release", pointers=[])


def test_an_index_that_never_ends_is_given_up(
    pages: FunctionPages, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "LONGEST_S", 0.2)
    index = pages.folder / "functions.sqlite"
    endless = """
        ALTER TABLE functions RENAME TO real;
        CREATE VIEW functions AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT r.* FROM n CROSS JOIN real r WHERE r.row < 0;
    """
    with instead_of(index, changed(index, tmp_path, endless)):
        answer = pages.api.client.get(path)

    assert_refused(answer, status=503, code="query_timeout", pointers=[])


def test_a_link_in_the_place_of_the_index_is_not_followed(pages: FunctionPages, path: str, tmp_path: Path) -> None:
    index = pages.folder / "functions.sqlite"
    (tmp_path / "elsewhere.sqlite").write_bytes(index.read_bytes())
    with instead_of(index) as gone:
        gone.symlink_to(tmp_path / "elsewhere.sqlite")
        answer = pages.api.client.get(path)

    assert answer.status_code == 409


def test_a_source_that_was_cut_off_is_missing_and_not_half_of_it(pages: FunctionPages, path: str) -> None:
    functions = pages.folder / "functions.arrow"
    with instead_of(functions, functions.read_bytes()[:500]):
        answer = pages.api.client.get(f"{path}/{len(pages.prepared) - 1}")

    assert_refused(answer, status=410, code="artifact_missing", pointers=[])
