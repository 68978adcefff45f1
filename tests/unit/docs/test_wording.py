"""Pages use the field's terms, and none of the words that only this project once used."""

import re

import pytest

from tests.unit.docs.pages import REPOSITORY, markdown_files

PRIVATE = re.compile(
    r"\b(house|houses|doorbells?|couriers?|famil(?:y|ies)|lifelines?|rings?|rung|front door)\b", re.IGNORECASE
)
PAGES = [str(page.relative_to(REPOSITORY)) for page in markdown_files()]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_uses_no_private_words(page: str) -> None:
    lines = (REPOSITORY / page).read_text("utf-8").splitlines()

    assert [line for line in lines if PRIVATE.search(line)] == []
