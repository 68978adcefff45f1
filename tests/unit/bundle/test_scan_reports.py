"""What was found in files, as text, JSON and SARIF: the same findings, on the lines of the files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cellgate.contract.bundle import BundleManifest
from tests.bundle_manifests import manifest_content
from tests.hostile_text import EVERYTHING, HOSTILE, hidden_characters
from tests.sarif_rules import check_sarif
from trainers.bundle.attribution import Weight, occlusions
from trainers.bundle.bundle import Bundle, FunctionVerdict
from trainers.bundle.sarif import as_sarif
from trainers.bundle.scan import Scan, scan
from trainers.bundle.scan_report import as_json, as_text
from trainers.source_functions.division import divide

FIRST = "\n\nint first(char *p)\n{\n    gets(p);\n    return *p;\n}\nint second(void) { return 0; }\n"


class ModelOutputs(Bundle):
    """A bundle that calls functions with `gets` vulnerable and needs no model for it."""

    def __init__(self, folder: Path) -> None:
        self.manifest = BundleManifest.model_validate(manifest_content(folder))

    def predict(
        self, functions: Any, *, threshold: float | None = None, explain: Any = "findings"
    ) -> list[FunctionVerdict]:
        return [self._of(source, 0.4 if threshold is None else threshold, explain) for source in functions]

    def _of(self, source: str, threshold: float, explain: str) -> FunctionVerdict:
        lines = source.split("\n")
        line = next((number for number, text in enumerate(lines, start=1) if "gets" in text), None)
        probability = 0.125 if line is None else 0.875
        explained = explain == "all" or (explain == "findings" and probability >= threshold)
        weights = () if line is None else (Weight(start_line=line, end_line=line, log_odds=1.5),)
        return FunctionVerdict(
            probability=probability,
            threshold=threshold,
            graph_quality="parsed",
            text_truncated=False,
            graph_truncated=False,
            weights=weights if explained else None,
        )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in the working folder, one of them with a blank in its name, one of no text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a file.c").write_text(FIRST)
    (tmp_path / "src" / "b.h").write_text("int declared(int);\n")
    return tmp_path


def scanned(folder: Path, *paths: str, **options: Any) -> Scan:
    chosen = {"threshold": None, "explain": "findings", **options}
    return scan(ModelOutputs(folder / "none"), [Path(path) for path in paths] or [Path("src")], **chosen)


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
    artifact = {"uri": "src/a%20file.c", "uriBaseId": "%SRCROOT%", "index": 0}
    assert location["physicalLocation"] == {"artifactLocation": artifact, "region": {"startLine": 3, "endLine": 7}}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "first", "kind": "function"}]
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["region"] == {"startLine": 5, "endLine": 5}
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
    file = found.files[0]
    one = replace(file.functions[0], function=replace(file.functions[0].function, name=name))
    named = replace(found, files=[replace(file, functions=[one])])

    (result,) = json.loads(as_sarif(named))["runs"][0]["results"]

    assert result["message"]["text"].startswith(f"{shown} may be vulnerable")
    (location,) = result["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == name


def test_a_log_without_findings_keeps_to_the_standard(folder: Path) -> None:
    log = json.loads(as_sarif(scanned(folder, threshold=0.9)))

    check_sarif(log)
    assert log["runs"][0]["results"] == []


def test_a_file_that_cannot_be_read_is_reported_everywhere_and_the_others_are_scored(folder: Path) -> None:
    (folder / "src" / "old.c").write_bytes(b"// \xe4\n")

    found = scanned(folder)

    log = json.loads(as_sarif(found))
    check_sarif(log)
    (invocation,) = log["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert "byte 0xe4 at position 3" in notification["message"]["text"]
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "src/old.c"
    assert len(log["runs"][0]["results"]) == 1
    assert [problem["where"] for problem in json.loads(as_json(found))["problems"]] == ["src/old.c"]
    assert "error: src/old.c: found byte 0xe4" in as_text(found)


def test_a_file_that_is_named_twice_is_scored_once(folder: Path) -> None:
    assert [file.path.name for file in scanned(folder, "src/a file.c", "src").files] == ["a file.c", "b.h"]


def test_a_fingerprint_stays_while_the_function_moves_and_differs_between_equal_ones(folder: Path) -> None:
    path = folder / "src" / "a file.c"
    before = scanned(folder).findings[0][1].fingerprint

    path.write_text("int above(void) { return 1; }\n" + FIRST.replace("    ", "\t"))
    moved = scanned(folder).findings[0][1]
    path.write_text(FIRST + FIRST)
    twice = [one.fingerprint for _, one in scanned(folder).findings]
    path.write_text(FIRST.replace("*p;", "p[1];"))
    changed = scanned(folder).findings[0][1].fingerprint

    assert moved.function.start_line == 4
    assert moved.fingerprint == before
    assert scanned(folder, str(path)).findings[0][1].fingerprint == changed
    assert twice[0] == before
    assert len({before, changed, *twice}) == 3


def test_what_the_models_did_not_see_is_reported(folder: Path) -> None:
    found = scanned(folder)
    file, one = found.findings[0]
    unseen = replace(one.prediction, text_truncated=True, graph_truncated=True, graph_quality="partial")
    reported = replace(found, files=(replace(file, functions=(replace(one, prediction=unseen),)),))

    caveats = (
        "; the text model read its head and tail only; the graph model read its beginning only; parts of it did "
        "not parse"
    )
    assert caveats in as_text(reported)
    assert f"threshold 0.4000{caveats}." in json.loads(as_sarif(reported))["runs"][0]["results"][0]["message"]["text"]


def test_lines_of_a_run_of_lines_are_reported_with_its_end(folder: Path) -> None:
    found = scanned(folder)
    file, one = found.findings[0]
    assert divide(FIRST, suffix=".c").functions[0] == one.function
    weights = (Weight(start_line=4, end_line=6, log_odds=0.25),)
    reported = replace(found, files=(replace(file, functions=(replace(one, weights=weights),)),))

    assert "src/a file.c:4: note: adds 0.25 to the log-odds: { (to line 6)" in as_text(reported)
    region = json.loads(as_sarif(reported))["runs"][0]["results"][0]["relatedLocations"][0]["physicalLocation"][
        "region"
    ]
    assert region == {"startLine": 4, "endLine": 6}


def test_what_is_too_large_is_listed_as_not_scored_with_the_reason_and_the_rest_is_scored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.bundle.scan.MAX_FUNCTION_BYTES", 200)
    monkeypatch.setattr("trainers.bundle.c_functions.MAX_FILE_BYTES", 2_000)
    (folder / "src" / "long.c").write_text(
        "int good(void) { return 1; }\nvoid long_one(void) {" + " g();" * 100 + "}\n"
    )
    (folder / "src" / "huge.c").write_text("void f(void) {}\n" * 1_000)

    found = scanned(folder)

    assert [one.function.name for file in found.files for one in file.functions] == ["first", "second", "good"]
    huge, long = found.problems
    assert (huge.where, long.where) == ("src/huge.c", "src/long.c")
    assert "2000 bytes" in huge.expected
    assert "long_one in line 2" in long.found
    assert "not scored" in as_text(found)
    check_sarif(json.loads(as_sarif(found)))


def test_a_quote_that_nothing_closes_stays_and_a_string_goes() -> None:
    source = "void f() {\n  g(\"}\", '{', x); // don't {\n}"

    (occlusion,) = occlusions(source)

    assert occlusion.source == "void f() {\n{\n}"
