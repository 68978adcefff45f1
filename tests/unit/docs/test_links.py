"""Relative links of the Markdown pages lead somewhere, and so do the paths that they name."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import REPOSITORY, anchor_of, headings, markdown_files

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
# A path of this repository as pages name it, in code.
NAMED_PATH = re.compile(
    r"`((?:cellgate|service|worker|trainers|migrations|tests|docs|bench|examples|web)/[\w./-]+\.(?:py|md|ts|yaml|yml))`"
)
PAGES = [str(page.relative_to(REPOSITORY)) for page in markdown_files()]


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    path = REPOSITORY / page
    for target in LINK.findall(path.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in {anchor_of(text) for text in headings(found)}, f"{page}: {target} has no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = NAMED_PATH.findall(Path(REPOSITORY / page).read_text("utf-8"))

    assert [path for path in named if not (REPOSITORY / path).exists()] == []
