"""An inspection is readable in 80 columns, says every guess, and never lets a stranger's text act on the terminal."""

import io

from rich.console import Console

from cellgate.cli.inspection_page import show_inspection
from cellgate.contract.inspection import Inspection, Refusal, SampleRow
from tests.fakes import inspection


def _printed(found: Inspection) -> str:
    console = Console(file=io.StringIO(), width=80)
    show_inspection(console, found)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_every_guess_and_everything_left_out_is_printed_in_80_columns() -> None:
    text = _printed(inspection())

    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "No published layout is recognised",
        "3 rows in 1 file: 2 functions, 1 of them vulnerable",
        "a known name",
        "code",
        "Splits of the source (column split), NOT used: train 2",
        "Languages: c 2",
        "1 row left out; by mistake 33.33% of all rows",
        "line 3: found ''",
        "Note: No function has a commit.",
        "A data set can be prepared from this.",
    ):
        assert words in text


def test_a_refusal_is_printed_last_with_the_lines_to_add() -> None:
    refusal = Refusal(
        where="all rows", found="two columns", expected="one", fix="name it", config=["fields: {func: a}", "# or b"]
    )

    lines = _printed(inspection(refusals=[refusal])).splitlines()

    assert lines[-3:] == [
        "all rows: found two columns, expected one; name it",
        "    fields: {func: a}",
        "    # or b",
    ]


def test_text_of_a_stranger_is_shown_and_does_nothing() -> None:
    sample = SampleRow(
        id="[bold]x[/]",
        where="line 1",
        func="int f() {\n\x1b[2J\u202e }",
        target=1,
        split=None,
        project=None,
        commit=None,
        cwe=None,
        pair=None,
        date=None,
    )

    text = _printed(inspection(samples=[sample], layout="\x1b]0;x\x07"))

    assert "[bold]x[/]" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
