"""The registry of cells: each row names things that exist, and every place that lists cells has all of them."""

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import get_args

import pytest

from cellgate.contract.cells import CELLS, ENTRY_OF, SUBMITTED, Cell, CellEntry
from cellgate.contract.results import RunResult
from service.domain.pipeline import Step

DOCUMENTED = (Path(__file__).resolve().parents[3] / "docs" / "cells.md").read_text()
each_entry = pytest.mark.parametrize("entry", CELLS, ids=lambda entry: entry.name)


def test_every_cell_has_one_row() -> None:
    assert [entry.cell for entry in CELLS] == list(Cell)
    assert list(ENTRY_OF) == list(Cell)


@each_entry
def test_the_trainer_of_a_cell_exists_and_takes_its_spec(entry: CellEntry) -> None:
    module, _, name = entry.trainer.partition(":")

    trainer = getattr(import_module(module), name)

    assert next(iter(signature(trainer, eval_str=True).parameters.values())).annotation is entry.spec


@each_entry
def test_config_and_spec_carry_the_cells_own_mark(entry: CellEntry) -> None:
    for model in filter(None, (entry.spec, entry.config)):
        if "cell" in model.model_fields:
            assert get_args(model.model_fields["cell"].annotation) == (entry.json,)


@each_entry
def test_the_result_of_a_cell_is_a_field_of_the_result_file(entry: CellEntry) -> None:
    assert entry.result in RunResult.model_fields


def test_the_steps_of_the_cells_are_those_of_the_pipeline_each_once() -> None:
    assert sorted(step for entry in CELLS for step in entry.steps) == sorted(Step)


@pytest.mark.parametrize("entry", SUBMITTED, ids=lambda entry: entry.name)
def test_a_cell_that_people_submit_has_a_number_a_config_and_says_what_it_needs(entry: CellEntry) -> None:
    assert entry.cell.isdigit()
    assert entry.config is not None
    assert entry.needs
    assert entry.example


@each_entry
def test_every_cell_has_its_row_in_the_docs(entry: CellEntry) -> None:
    [row] = [line for line in DOCUMENTED.splitlines() if line.startswith(f"| {entry.cell.value} | {entry.name} |")]

    assert f"`{entry.result}`" in row
    assert entry.needs in row
    assert entry.config is None or f"`{entry.config.__name__}`" in row
