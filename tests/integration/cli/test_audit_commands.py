"""`cellgate whoami` and `cellgate audit`: who one is, and who did what."""

import json
from pathlib import Path

from service.domain.principals import LOCAL
from tests.integration.cli.conftest import Cellgate


def test_what_was_done_is_listed_exported_and_filtered(cellgate: Cellgate, tmp_path: Path) -> None:
    for verb in ("drain", "resume", "drain", "resume"):
        cellgate("worker", verb, "worker-1")

    listed = cellgate("audit", "ls", "--limit", "3")
    drained = json.loads(cellgate("audit", "ls", "--action", "drain_worker", "--json").out)
    exported = cellgate("audit", "export", tmp_path / "audit.jsonl", "--object", "worker-1")
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()]

    assert [line.split()[2:5] for line in listed.out.splitlines()[1:-1]] == [
        ["local", "resume_worker", "worker-1"],
        ["local", "drain_worker", "worker-1"],
        ["local", "resume_worker", "worker-1"],
    ]
    assert [(entry["principal_id"], entry["object_id"]) for entry in drained] == [(LOCAL.id, "worker-1")] * 2
    assert (exported.code, len(lines)) == (0, 4)
    assert "4 entries" in exported.out
    assert [line["action"] for line in lines] == ["resume_worker", "drain_worker"] * 2
    assert cellgate("audit", "ls", "--since", "yesterday").code == 3


def test_one_is_told_who_one_is(cellgate: Cellgate) -> None:
    shown = cellgate("whoami")

    assert (shown.code, shown.out) == (0, f"local ({LOCAL.id}), scope admin, without an end\n")
    assert json.loads(cellgate("whoami", "--json").out)["principal_id"] == LOCAL.id
