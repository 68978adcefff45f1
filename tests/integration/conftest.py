"""What starts the trainers of these tests."""

from collections.abc import Iterator

import pytest

from tests.warm_trainers import WarmTrainers, warm_trainers


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmTrainers]:
    """Starts `python -m trainers` through the fork server, within milliseconds once that has imported everything."""
    with warm_trainers() as trainers:
        yield trainers
