"""A file that holds no labelled functions is refused at once, with every bad line that was looked at."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.api import source_check
from service.store.run_specs import trainer_spec
from tests.api_client import FUNCTIONS, Api, assert_refused
from trainers.data.read.known_fields import KNOWN_FIELDS

NO_FUNC = f"no field {' or '.join(KNOWN_FIELDS['func'])} for func"
NO_TARGET = f"no field {' or '.join(KNOWN_FIELDS['target'])} for target"


def _text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _outside(data: Path) -> Path:
    return _text(data.parent / "outside.jsonl", json.dumps(FUNCTIONS[0]))


def _dots(data: Path) -> Path:
    return data / ".." / _outside(data).name


def _link(data: Path) -> Path:
    (data / "link.jsonl").symlink_to(_outside(data))
    return data / "link.jsonl"


def _linked_folder(data: Path) -> Path:
    _outside(data)
    (data / "up").symlink_to(data.parent)
    return data / "up" / "outside.jsonl"


def _sibling(data: Path) -> Path:
    folder = data.with_name(data.name + "-of-somebody-else")
    folder.mkdir()
    return _text(folder / "functions.jsonl", json.dumps(FUNCTIONS[0]))


def _loop(data: Path) -> Path:
    (data / "loop.jsonl").symlink_to(data / "loop.jsonl")
    return data / "loop.jsonl"


def _folder(data: Path) -> Path:
    (data / "folder.jsonl").mkdir()
    return data / "folder.jsonl"


def _pipe(data: Path) -> Path:
    os.mkfifo(data / "pipe.jsonl")
    return data / "pipe.jsonl"


def _damaged(data: Path) -> Path:
    whole = gzip.compress(json.dumps(FUNCTIONS[0]).encode() * 50)
    (data / "damaged.jsonl.gz").write_bytes(whole[:15] + b"\xff\xff\xff" + whole[18:])
    return data / "damaged.jsonl.gz"


def _cut_off(data: Path) -> Path:
    (data / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(FUNCTIONS[0]).encode() + b"\n")[:-8])
    return data / "cut.jsonl.gz"


def _one_long_line(data: Path) -> Path:
    return _text(data / "long.jsonl", '{"func": "' + "x" * 5_000_000)


BAD_FILES: list[tuple[str, Callable[[Path], Path], list[str]]] = [
    ("outside of the data roots", _outside, ["below a data root"]),
    ("outside by two dots", _dots, ["below a data root"]),
    ("outside through a symbolic link", _link, ["below a data root"]),
    ("outside through a linked folder", _linked_folder, ["below a data root"]),
    ("in a folder whose name begins like a root's", _sibling, ["below a data root"]),
    ("a system file", lambda _: Path("/etc/passwd"), ["below a data root"]),
    ("a relative path", lambda _: Path("functions.jsonl"), ["below a data root"]),
    ("nothing there", lambda data: data / "none.jsonl", ["below a data root"]),
    ("a name too long", lambda data: data / ("x" * 300 + ".jsonl"), ["below a data root"]),
    ("a link to itself", _loop, ["below a data root"]),
    ("an empty folder", _folder, ["holds no file that ends with .jsonl"]),
    ("a named pipe", _pipe, ["is no regular file"]),
    ("another suffix", lambda data: _text(data / "functions.txt", "func,target\n"), ["expected .jsonl, .ndjson"]),
    ("a table without labels", lambda data: _text(data / "no.csv", "id,func\n"), [NO_TARGET]),
    ("an empty table", lambda data: _text(data / "no.csv", ""), [NO_FUNC, NO_TARGET]),
    ("empty", lambda data: _text(data / "empty.jsonl", ""), ["it is empty"]),
    ("blank lines only", lambda data: _text(data / "blank.jsonl", "\n \n"), ["it is empty"]),
    ("a damaged archive", _damaged, ["it cannot be read"]),
    ("an archive cut off", _cut_off, ["it cannot be read"]),
    ("no archive at all", lambda data: _text(data / "no.jsonl.gz", "{}"), [NO_FUNC, NO_TARGET]),
    (
        "the same wrong fields in every row, told once",
        lambda data: _text(data / "sven.jsonl", '{"func_src_before": "f", "vul_type": 1}\n' * 60),
        [
            f"none of the 50 rows that were looked at has {NO_FUNC} (found: func_src_before, vul_type); name the "
            "column: `fields: {func: COLUMN}` in the file of --config, /fields/func in a request",
            f"has {NO_TARGET}",
        ],
    ),
    ("one line of five million characters", _one_long_line, ["line 1: it is longer than"]),
    (
        "nested too deep",
        lambda data: _text(data / "deep.jsonl", "[" * 100_000),
        ["line 1: invalid JSON (nested too deep)"],
    ),
    (
        "bad lines alone, each mistake once",
        lambda data: _text(data / "lines.jsonl", "not JSON\n\n[1]\nnot JSON\n[2]\n"),
        [
            "line 1 (and 1 more of the lines that were looked at): invalid JSON (",
            "line 3 (and 1 more of the lines that were looked at): a JSON list in place of a JSON object",
        ],
    ),
]


@pytest.mark.parametrize(("make", "details"), [bad[1:] for bad in BAD_FILES], ids=[bad[0] for bad in BAD_FILES])
def test_a_file_that_holds_no_functions_is_refused_before_any_run_exists(
    api: Api, make: Callable[[Path], Path], details: list[str]
) -> None:
    source = make(api.data)
    before = api.counts()

    answer = api.client.post("/v1/datasets", json={"name": "bad", "source": str(source)})

    problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["/source"] * len(details))
    for mistake, expected in zip(problem["errors"], details, strict=True):
        assert expected in mistake["detail"]
    assert api.counts() == before


def test_a_bad_line_among_good_ones_is_left_to_the_run(api: Api) -> None:
    lines = b'{"func": "f", "target": 1}\nnot JSON\n{"func": "\xe9", "target": 1}\n[1]\n{"func": "f"}\n'
    (api.data / "some.jsonl").write_bytes(lines)

    answer = api.client.post("/v1/datasets", json={"name": "some", "source": str(api.data / "some.jsonl")})

    assert answer.status_code == 202


def test_a_large_folder_is_left_to_the_run_that_sees_all_of_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_check, "LOOKED_AT_PATHS", 3)
    folder = api.data / "pictures"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").touch()

    assert api.client.post("/v1/datasets", json={"name": "large", "source": str(folder)}).status_code == 202


def test_of_a_long_list_the_first_files_are_looked_at_and_each_is_read_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_check, "LOOKED_AT_SOURCES", 1)
    good, other = api.file(), str(_text(api.data / "other.jsonl", "not JSON\n"))

    late = api.client.post("/v1/datasets", json={"name": "late", "source": [good, other, good]})
    early = api.client.post("/v1/datasets", json={"name": "early", "source": [other, good]})

    assert late.json()["source"] == [good, other]
    assert_refused(early, status=422, code="invalid_spec", pointers=["/source/0"])


def test_mapped_fields_are_looked_for_by_the_names_they_are_mapped_to(api: Api) -> None:
    source = api.file("mapped.jsonl", [{"body": "int f;", "bad": 1}])
    mapped = {"name": "mapped", "source": source, "fields": {"func": "body", "target": "wrong"}}

    refused = api.client.post("/v1/datasets", json=mapped)
    accepted = api.client.post("/v1/datasets", json={**mapped, "fields": {"func": "body", "target": "bad"}})

    problem = assert_refused(refused, status=422, code="invalid_spec", pointers=["/source"])
    assert "no field wrong for target (found: body, bad)" in problem["errors"][0]["detail"]
    assert accepted.status_code == 202


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("array.json", '[\n{"func": "f", "target": 1}]'),
        ("by_number.json", '{"0": {"func_before": "f", "vul": 1}}'),
        ("lines.json", '{"func": "f", "target": 1}\n{"func": "g", "target": 0}\n'),
        ("pretty.json", '{\n  "0": {"func": "f", "target": 1}\n}'),
        ("columns.json", '{"func": {"0": "f"}, "target": {"0": 1}}'),
        ("table.csv", 'func_before,vul\n"f,\ng",1\n'),
        ("TABLE.TSV", "func_before\tvul\nf\t1\n"),
        ("below_empty_lines.csv", "\n\nfunc,target\nf,1\n"),
        ("below_empty_lines.json", '\n[\n{"func": "f", "target": 1}]'),
        ("lines_of_old_macs.csv", "func,target\rf,1\r"),
        ("spaced.csv", 'id, "func", "target"\n1, "f", 1\n'),
        ("semicolons.csv", "Func; Target\nf; 1\n"),
        ("pairs.ndjson", '{"func_before": "f", "func_after": "g"}'),
        ("vulnerable.jsonl", '{"func": "f"}'),
        ("rows.jsonl.zst", "the run unpacks it"),
        ("rows.parquet", "PAR1"),
    ],
)
def test_the_forms_that_sets_are_published_in_are_taken(api: Api, name: str, text: str) -> None:
    source = str(_text(api.data / name, text))

    assert api.client.post("/v1/datasets", json={"name": "published", "source": source}).status_code == 202


def _graphs_outside(data: Path) -> Path:
    folder = data.parent / "graphs"
    folder.mkdir()
    (folder / "a.pt").touch()
    (data / "graphs").symlink_to(folder)
    return data / "graphs"


BAD_GRAPHS: list[tuple[Callable[[Path], Path], str]] = [
    (_graphs_outside, "below a data root"),
    (lambda data: data / "none", "below a data root"),
    (_folder, "holds no .pt file"),
    (_pipe, "is neither a folder"),
    (lambda data: _text(data / "graphs.pt", ""), "is neither a folder"),
]


@pytest.mark.parametrize(("make", "detail"), BAD_GRAPHS)
def test_ready_graphs_that_cannot_be_read_are_refused_before_any_run_exists(
    api: Api, make: Callable[[Path], Path], detail: str
) -> None:
    body = {"name": "bad", "source": api.file(), "graphs": str(make(api.data))}
    before = api.counts()

    problem = assert_refused(
        api.client.post("/v1/datasets", json=body), status=422, code="invalid_spec", pointers=["/graphs"]
    )

    assert detail in problem["errors"][0]["detail"]
    assert api.counts() == before


def test_ready_graphs_are_shown_and_handed_to_the_trainer(api: Api) -> None:
    graphs = str(_text(api.data / "graphs.jsonl", ""))

    made = api.client.post("/v1/datasets", json={"name": "ready", "source": api.file(), "graphs": graphs}).json()

    assert made["graphs"] == graphs
    with api.database.read() as session:
        spec = trainer_spec(session, run_id=made["run"], artifacts=api.data)
    assert (spec["graphs"], spec["source"]) == (graphs, made["source"])


def test_a_data_set_without_ready_graphs_shows_none(api: Api) -> None:
    assert api.client.post("/v1/datasets", json={"name": "ours", "source": api.file()}).json()["graphs"] is None


def test_rows_that_the_run_can_read_pass_the_first_look(api: Api) -> None:
    row = '{"func": "int f(void) { return 0; }", "target": 1}'
    digits = f'{{"func": "int f(void) {{ return 0; }}", "target": 1, "hash": {"9" * 5000}}}'
    files = {"commas": f"{row},\n{row},\n", "several": f"{row} {row}\n", "digits": f"{digits}\n"}

    answers = {
        name: api.client.post(
            "/v1/datasets", json={"name": name, "source": str(_text(api.data / f"{name}.jsonl", text))}
        )
        for name, text in files.items()
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(files, 202)
