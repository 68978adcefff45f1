"""Which configs a sweep tries: all different, the same each time, within their bounds."""

from typing import Any

import pytest

from cellgate.contract.exit_codes import UsageError
from cellgate.sweep.proposals import propose
from cellgate.sweep.spec import SweepSpec, check_configs, read_sweep, with_settings

RATE = "training.learning_rate.value"


def spec(**fields: Any) -> SweepSpec:
    search = {RATE: {"low": 1e-4, "high": 1e-2, "log": True}, "model.size": ["tiny", "small"]}
    return read_sweep({"cell": 51, "dataset": "demo", "search": search, **fields}, where="sweep.yaml")


def test_the_same_spec_gives_the_same_trials_and_more_of_them_begin_with_those_of_fewer() -> None:
    assert propose(spec(trials=5)) == propose(spec(trials=12))[:5]
    assert propose(spec(sampling_seed=1)) != propose(spec(sampling_seed=2))


def test_random_numbers_stay_between_their_bounds_and_reach_every_order_of_magnitude() -> None:
    rates = [point[RATE] for point in propose(spec(trials=100))]

    assert all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert 30 < sum(rate < 1e-3 for rate in rates) < 70


@pytest.mark.parametrize("log", [False, True])
def test_whole_numbers_are_drawn_with_both_bounds(log: bool) -> None:
    search = {"training.epochs": {"low": 1, "high": 4, "whole": True, "log": log}}

    found = [point["training.epochs"] for point in propose(spec(search=search, trials=50))]

    # There are no more of them than four, and none is tried twice.
    assert sorted(found) == [1, 2, 3, 4]
    assert all(isinstance(number, int) for number in found)


def test_a_grid_has_every_combination_once() -> None:
    search = {"model.size": ["tiny", "small"], "training.batch_size": [8, 16, 32]}

    found = propose(spec(search=search, method="grid"))

    assert found[:2] == [
        {"model.size": "tiny", "training.batch_size": 8},
        {"model.size": "tiny", "training.batch_size": 16},
    ]
    assert len({tuple(point.items()) for point in found}) == 6


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"search": {}}, "search: Dictionary should have at least 1 item"),
        ({"search": {RATE: {"low": 2, "high": 1}}}, "low 2 must be below high 1"),
        ({"search": {RATE: {"low": 0, "high": 1, "log": True}}}, "low 0 must be above 0 where `log` is set"),
        ({"search": {RATE: {"low": 0.5, "high": 4, "whole": True}}}, "both bounds must be whole"),
        ({"search": {"model.size": []}}, "model.size: no value to try"),
        ({"method": "grid"}, f"{RATE}: a grid needs a list of values, not a range"),
        (
            {"method": "grid", "trials": 2, "search": {"model.size": ["tiny", "small", "base"]}},
            "the grid has 3 points, more than the 2 trials",
        ),
        ({"seeds": [0, 1], "confirm_seeds": [1, 2]}, "seeds [1] choose and confirm"),
        ({"name": "a name"}, "name: String should match pattern"),
        ({"cell": 53}, "cell: Input should be 51 or 52"),
        ({"trial": 3}, "trial: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_reason(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        spec(**fields)

    assert str(refused.value).startswith("sweep.yaml: no sweep\n")
    assert told in str(refused.value)


def test_settings_are_put_into_a_copy_of_the_config() -> None:
    config = {"training": {"epochs": 3, "learning_rate": {"finder_steps": 10}}}

    made = with_settings(config, {RATE: 1e-3, "model.size": "tiny"})

    assert made == {
        "training": {"epochs": 3, "learning_rate": {"finder_steps": 10, "value": 1e-3}},
        "model": {"size": "tiny"},
    }
    assert config == {"training": {"epochs": 3, "learning_rate": {"finder_steps": 10}}}


def test_configs_that_a_cell_would_refuse_are_told_before_anything_runs_each_mistake_once() -> None:
    wanted = spec(search={"model.size": ["tiny", "huge"], "training.batch_sise": [8, 16]}, method="grid")

    with pytest.raises(UsageError) as refused:
        check_configs(wanted, propose(wanted))

    told = str(refused.value)
    assert told.startswith("4 of 4 trials are no config of cell 51\ntrial 1:\n")
    assert "training.batch_sise: Extra inputs are not permitted" in told
    assert "trial 3:\n  model.size: Input should be" in told
    assert "trial 2:" not in told


def test_a_path_through_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match=r"search.training.epochs.value: epochs is 3, expected a mapping"):
        with_settings({"training": {"epochs": 3}}, {"training.epochs.value": 1})
