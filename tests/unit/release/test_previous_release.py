"""Compatibility tests need the release before this one, so its commit must be there and be an earlier version."""

import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

from tests.previous_release import COMMITS, VERSION

REPOSITORY = Path(__file__).resolve().parents[3]


def version_in(pyproject: str) -> str:
    """Return the version that a pyproject.toml names."""
    return str(tomllib.loads(pyproject)["project"]["version"])


def test_every_commit_of_a_release_has_its_version_and_ours_is_not_earlier() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is a copy of the sources without their history")
    for version, commit in COMMITS.items():
        there = ["git", "show", f"{commit}:pyproject.toml"]
        previous = subprocess.run(there, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
        assert version_in(previous) == version
    assert max(map(Version, COMMITS)) == Version(VERSION)
    # Until the next release has its number, a checkout has that of the last one.
    assert Version(version_in((REPOSITORY / "pyproject.toml").read_text())) >= Version(VERSION)
