"""Every test is run by exactly one of `make test` and `make slow`, and CI runs both."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
MAKEFILE = (REPOSITORY / "Makefile").read_text()


def _recipe(target: str) -> list[str]:
    """Return the lines that a target runs."""
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert rule is not None, f"no target {target}"
    return [line.removeprefix("\t@") for line in rule[1].splitlines()]


def test_the_two_targets_choose_by_one_marker_and_by_nothing_else() -> None:
    assert _recipe("test") == ['$(PYTEST) -m "not slow"']
    assert _recipe("slow") == ["$(PYTEST) -m slow"]
    [command] = re.findall(r"^PYTEST := (.*)$", MAKEFILE, re.MULTILINE)
    assert command == "$(BIN)/pytest -n 2 --dist worksteal"


def test_the_settings_leave_no_test_out() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]

    assert settings["testpaths"] == ["tests"]
    assert settings["addopts"].split() == [
        *("--import-mode=importlib", "--strict-markers", "--strict-config", "-ra"),
        *("-p", "no:schemathesis", "-p", "no:valkey"),
    ]


def test_ci_runs_both() -> None:
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()

    assert {"make test", "make slow"} <= set(lines)
