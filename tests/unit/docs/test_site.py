"""The documentation as a site: it builds without a warning, has every page, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.made_once import made_once, shared_folder
from tests.unit.docs.pages import REPOSITORY, anchor_of, headings, markdown_files

ANCHOR = re.compile(r'<h1 id="([^"]+)"')
LOADED = re.compile(r"<(?:script|img|link)\b[^>]*?\b(?:src|href)=\"?([^\"\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning, such as a link that leads nowhere or a page in no menu, fails the build."""

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return made_once(shared_folder(tmp_path_factory) / "site", build)


def test_the_site_has_every_page(site: Path) -> None:
    anchors = {page: anchor_of(headings(page)[0]) for page in markdown_files()}
    made = {anchor for page in site.rglob("*.html") for anchor in ANCHOR.findall(page.read_text("utf-8"))}

    assert [str(page) for page, anchor in anchors.items() if anchor not in made] == []


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    loaded = {(page.name, found) for page in pages for found in LOADED.findall(page.read_text("utf-8"))}

    assert len(loaded) > len(pages)
    assert [found for found in loaded if re.match(r"[a-z]+:|//", found[1])] == []
