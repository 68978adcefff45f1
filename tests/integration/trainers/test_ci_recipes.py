"""The recipes for CI in docs/how-to/ci.md do what they say, on a tiny checkout and with a real bundle."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.github_sarif import check_github
from tests.trained_runs import planted_function
from trainers.__main__ import main
from trainers.bundle.suppressions import read_suppressions
from trainers.commands.predict import FOUND

RECIPES = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "ci.md"
# Writes its arguments down, and ends as the command would that found something.
SHIM = "#!/bin/sh\nprintf '%s\\0' \"$@\" > called\nexit ${CODE:-9}\n"


def blocks() -> list[str]:
    return re.findall(r"^```(?:yaml)?\n(.*?)^```", RECIPES.read_text(), re.DOTALL | re.MULTILINE)


def recipe(name: str) -> Any:
    """The recipe whose first line names a file."""
    return next(yaml.safe_load(block) for block in blocks() if block.startswith(f"# {name}\n"))


@pytest.fixture
def checkout(
    planted: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A checkout with one function more than its commit, a vulnerable one, and a bundle where the recipes say."""
    shared = tmp_path_factory.getbasetemp() / "recipes" / "bundle"
    if not shared.exists():
        arguments = ["--run", planted / "t", "--dataset", planted / "prepare" / "dataset", "--out", shared]
        assert main(["bundle", "pack", "--kind", "single", "--compare", "8", *map(str, arguments)]) == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bundle").symlink_to(shared)
    (tmp_path / "a.c").write_text(planted_function(1000)[0] + "\n")
    (tmp_path / "cellgate").write_text(SHIM)
    (tmp_path / "cellgate").chmod(0o755)
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for command in (["init", "-q"], ["add", "a.c"], ["commit", "-qm", "first"]):
        subprocess.run(["git", *identity, *command], check=True, capture_output=True)
    (tmp_path / "a.c").write_text(f"{planted_function(1000)[0]}\n{planted_function(1001)[0]}\n")
    return tmp_path


def run_script(script: str, **environment: str) -> tuple[int, list[str]]:
    """Run a recipe's shell lines as its host does; return their exit code and the arguments of `cellgate`."""
    path = f"{Path.cwd()}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", "-e", "-c", script], env={**os.environ, "PATH": path, **environment}, check=False)
    return done.returncode, Path("called").read_bytes().decode().split("\0")[:-1]


def test_github_s_job_uploads_findings_and_fails_only_when_something_was_not_scored(checkout: Path) -> None:
    workflow = recipe(".github/workflows/cellgate.yml")
    job = workflow["jobs"]["score"]
    (script,) = (step["run"] for step in job["steps"] if step.get("name") == "Score")
    (upload,) = (step["with"] for step in job["steps"] if "upload-sarif" in step.get("uses", ""))

    code, arguments = run_script(script, **job["env"])

    assert code == 0
    assert [run_script(script, CODE=other, **job["env"])[0] for other in ("0", "2", "3", "12")] == [0, 1, 1, 1]
    assert main(arguments) == FOUND
    check_github(json.loads((checkout / upload["sarif_file"]).read_text()))
    assert workflow["permissions"]["security-events"] == "write"


def test_gitlab_s_job_scores_what_the_request_changes_and_warns_of_findings(checkout: Path) -> None:
    job = recipe(".gitlab-ci.yml")["cellgate"]
    script = "\n".join(line for line in job["script"] if not line.startswith("pip install"))
    base = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    code, arguments = run_script(
        script, CI_MERGE_REQUEST_DIFF_BASE_SHA=base, **{k: v for k, v in job["variables"].items() if k == "BUNDLE"}
    )

    assert [code] == job["allow_failure"]["exit_codes"] == [FOUND]
    assert main(arguments) == FOUND
    (report,) = job["artifacts"]["paths"]
    told = (checkout / report).read_text()
    assert "f1001 may be vulnerable" in told
    assert "1 of 1 functions in 1 files" in told


def test_the_hook_scores_the_functions_that_differ_from_the_last_commit(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (hook,) = recipe(".pre-commit-config.yaml")["repos"][0]["hooks"]

    _, arguments = run_script(f"{hook['entry']} a.c")

    assert main(arguments) == FOUND
    assert "1 of 1 functions in 1 files" in capsys.readouterr().out
    (checkout / "a.c").write_text(planted_function(1000)[0] + "\n")
    assert main(arguments) == 0


def test_the_suppressions_that_are_shown_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "shown").write_text(blocks()[-1])

    assert len(read_suppressions(tmp_path / "shown").lines) == 3
