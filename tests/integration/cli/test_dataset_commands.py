"""`cellgate dataset`: inspecting sources, joining several, versions of a name, and sets for evaluation only."""

import json
import re
from pathlib import Path

import pytest

from cellgate.contract.exit_codes import CommandExit
from service.store.datasets import get_dataset
from tests.fakes import inspection
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer


def _rows(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"func": f"int f{number}(void) {{ return {number}; }}", "target": number % 2} for number in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_source_is_inspected_by_a_worker_and_printed(context: LiveServer, cellgate: Cellgate) -> None:
    # A file for `dataset add`.
    config = context.data / "config.yaml"
    config.write_text("name: mine\ngraphs: graphs.jsonl\n")
    with context.trainers().at_work():
        shown = cellgate("dataset", "inspect", _rows(context.data / "rows.jsonl"), "--config", config)
        as_json = json.loads(cellgate("dataset", "inspect", context.data / "rows.jsonl", "--json").out)

    assert shown.code == 0
    assert "NOT used: train 2" in shown.out
    assert as_json == inspection().model_dump(mode="json")


def test_without_a_server_the_files_are_read_here(cellgate: Cellgate, tmp_path: Path) -> None:
    file = _rows(tmp_path / "rows.jsonl")

    shown = cellgate("dataset", "inspect", file, server="http://127.0.0.1:9")

    # Four functions are too few groups for five splits.
    assert shown.code == CommandExit.FAILED
    assert "no server answers: the files are read here" in shown.err
    assert "4 rows in 1 file: 4 functions, 2 of them vulnerable" in shown.out


def test_files_and_folders_are_sent_as_one_data_set(cellgate: Cellgate, tmp_path: Path) -> None:
    first, folder = _rows(tmp_path / "a (1).jsonl"), _rows(tmp_path / "set" / "test" / "b.JSONL").parents[1]

    made = json.loads(cellgate("dataset", "add", first, folder, "--name", "joined", "--upload", "--json").out)

    assert [Path(source).name for source in made["source"]] == ["a-1.jsonl", "test-b.jsonl"]
    assert all(Path(source).is_file() for source in made["source"])


def test_a_name_has_versions_and_an_evaluation_set_is_shown_as_one(context: LiveServer, cellgate: Cellgate) -> None:
    file = _rows(context.data / "versions.jsonl")
    for options in ([], ["--evaluation", "test"]):
        assert cellgate("dataset", "add", file, *options).code == 0
    context.trainers().work()

    first, newest = cellgate("dataset", "show", "versions@1"), cellgate("dataset", "show", "versions")

    assert "evaluation" not in first.out
    assert "Data set versions, version 2 (ds_" in newest.out
    assert "For evaluation only: all functions are in test." in newest.out
    assert re.search(r"versions@2\s+test\s+ready", cellgate("dataset", "ls").out)
    assert cellgate("dataset", "show", "versions@3").code == CommandExit.USAGE


@pytest.mark.parametrize(
    ("option", "sent"),
    [(["--strict"], ("max_left_out_share", 0)), (["--split", "time"], ("split", "time"))],
)
def test_options_stand_for_settings(
    context: LiveServer, cellgate: Cellgate, option: list[str], sent: tuple[str, object]
) -> None:
    made = json.loads(cellgate("dataset", "add", _rows(context.data / "options.jsonl"), *option, "--json").out)

    with context.database.read() as session:
        assert get_dataset(session, made["id"]).spec[sent[0]] == sent[1]
