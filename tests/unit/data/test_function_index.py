"""The index of a data set's functions says of each what the data set holds, and where its source is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from tests.finished_runs import prepare_generated
from trainers.data.clean.lexing import lex, own_names
from trainers.data.dataset import Dataset


def test_every_source_lies_where_the_index_says(dataset_folder: Path) -> None:
    dataset = Dataset.open(dataset_folder)
    functions = (dataset_folder / "functions.arrow").read_bytes()

    with closing(sqlite3.connect(dataset_folder / "functions.sqlite")) as index:
        places = index.execute("SELECT begin, bytes FROM functions ORDER BY row").fetchall()

    found = [functions[begin : begin + size].decode() for begin, size in places]
    assert found == dataset.sources(np.arange(len(dataset)))


def test_the_same_functions_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        prepare_generated(tmp_path / name, functions=40)

    first, second = ((tmp_path / name / "dataset" / "functions.sqlite").read_bytes() for name in ("a", "b"))
    assert first == second


def names_of(sources: list[str]) -> list[str | None]:
    lexed = lex(sources)
    return own_names(lexed.words, lexed.own_F)


def test_a_function_is_called_what_its_head_declares() -> None:
    sources = [
        "static int parse(char *p) { return strlen(p); }",
        "EXPORT(x) void run(void) { }",
        "int Widget::draw(int a) { return if_(a); }",
        "struct s { int a; };",
        "int /* old(name) */ f(void) { }",
    ]

    assert names_of(sources) == ["parse", "run", "draw", None, "f"]


def test_without_functions_there_are_no_names() -> None:
    assert names_of([]) == []
