"""The reference of the commands is the one that their help gives."""

from scripts.write_cli_reference import PAGE, page


def test_the_reference_of_the_commands_is_as_their_help_has_it() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python scripts/write_cli_reference.py`"
