"""What starts the trainers of these tests, and runs that they share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.made_once import made_once, shared_folder
from tests.warm_trainers import WarmTrainers, warm_trainers


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmTrainers]:
    """Starts `python -m trainers` through the fork server, within milliseconds once that has imported everything."""
    with warm_trainers() as trainers:
        yield trainers


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose vulnerable functions have one line more, and both models trained on it."""
    # Imports torch, which most of these tests do without.
    from tests.trained_runs import train_on_planted

    return made_once(shared_folder(tmp_path_factory) / "planted", train_on_planted)


@pytest.fixture(scope="session")
def every_cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set and two seeds of every cell."""
    from tests.trained_runs import train_every_cell

    return made_once(shared_folder(tmp_path_factory) / "cells", train_every_cell)
