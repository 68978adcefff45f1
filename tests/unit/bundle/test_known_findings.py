"""Findings that an earlier report has, or that a file suppresses with a reason, are not told again as new."""

import json
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.errors import DataError
from tests.sarif_rules import check_sarif
from tests.scans import FIRST, scanned
from trainers.bundle.baseline import read_baseline
from trainers.bundle.sarif import as_sarif
from trainers.bundle.scan_report import as_json, as_text
from trainers.bundle.suppressions import read_suppressions

OTHER = "int other(char *p)\n{\n    return gets(p) != 0;\n}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.c").write_text(FIRST)
    return tmp_path


@pytest.mark.parametrize("write", [as_json, as_sarif])
def test_only_findings_that_the_baseline_lacks_are_reported(write: object, folder: Path) -> None:
    (folder / "before").write_text(write(scanned(folder)))  # type: ignore[operator]
    (folder / "src" / "a.c").write_text("// moved\n" + FIRST + OTHER)

    found = scanned(folder, baseline=Path("before"))

    assert [one.function.name for one in found.open_findings] == ["other"]
    log = json.loads(as_sarif(found))
    check_sarif(log)
    (result,) = log["runs"][0]["results"]
    assert result["baselineState"] == "new"
    assert "1 findings are in the baseline and left out" in as_text(found)
    functions = json.loads(as_json(found))["files"][0]["functions"]
    assert [one["is_new"] for one in functions] == [False, None, True]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"runs": 1}',
        b'{"runs": [{"results": [{}]}]}',
        b'{"runs": [{"tool": {"driver": {"name": "Cellgate"}}, "results": [{"fingerprints": {"function/v0": "a"}}]}]}',
        b'{"runs": [{"tool": {"driver": {"name": "Other"}}, "results": []}]}',
        b'{"schema_version": 2, "files": []}',
        b'{"schema_version": 1, "files": [{"functions": [{"verdict": "vulnerable", "fingerprint": 1}]}]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_baseline_that_is_no_report_is_refused(content: bytes, folder: Path) -> None:
    (folder / "before").write_bytes(content)

    with pytest.raises(DataError, match="the baseline cannot be read"):
        read_baseline(folder / "before")
    with pytest.raises(DataError, match="the baseline cannot be read"):
        read_baseline(folder / "gone")


def test_a_suppressed_finding_is_shown_with_its_reason_and_counts_no_longer(folder: Path) -> None:
    (folder / "src" / "b c.c").write_text(OTHER)
    (folder / ".cellgate-ignore").write_text(
        "# Findings that were looked at.\n\nsrc/*.c first  # read from a file that we write\nsrc/b\\ c.c # {0} [x](y)\n"
    )

    found = scanned(folder)

    assert found.open_findings == []
    text = as_text(found)
    assert "src/a.c:3: note: suppressed: first may be vulnerable: probability 0.8750: read from a file" in text
    assert "2 findings are suppressed by " in text
    log = json.loads(as_sarif(found))
    check_sarif(log)
    told = [result["suppressions"] for result in log["runs"][0]["results"]]
    assert told[0] == [{"kind": "external", "status": "accepted", "justification": "read from a file that we write"}]
    assert json.loads(as_json(found))["files"][0]["functions"][0]["suppressed"] == "read from a file that we write"


def test_a_fingerprint_suppresses_one_finding_until_its_function_changes(folder: Path) -> None:
    (first,) = scanned(folder).findings
    (folder / "mine").write_text(f"{first.function.fingerprint} # checked by the caller\n")

    assert scanned(folder, suppressions=Path("mine")).open_findings == []
    (folder / "src" / "a.c").write_text(FIRST.replace("return *p", "return p[1]"))
    assert len(scanned(folder, suppressions=Path("mine")).open_findings) == 1


def test_a_function_is_named_with_or_without_its_scopes(folder: Path) -> None:
    (folder / "src" / "a.cpp").write_text("namespace n {\n" + OTHER + "}\n")
    (folder / "mine").write_text("/src/ n::oth* # one\n*.c first # two\n")

    assert scanned(folder, suppressions=Path("mine")).open_findings == []
    (folder / "mine").write_text("other other # a file of that name\n* ther # no such function\n")
    assert len(scanned(folder, suppressions=Path("mine")).open_findings) == 2


def test_a_blank_in_the_name_of_a_function_is_written_with_a_backslash(folder: Path) -> None:
    (folder / "src" / "a.c").unlink()
    (folder / "src" / "a.cc").write_text("A::operator const char *() { gets(p); }\n")
    (folder / "mine").write_text("*.cc A::operator\\ const\\ char\\ * # looked at\n")

    assert scanned(folder, suppressions=Path("mine")).open_findings == []


def test_lines_without_a_reason_or_with_too_much_are_refused_all_at_once(folder: Path) -> None:
    path = folder / "mine"
    path.write_text("src/a.c\nsrc/a.c #\na b c # reason\n!x # reason\n*a*a*a*a*a # reason\nok # reason\n")

    with pytest.raises(DataError, match=r"mine, line 1: found no reason, expected PATTERN \[FUNCTION\] # reason") as no:
        read_suppressions(path)

    assert [problem.where.rpartition(" ")[2] for problem in no.value.problems] == ["1", "2", "3", "4", "5"]
    with pytest.raises(DataError, match="the suppressions cannot be read"):
        read_suppressions(folder / "gone")


def test_a_suppression_that_names_no_finding_is_told_where_the_scan_can_judge(folder: Path) -> None:
    (folder / ".git").mkdir()
    lines = ["src/* first # looked at", "src/* gone # it was", "elsewhere/ # of others", f"{'0' * 64} # fixed"]
    (folder / ".cellgate-ignore").write_text("\n".join(lines))

    def told(*paths: str, **options: Any) -> list[str]:
        return [note.split(" names")[0] for _, note in scanned(folder, *paths, **options).notes]

    assert told("src") == ["line 2"]
    assert told(".") == ["line 2", "line 3", "line 4"]
    assert told(".", exclude=["nothing"]) == ["line 2"]
