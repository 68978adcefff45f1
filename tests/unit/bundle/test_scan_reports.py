"""What was found in files, as text, JSON and SARIF: the same findings, on the lines of the files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.hostile_text import EVERYTHING, HOSTILE, hidden_characters
from tests.sarif_rules import check_sarif
from tests.scans import FIRST, scanned
from trainers.bundle.attribution import Occluder
from trainers.bundle.sarif import as_sarif
from trainers.bundle.scan_report import as_json, as_text
from trainers.bundle.scan_results import Scan, ScoredFunction, WeighedLine
from trainers.bundle.source_tree import Reason


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in the working folder, one of them with a blank in its name, one of no text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a file.c").write_text(FIRST)
    (tmp_path / "src" / "b.h").write_text("int declared(int);\n")
    return tmp_path


def test_text_has_a_line_for_each_finding_and_its_heaviest_lines_and_counts_all(folder: Path) -> None:
    found = scanned(folder)

    assert as_text(found).split("\n") == [
        "src/a file.c:3: warning: first may be vulnerable: probability 0.8750",
        "src/a file.c:5: note: adds 1.50 to the log-odds: gets(p);",
        f"1 of 2 functions in 2 files are at or above 0.4000 (bundle {found.manifest.id})",
        "",
    ]


def test_json_has_every_function_with_its_verdict_and_lines_of_the_file(folder: Path) -> None:
    reported = json.loads(as_json(scanned(folder)))

    assert [file["path"] for file in reported["files"]] == ["src/a file.c", "src/b.h"]
    first, second = reported["files"][0]["functions"]
    assert reported["files"][1]["functions"] == []
    assert (first["name"], first["start_line"], first["end_line"], first["verdict"]) == ("first", 3, 7, "vulnerable")
    assert first["weights"] == [{"start_line": 5, "end_line": 5, "log_odds": 1.5}]
    assert (second["name"], second["verdict"], second["probability"]) == ("second", "not_vulnerable", 0.125)
    assert second["weights"] is None
    assert reported["problems"] == []


def test_sarif_has_a_result_for_each_finding_and_keeps_to_the_standard(folder: Path) -> None:
    log = json.loads(as_sarif(scanned(folder)))

    check_sarif(log)
    (run,) = log["runs"]
    (result,) = run["results"]
    assert result["level"] == "warning"
    assert result["message"]["text"] == "first may be vulnerable: probability 0.8750, threshold 0.4000."
    (location,) = result["locations"]
    region = {"startLine": 3, "startColumn": 1, "endLine": 7, "endColumn": 2}
    artifact = {"uri": "src/a%20file.c", "uriBaseId": "%SRCROOT%", "index": 0}
    assert location["physicalLocation"] == {"artifactLocation": artifact, "region": region}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "first", "kind": "function"}]
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["region"] == {"startLine": 5, "startColumn": 1, "endLine": 5, "endColumn": 13}
    assert result["properties"]["probability"] == 0.875
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    assert run["properties"]["threshold"] == 0.4


def test_a_file_outside_the_working_folder_has_a_whole_uri(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("out side") / "f.c"
    outside.write_text(FIRST)

    log = json.loads(as_sarif(scanned(folder, str(outside))))

    check_sarif(log)
    assert log["runs"][0]["artifacts"] == [{"location": {"uri": outside.as_uri()}}]


def test_what_others_wrote_neither_acts_on_a_terminal_nor_hides_in_a_message(folder: Path) -> None:
    (folder / "src" / "evil\x1b[2J\u202e.c").write_text(FIRST.replace("gets(p);", f"gets(p); /* {EVERYTHING} */"))
    (folder / "src" / "broken\u200b.c").write_bytes(b"\xff\x00")
    (folder / "src" / "latin\u200b.c").write_bytes(b"// \xff")
    found = scanned(folder)

    text, log = as_text(found), json.loads(as_sarif(found))

    assert hidden_characters(text) == []
    assert "src/evil\\x1b[2J\\u202e.c:5: note: " in text
    check_sarif(log)
    (run,) = log["runs"]
    notifications = run["invocations"][0]["toolExecutionNotifications"]
    assert notifications
    told = [one["message"]["text"] for one in (*run["results"], *notifications)]
    assert [one for one in told if hidden_characters(one)] == []


def with_function(found: Scan, **changes: Any) -> Scan:
    """The scan with its first finding alone, changed."""
    finding = found.findings[0]
    one: ScoredFunction = replace(finding.function, **changes)
    file = replace(finding.file, functions=(one,))
    return replace(found, files=(file,), findings=(replace(finding, file=file, function=one),))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[click](http://evil)", "\\[click\\](http://evil)"),
        ("f{0}", "f{{0}}"),
        ("operator[]", "operator[]"),
        *((text, shown) for text, shown in HOSTILE.values()),
    ],
)
def test_a_function_s_name_is_neither_a_link_nor_a_placeholder_in_sarif(name: str, shown: str, folder: Path) -> None:
    found = scanned(folder)
    named = with_function(found, name=name)

    (result,) = json.loads(as_sarif(named))["runs"][0]["results"]

    assert result["message"]["text"].startswith(f"{shown} may be vulnerable")
    (location,) = result["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == name


def test_a_log_without_findings_keeps_to_the_standard(folder: Path) -> None:
    log = json.loads(as_sarif(scanned(folder, threshold=0.9)))

    check_sarif(log)
    assert log["runs"][0]["results"] == []


def test_what_is_passed_over_and_what_was_odd_is_told_everywhere_and_the_others_are_scored(folder: Path) -> None:
    (folder / "src" / "old.c").write_bytes(b"// \xe4\nint f(char *p) { return *gets(p); }\n")
    (folder / "src" / "picture.c").write_bytes(bytes(range(32)))
    (folder / "src" / "notes.md").touch()

    found = scanned(folder)

    log = json.loads(as_sarif(found))
    check_sarif(log)
    (invocation,) = log["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is True
    told = {one["level"]: one["message"]["text"] for one in invocation["toolExecutionNotifications"][:1]}
    assert told == {"note": "src/old.c: byte 0xe4 at position 3 is no UTF-8: read as Latin-1"}
    assert len(log["runs"][0]["results"]) == 2
    reported = json.loads(as_json(found))
    assert [note["path"] for note in reported["notes"]] == ["src/old.c"]
    assert {one["reason"]: one["examples"] for one in reported["passed_over"]} == {
        "binary": ["src/picture.c"],
        "no_source": ["src/notes.md"],
    }
    assert "note: src/old.c: byte 0xe4" in as_text(found)
    assert "note: passed over, binary: 1 file (src/picture.c)" in as_text(found)


def test_a_folder_without_a_source_file_is_an_empty_scan_and_one_with_is_none(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "empty" / "a.py").touch()

    assert scanned(folder, "empty").is_empty
    assert scanned(folder, exclude=["*.c", "*.h"]).is_empty
    assert not scanned(folder, "src/b.h").is_empty
    assert scanned(folder, exclude=["*.c", "*.h"]).passed[Reason.EXCLUDED].files == 2


def test_a_file_that_is_named_twice_is_scored_once(folder: Path) -> None:
    assert [file.path.name for file in scanned(folder, "src/a file.c", "src").files] == ["a file.c", "b.h"]


def fingerprints(folder: Path, *paths: str) -> list[str]:
    return [finding.function.fingerprint for finding in scanned(folder, *paths).findings]


def test_a_fingerprint_stays_while_the_function_moves_and_differs_between_equal_ones(folder: Path) -> None:
    path = folder / "src" / "a file.c"
    before = fingerprints(folder)[0]

    path.write_text("int above(void) { return 1; }\n" + FIRST.replace("    ", "\t"))
    moved = scanned(folder).findings[0].function
    path.write_text(FIRST + FIRST)
    twice = fingerprints(folder)
    path.write_text(FIRST.replace("*p;", "p[1];"))
    changed = fingerprints(folder)[0]

    assert moved.start_line == 4
    assert moved.fingerprint == before
    assert fingerprints(folder, str(path))[0] == changed
    assert twice[0] == before
    assert len({before, changed, *twice}) == 3


def test_what_the_models_did_not_see_is_reported(folder: Path) -> None:
    found = scanned(folder)
    verdict = found.findings[0].function.verdict
    unseen = replace(verdict, text_truncated=True, graph_truncated=True, graph_quality="partial")
    reported = with_function(found, verdict=unseen)

    caveats = (
        "; the text model read its head and tail only; the graph model read its beginning only; parts of it did "
        "not parse"
    )
    assert caveats in as_text(reported)
    assert f"threshold 0.4000{caveats}." in json.loads(as_sarif(reported))["runs"][0]["results"][0]["message"]["text"]


def test_a_verdict_too_near_the_threshold_is_told_as_less_than_a_warning(folder: Path) -> None:
    found = scanned(folder)
    verdict = replace(found.findings[0].function.verdict, abstains=True)
    reported = with_function(found, verdict=verdict)

    [result] = json.loads(as_sarif(reported))["runs"][0]["results"]
    assert (result["level"], result["properties"]["abstains"]) == ("note", True)
    assert "; too near the threshold to be sure." in result["message"]["text"]
    assert "; too near the threshold to be sure" in as_text(reported)
    assert json.loads(as_json(reported))["files"][0]["functions"][0]["abstains"] is True


def test_lines_of_a_run_of_lines_are_reported_with_its_end(folder: Path) -> None:
    found = scanned(folder)
    weights = (WeighedLine(start_line=4, end_line=6, end_column=15, log_odds=0.25, text="{"),)
    reported = with_function(found, weights=weights)

    assert "src/a file.c:4: note: adds 0.25 to the log-odds: { (to line 6)" in as_text(reported)
    (related,) = json.loads(as_sarif(reported))["runs"][0]["results"][0]["relatedLocations"]
    region = {"startLine": 4, "startColumn": 1, "endLine": 6, "endColumn": 15}
    assert related["physicalLocation"]["region"] == region


def test_what_is_too_large_is_listed_as_not_scored_with_the_reason_and_the_rest_is_scored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.bundle.file_scoring.MAX_FUNCTION_BYTES", 200)
    monkeypatch.setattr("trainers.bundle.source_text.MAX_FILE_BYTES", 2_000)
    (folder / "src" / "long.c").write_text(
        "int good(void) { return 1; }\nvoid long_one(void) {" + " g();" * 100 + "}\n"
    )
    (folder / "src" / "huge.c").write_text("void f(void) {}\n" * 1_000)

    found = scanned(folder)

    assert [one.name for file in found.files for one in file.functions] == ["first", "second", "good"]
    huge, long = (problem for _, problem in found.problems)
    assert (huge.where, long.where) == ("src/huge.c", "src/long.c")
    assert "2000 bytes" in huge.expected
    assert "long_one in line 2" in long.found
    assert "not scored" in as_text(found)
    check_sarif(json.loads(as_sarif(found)))


def test_a_quote_that_nothing_closes_stays_and_a_string_goes() -> None:
    source = "void f() {\n  g(\"}\", '{', x); // don't {\n}"

    (occlusion,) = Occluder(source, log_odds=0.0).next_parts()

    assert occlusion.source == "void f() {\n{\n}"
