"""`python -m trainers bundle` and `predict`: from finished runs to findings on the lines of files."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.sarif_rules import check_sarif
from tests.trained_runs import PLANTED, planted_function
from tests.warm_trainers import WarmTrainers
from trainers.__main__ import main
from trainers.commands.predict import FOUND, NOTHING_SCORED


def run_command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, output and errors."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    reported = capsys.readouterr()
    return code, reported.out, reported.err


@pytest.fixture(scope="module")
def bundle(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of both models, packed by the command line."""
    target = tmp_path_factory.mktemp("packed") / "bundle"
    runs = [argument for name in ("t", "g") for argument in ("--run", str(planted / name))]
    dataset = ["--dataset", str(planted / "prepare" / "dataset")]
    notes = ["--licence-notes", "made for a test", "--compare", "20", "--text-weight", "0.5"]
    assert main(["bundle", "pack", "--kind", "ensemble", *runs, *dataset, *notes, "--out", str(target)]) == 0
    return target


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A C file of four functions, the second and the fourth vulnerable; a C++ file of one that is not; a header."""
    monkeypatch.chdir(tmp_path)
    functions = [planted_function(number)[0] for number in (1000, 1001, 1002, 1003)]
    (tmp_path / "four.c").write_text("#include <stdio.h>\n\n" + "\n\n".join(functions) + "\n")
    (tmp_path / "one.cpp").write_text("namespace a {\n" + planted_function(1004)[0] + "\n}\n")
    (tmp_path / "none.h").write_text("int f(char *line);\n")
    return tmp_path


def planted_lines(path: Path) -> list[int]:
    return [number for number, line in enumerate(path.read_text().split("\n"), start=1) if line == PLANTED]


def test_the_requested_models_are_packed(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())

    code, out, _ = run_command(capsys, "bundle", "check", bundle)

    assert (manifest["text_weight"], manifest["graph_weight"]) == (0.5, 0.5)
    assert manifest["licence_notes"] == "made for a test"
    assert manifest["agreement"]["functions"] == 20
    assert code == 0
    reported = json.loads(out)
    assert (reported["id"], reported["kind"]) == (manifest["id"], "ensemble")
    assert reported["self_test_difference"] <= 1e-6


def test_the_vulnerable_functions_are_found_on_their_lines_and_the_exit_code_says_so(
    bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_command(capsys, "predict", bundle, "four.c", "one.cpp", "none.h")

    assert (code, err) == (FOUND, "")
    found = [line for line in out.split("\n") if ": warning: " in line]
    assert [line.split(" may be ")[0].split(": warning: ")[1] for line in found] == ["f1001", "f1003"]
    heaviest = [out.split("\n")[out.split("\n").index(line) + 1] for line in found]
    first, second = planted_lines(files / "four.c")
    assert heaviest[0].startswith(f"four.c:{first}: note: ")
    assert heaviest[1].startswith(f"four.c:{second}: note: ")
    assert "2 of 5 functions in 3 files are at or above" in out


def test_sarif_of_a_folder_keeps_to_the_standard_and_names_the_line(
    bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run_command(capsys, "predict", bundle, ".", "--format", "sarif")

    log = json.loads(out)
    check_sarif(log)
    assert code == FOUND
    results = log["runs"][0]["results"]
    heaviest = [result["relatedLocations"][0]["physicalLocation"] for result in results]
    assert sorted(place["region"]["startLine"] for place in heaviest) == planted_lines(files / "four.c")
    assert {place["artifactLocation"]["uri"] for place in heaviest} == {"four.c"}


@pytest.mark.parametrize(
    ("explain", "explained"), [("none", [False] * 4), ("findings", [False, True] * 2), ("all", [True] * 4)]
)
def test_the_requested_functions_are_explained(
    explain: str, explained: list[bool], bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run_command(capsys, "predict", bundle, files / "four.c", "--format", "json", "--explain", explain)

    (file,) = json.loads(out)["files"]
    assert [function["weights"] is not None for function in file["functions"]] == explained


def test_another_threshold_gives_other_verdicts_of_the_same_probabilities(
    bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def reported(*options: str) -> tuple[int, list[tuple[float, str]]]:
        code, out, _ = run_command(capsys, "predict", bundle, files / "four.c", "--format", "json", *options)
        return code, [(one["probability"], one["verdict"]) for one in json.loads(out)["files"][0]["functions"]]

    _, usual = reported()
    code, sure = reported("--threshold", "1")
    _, every = reported("--threshold", "0")

    assert [p for p, _ in usual] == [p for p, _ in sure] == [p for p, _ in every]
    # What a model is sure of may be rounded to 1.
    assert [verdict for _, verdict in sure] == ["vulnerable" if p >= 1 else "not_vulnerable" for p, _ in usual]
    assert code == (9 if any(p >= 1 for p, _ in usual) else 0)
    assert {verdict for _, verdict in every} == {"vulnerable"}
    assert sure != every


def test_no_finding_is_success_and_a_file_takes_the_output(
    bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run_command(capsys, "predict", bundle, "one.cpp", "--format", "json", "--out", "report.json")

    assert (code, out, err) == (0, "", "")
    (file,) = json.loads((files / "report.json").read_text())["files"]
    assert [function["name"] for function in file["functions"]] == ["a::f1004"]


def test_a_file_of_another_encoding_is_scored_with_a_note(
    bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "old.c").write_bytes(b"/* \xfc */ int f(void) { return 0; }")

    code, out, err = run_command(capsys, "predict", bundle, "old.c")

    assert (code, err) == (0, "")
    assert "note: old.c: byte 0xfc at position 3 is no UTF-8: read as Latin-1" in out
    assert "0 of 1 functions in 1 files" in out


def test_a_finding_counts_more_than_a_file_that_cannot_be_read_and_that_more_than_none(
    bundle: Path, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.bundle.source_text.MAX_FILE_BYTES", 10_000)
    (files / "huge.c").write_text("int x;\n" * 2_000)

    code, out, err = run_command(capsys, "predict", bundle, "huge.c", "four.c")
    alone, *_ = run_command(capsys, "predict", bundle, "huge.c", "one.cpp")

    assert (code, alone) == (FOUND, 3)
    assert "huge.c: found more bytes than that" in err
    assert "f1001 may be vulnerable" in out


def test_nothing_to_score_is_no_success(bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "docs").mkdir()
    (files / "docs" / "a.md").touch()

    code, out, _ = run_command(capsys, "predict", bundle, "docs")

    assert code == NOTHING_SCORED
    assert "passed over, no C or C++ by its suffix: 1 file (.md 1)" in out


def test_findings_that_are_known_or_suppressed_are_success(
    bundle: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(capsys, "predict", bundle, ".", "--format", "sarif", "--out", "known.sarif")
    (files / "mine").write_text("four.c f100[13] # planted for a test\n")

    known, *_ = run_command(capsys, "predict", bundle, ".", "--baseline", "known.sarif")
    suppressed, out, _ = run_command(capsys, "predict", bundle, ".", "--suppressions", "mine")

    assert (known, suppressed) == (0, 0)
    assert "four.c:15: note: suppressed: f1001" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.c"], 3, "nowhere.c: found nothing"),
        (["four.c", "--threshold", "2"], 2, "threshold: found 2.0"),
        (["four.c", "--out", "no/such/../../four.c/x"], 2, "cannot be written"),
    ],
)
@pytest.mark.usefixtures("files")
def test_wrong_usage_is_reported_with_its_exit_code(
    arguments: list[str], code: int, words: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, err = run_command(capsys, "predict", bundle, *arguments)

    assert found == code
    assert words in err


def test_a_folder_that_is_no_bundle_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(capsys, "predict", files, "four.c")[0] == 3
    assert run_command(capsys, "bundle", "check", files)[0] == 3


def test_runs_that_cannot_be_packed_are_reported(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--dataset", planted / "prepare" / "dataset", "--run", planted / "t", "--out", tmp_path / "bundle"]

    code, _, err = run_command(capsys, "bundle", "pack", "--kind", "fusion", *arguments)

    assert code == 2
    assert "expected fusion and gnn and transformer" in err
    assert not (tmp_path / "bundle").exists()


def test_the_command_line_prints_its_output_and_nothing_else(warm: WarmTrainers, bundle: Path, files: Path) -> None:
    done = warm.run("predict", str(bundle), str(files / "one.cpp"), "--format", "json")

    # Standard output and error in one.
    assert (done.returncode, len(json.loads(done.stderr)["files"])) == (0, 1)


# It imports all that the one above has imported before.
@pytest.mark.slow
def test_a_cold_start_of_it_prints_nothing_else_either(trainer: Any, bundle: Path, files: Path) -> None:
    process: subprocess.Popen[str] = trainer.start("predict", str(bundle), str(files / "one.cpp"), "--format", "json")
    out, err = process.communicate(timeout=120)

    assert (process.returncode, err) == (0, "")
    assert len(json.loads(out)["files"]) == 1
