"""A wheel is built with the dashboard, or only if somebody asks for one without; an editable install needs none."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])('dist')"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The build files beside empty packages: what is checked comes before the sources."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for package in ("cellgate", "service"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    return tmp_path


def build(sources: Path, kind: str = "build_wheel", **environment: str) -> "subprocess.CompletedProcess[str]":
    (sources / "dist").mkdir()
    return subprocess.run(
        [sys.executable, "-c", BUILD, kind],
        cwd=sources,
        env={**{name: value for name, value in os.environ.items() if name != "WITHOUT_DASHBOARD"}, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wheel_without_the_dashboard_is_refused_with_what_to_do(sources: Path) -> None:
    refused = build(sources)

    assert refused.returncode != 0
    assert "make wheel" in refused.stderr
    assert list(sources.glob("dist/*.whl")) == []


def test_a_wheel_without_the_dashboard_is_built_on_request(sources: Path) -> None:
    built = build(sources, WITHOUT_DASHBOARD="1")

    assert built.returncode == 0, built.stderr
    assert len(list(sources.glob("dist/*.whl"))) == 1


def test_a_wheel_carries_the_built_dashboard(sources: Path) -> None:
    static = sources / "service" / "dashboard" / "static"
    static.mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html>")

    built = build(sources)

    assert built.returncode == 0, built.stderr
    [wheel] = sources.glob("dist/*.whl")
    assert "cellgate/_server/service/dashboard/static/index.html" in zipfile.ZipFile(wheel).namelist()


def test_an_editable_install_needs_no_dashboard(sources: Path) -> None:
    built = build(sources, "build_editable")

    assert built.returncode == 0, built.stderr
