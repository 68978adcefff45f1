"""Tables of one line per thing: what fits into a terminal, and what is never cut."""

import io

from rich.console import Console

from cellgate.cli.columns import Column, print_rows

ID = "exp_01ARZ3NDEKTSV4RRFFQ69G5FAV"
Thing = tuple[str, str, str]
COLUMNS = (
    Column[Thing](title="id", text=lambda one: one[0]),
    Column[Thing](title="name", text=lambda one: one[1], shortest=10),
    Column[Thing](title="state", text=lambda one: one[2]),
    Column[Thing](title="first to go", text=lambda one: "x" * len(one[0]), rank=2),
    Column[Thing](title="second", text=lambda one: "y" * len(one[0]), rank=1),
)


def shown(*things: Thing, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_rows(console, things, COLUMNS)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_columns_are_left_out_by_rank_until_the_line_fits() -> None:
    assert shown((ID, "first", "ended"))[0].split() == ["id", "name", "state", "second"]
    assert shown((ID, "first", "ended"), width=120)[0].split()[-4:] == ["first", "to", "go", "second"]
    assert shown((ID, "first", "ended"), width=45)[0].split() == ["id", "name", "state"]


def test_a_long_name_is_shortened_before_a_column_that_must_stay_and_takes_the_room_that_is_left() -> None:
    narrow = shown((ID, "n" * 200, "ended"), width=60)[1]
    wide = shown((ID, "n" * 200, "ended"), width=320)[1]

    assert narrow.split() == [ID, "n" * (60 - len(ID) - len("ended") - 5) + "…", "ended"]
    assert wide.split()[1] == "n" * 200


def test_an_id_is_whole_also_where_the_terminal_is_narrower() -> None:
    assert ID in shown((ID, "first", "ended"), width=20)[1]


def test_a_thing_is_one_line_whatever_its_name_holds() -> None:
    lines = shown((ID, "two\nlines\tand a tab", "ended"), width=130)
    assert len(lines) == 2
    assert "two\\nlines and a tab" in lines[1]


def test_characters_of_double_width_take_the_room_that_they_need() -> None:
    line = shown((ID, "漢" * 100, "ended"), width=60)[1]
    assert line.endswith("ended")
    assert "…" in line
