"""`cellgate set`, `rm`, `prune`, `du`, `uploads`, `backup` and `restore`."""

import json
import stat
from pathlib import Path

import pytest

from service.settings import Settings
from service.store.audit import list_audit
from service.store.database import Database
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer
from worker.housekeeping import Housekeeper


def test_metadata_is_set_and_archived_things_leave_the_list(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    experiment = context.experiment(ready_dataset, "to be archived")
    context.trainers().work()
    run = context.run_of(experiment, "51", 0)

    both = cellgate("set", experiment, run, "--note", "kept", "--label", "stage=final", "--label", "old=x")
    less = cellgate("set", experiment, "--name", "archived", "--label", "old=", "--archived")
    listed, all_listed = (
        {item["id"]: item for item in json.loads(cellgate("ls", *options, "--json").out)}
        for options in ((), ("--archived",))
    )

    assert (both.code, both.out) == (0, f"{experiment} is changed.\n{run} is changed.\n")
    assert less.code == 0
    assert experiment not in listed
    found = all_listed[experiment]
    assert (found["name"], found["note"], found["labels"]) == ("archived", "kept", {"stage": "final"})
    assert json.loads(cellgate("show", run, "--json").out)["labels"] == {"old": "x", "stage": "final"}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["set", f"exp_{'0' * 26}"], "nothing to set"),
        (["set", f"exp_{'0' * 26}", "--label", "x"], "expected KEY=VALUE"),
        (["prune", "--older-than", "soon"], "expected an age such as 90d"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(
    cellgate: Cellgate, arguments: list[str], shown: str
) -> None:
    outcome = cellgate(*arguments)

    assert outcome.code == 2
    assert shown in " ".join(outcome.err.split())


def test_a_deletion_names_what_depends_on_it_and_a_dry_run_what_would_go(
    context: LiveServer, cellgate: Cellgate
) -> None:
    dataset = context.dataset("to be deleted")
    context.trainers().work()
    experiment = context.experiment(dataset, "on it")
    context.trainers().work()

    refused = cellgate("rm", dataset)
    tried = cellgate("rm", dataset, "--cascade", "--dry-run")
    gone = cellgate("rm", dataset, "--cascade")

    assert refused.code == 3
    assert "1 experiment depends on dataset" in refused.err
    assert tried.out.startswith(f"{dataset} would be deleted: 1 experiment, 5 jobs, ")
    assert gone.out.startswith(f"{dataset} is deleted: 1 experiment, 5 jobs, ")
    assert cellgate("show", experiment).code == 3


def test_pruning_says_what_goes_and_stored_bytes_are_shown_once_they_are_measured(
    context: LiveServer, finished: str, cellgate: Cellgate
) -> None:
    young = cellgate("prune", "--older-than", "90d", "--keep-decisions")
    dry = cellgate("prune", "--older-than", "0d", "--no-keep-decisions", "--dry-run")
    before = cellgate("du")
    settings = Settings(data_dir=context.data.parent)
    Housekeeper(database=context.database, settings=settings).measure()
    after = cellgate("du")
    as_json = json.loads(cellgate("du", "--json").out)

    assert (young.code, young.out) == (0, "nothing; 0 checkpoints: deleted.\n")
    assert finished in dry.out
    assert "would be deleted in the first part" in dry.out
    assert "Nothing is measured yet" in before.out
    assert {"kind", "owner", "files", "size"} <= set(after.out.split())
    assert as_json["size_bytes"] == sum(part["size_bytes"] for part in as_json["parts"]) > 0
    assert cellgate("show", finished).code == 0


def test_uploads_are_listed_with_the_path_that_a_data_set_takes(
    context: LiveServer, cellgate: Cellgate, tmp_path: Path
) -> None:
    file = tmp_path / "sent.jsonl"
    file.write_text('{"func": "int f(void) { return 0; }", "target": 0}\n')
    cellgate("dataset", "add", file, "--upload")

    [found] = json.loads(cellgate("uploads", "--json").out)

    assert (found["name"], found["size_bytes"]) == ("sent.jsonl", file.stat().st_size)
    assert Path(found["source"]).read_bytes() == file.read_bytes()
    assert "sent.jsonl" in cellgate("uploads").out
    context.trainers().work()


def test_a_backup_is_private_and_restores_elsewhere_and_a_cut_one_is_refused(
    context: LiveServer, finished: str, cellgate: Cellgate, tmp_path: Path
) -> None:
    file, cut = tmp_path / "backup", tmp_path / "cut"
    made = cellgate("backup", file, "--data-dir", context.data.parent)
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    refused = cellgate("restore", cut, "--data-dir", tmp_path / "cut-place")
    restored = cellgate("restore", file, "--data-dir", tmp_path / "place")
    again = cellgate("restore", file, "--data-dir", tmp_path / "place")
    nothing = cellgate("restore", tmp_path / "none", "--data-dir", tmp_path / "other")

    assert (made.code, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600)
    assert refused.code == 1
    assert "is damaged" in refused.err
    assert not (tmp_path / "cut-place").exists()
    assert restored.code == 0, restored.err
    assert "decisions are what they were, byte for byte" in restored.out
    assert (tmp_path / "place" / "artifacts" / "runs" / context.run_of(finished, "51", 0)).is_dir()
    assert again.code == 2
    assert "is there already" in again.err
    assert nothing.code == 1
    assert "No such file" in nothing.err
    assert last_entry(context.data.parent) == ("backup", "console", str(file))
    assert last_entry(tmp_path / "place") == ("restore", "console", str(file))


def last_entry(data_dir: Path) -> tuple[str, str, object]:
    """Return action, principal and file of the newest entry of the audit log of a data folder's database."""
    database = Database(f"sqlite:///{data_dir / 'cellgate.db'}")
    with database.read() as session:
        entry = list_audit(session, limit=1)[0]
    database.dispose()
    return entry.action, str(entry.principal), entry.detail["file"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_was_deleted_is_told_although_a_later_id_is_refused(
    context: LiveServer, cellgate: Cellgate, options: list[str]
) -> None:
    dataset = context.dataset("first of two")
    context.trainers().work()

    outcome = cellgate("rm", dataset, f"ds_{'0' * 26}", *options)

    assert outcome.code == 3
    assert (dataset in outcome.out, "there is no" in outcome.err) == (True, True)
