"""The table of rights in the docs is the one that the code declares."""

from scripts.write_rights import PAGE, rewritten


def test_the_table_of_rights_is_as_the_code_declares_it() -> None:
    text = PAGE.read_text("utf-8")

    assert text == rewritten(text), "run `python scripts/write_rights.py`"
