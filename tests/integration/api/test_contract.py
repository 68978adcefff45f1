"""Every response matches the OpenAPI document, whatever the request."""

import pytest

from tests.contract.fuzz import PHASES, fuzz


@pytest.mark.parametrize("phases", ["examples,fuzzing,stateful", pytest.param(PHASES, marks=pytest.mark.slow)])
def test_generated_requests_right_and_wrong_get_only_documented_answers(phases: str) -> None:
    assert fuzz(examples=5, seed=0, phases=phases) == 0
