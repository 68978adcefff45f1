"""Every response matches the OpenAPI document, whatever the request."""

import pytest

from tests.contract.fuzz import PHASES, fuzz


@pytest.mark.parametrize(
    ("phases", "examples"), [("examples,fuzzing", 1), pytest.param(PHASES, 5, marks=pytest.mark.slow)]
)
def test_generated_requests_right_and_wrong_get_only_documented_answers(phases: str, examples: int) -> None:
    assert fuzz(examples=examples, seed=0, phases=phases) == 0
