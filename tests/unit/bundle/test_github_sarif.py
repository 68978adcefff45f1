"""SARIF as GitHub uses it: what it documents as required or read is there, and its limits are kept."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.github_sarif import check_github, rules
from tests.sarif_rules import check_sarif
from tests.scans import FIRST, scanned
from trainers.bundle.line_hashes import line_hashes
from trainers.bundle.sarif import as_sarif
from trainers.bundle.scan_report import as_text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a twin of a function, a link, and a name of odd bytes, seen from one of its folders."""
    (tmp_path / ".git").mkdir()
    src = tmp_path / "src"
    src.mkdir()
    (src / "a.c").write_text(FIRST + FIRST)
    (src / "link.c").symlink_to("a.c")
    Path(os.fsdecode(os.fsencode(src) + b"/bad\xff.c")).write_text(FIRST.replace("gets(p);", "gets(p); gets(p);"))
    monkeypatch.chdir(src)
    return tmp_path


def log_of(folder: Path, **options: Any) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(as_sarif(scanned(folder, "."), **options))
    check_sarif(log)
    return log


def test_a_log_keeps_to_what_github_documents(folder: Path) -> None:
    check_github(log_of(folder))


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        (("tool", "driver", "rules", 0, "properties", "security-severity"), "0.0"),
        (("tool", "driver", "rules", 0, "properties", "precision"), "good"),
        (("results", 0, "partialFingerprints"), {}),
        (("results", 0, "locations", 0, "physicalLocation", "region"), {"startLine": 1}),
        (("results", 0, "message", "text"), ""),
        (("results", 0, "ruleId"), "another"),
    ],
)
def test_the_check_notices_what_github_would_not_use(place: tuple[str | int, ...], changed: Any, folder: Path) -> None:
    log = copy.deepcopy(log_of(folder))
    inner: Any = log["runs"][0]
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = changed

    with pytest.raises((AssertionError, KeyError)):
        check_github(log)


def test_uris_are_those_of_the_checkout_from_whatever_folder(folder: Path) -> None:
    run = log_of(folder)["runs"][0]

    assert [one["location"]["uri"] for one in run["artifacts"]] == ["src/a.c", "src/bad%FF.c"]


def test_the_line_hash_is_of_the_first_line_of_the_function(folder: Path) -> None:
    results = log_of(folder)["runs"][0]["results"]
    first, second = (
        one for one in results if one["locations"][0]["physicalLocation"]["artifactLocation"]["index"] == 0
    )

    hashes = line_hashes((folder / "src" / "a.c").read_bytes(), [3, 11])

    assert first["partialFingerprints"]["primaryLocationLineHash"] == hashes[3]
    assert second["partialFingerprints"]["primaryLocationLineHash"] == hashes[11]


def test_the_most_probable_come_first_and_those_cut_are_counted(folder: Path) -> None:
    run = log_of(folder, max_results=2)["runs"][0]

    assert [round(result["rank"], 1) for result in run["results"]] == [88.5, 87.5]
    assert run["properties"]["resultsCut"] == 1
    notes = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert "1 more findings are less probable than these and left out" in notes
    text = as_text(scanned(folder, "."), max_results=1)
    assert "bad\\xff.c:3: warning: first" in text
    assert "note: 2 more findings are less probable than these and left out by --max-results" in text


@pytest.mark.parametrize(("threshold", "precision"), [(0.3, "low"), (0.6, "medium")])
def test_no_more_precision_is_claimed_than_the_threshold_allows(threshold: float, precision: str, folder: Path) -> None:
    log = json.loads(as_sarif(scanned(folder, ".", threshold=threshold)))

    assert log["runs"][0]["tool"]["driver"]["rules"][0]["properties"]["precision"] == precision


def test_the_command_writes_no_more_results_than_github_shows() -> None:
    from trainers.commands.predict import MAX_SARIF_RESULTS

    assert rules()["limits"]["results_shown"] == MAX_SARIF_RESULTS
