"""The registry of options, the type checker, the trainers and the decision agree."""

from typing import get_args

import pytest

from cellgate.contract.options import OPTION_NAMES, OPTIONS, SINGLES, Option
from trainers.evaluation.options import CANDIDATES


def test_the_options_are_the_single_models_both_ensembles_fusion_and_the_linear_model() -> None:
    assert [option.name for option in OPTIONS] == [
        "transformer",
        "gnn",
        "ensemble",
        "ensemble_tuned",
        "fusion",
        "linear",
    ]
    assert SINGLES == ("transformer", "gnn")


def test_the_type_of_options_names_every_row_in_the_same_order() -> None:
    assert list(get_args(Option)) == [option.name for option in OPTIONS]


def test_every_option_has_one_function_that_computes_it_in_the_same_order() -> None:
    assert list(CANDIDATES) == [option.name for option in OPTIONS]


@pytest.mark.parametrize("outcome", ["ensemble", "fusion"])
def test_one_option_is_behind_each_outcome_that_names_no_option(outcome: str) -> None:
    assert len([option for option in OPTIONS if option.outcome == outcome and not option.on_request]) == 1


def test_no_two_options_share_a_title() -> None:
    assert len(set(OPTION_NAMES.values())) == len(OPTIONS)
