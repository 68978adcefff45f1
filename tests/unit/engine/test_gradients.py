"""Components that die, vanish or explode, distinguished from the ups and downs of healthy training."""

import json

import pytest

from cellgate.contract.results import Collapse
from trainers.engine.gradients import GradientWatch, Norms

GROWN = {"gnn": 1.1, "head": 1.1}


def _watch() -> GradientWatch:
    watch = GradientWatch(max_grad_norm=1.0)
    watch.begin({"gnn": 1.0, "head": 1.0})
    return watch


def _take(watch: GradientWatch, *gnn: float, loss: float = 0.6) -> None:
    for norm in gnn:
        watch.note(Norms(total=1.0, components={"gnn": norm, "head": 1.0}), loss=loss)


def _found(watch: GradientWatch, weights: dict[str, float] | None = None) -> list[tuple[str, str]]:
    return [(found.type, found.component) for found in watch.evaluate(weights or GROWN, step=5)]


def test_a_component_without_any_gradient_is_dead() -> None:
    watch = _watch()
    _take(watch, 0.0, 0.0)

    [collapse] = watch.evaluate(GROWN, step=5)

    assert isinstance(collapse, Collapse)
    assert (collapse.type, collapse.component, collapse.step) == ("dead_branch", "gnn", 5)


def test_a_single_step_through_a_layer_that_begins_at_zero_kills_nothing() -> None:
    watch = _watch()
    _take(watch, 0.0)

    assert _found(watch) == []


def test_a_component_whose_weights_do_not_change_is_dead() -> None:
    watch = _watch()
    _take(watch, 1.0)

    assert _found(watch, {"gnn": 1.0, "head": 1.1}) == [("dead_branch", "gnn")]


def test_a_gradient_that_vanishes_is_found() -> None:
    watch = _watch()
    _take(watch, 1e-12, 3e-12)

    assert _found(watch) == [("vanishing_gradient", "gnn")]


def test_a_gradient_may_shrink_as_far_as_the_loss() -> None:
    watch = _watch()
    _take(watch, 1e-12, loss=1e-5)

    assert _found(watch) == []


def test_nothing_is_wrong_with_no_gradient_where_nothing_is_left_to_learn() -> None:
    watch = _watch()
    _take(watch, 0.0, 0.0, loss=0.0)

    assert _found(watch) == []


def test_norms_far_above_the_components_own_past_have_exploded() -> None:
    watch = _watch()
    _take(watch, *[0.5] * 20, 300.0, 300.0, 300.0)

    assert _found(watch) == [("exploding_gradient", "gnn")]


def test_norms_that_were_always_far_too_large_have_exploded() -> None:
    watch = _watch()
    _take(watch, *[1e5] * 20)

    assert _found(watch) == [("exploding_gradient", "gnn")]


def test_weights_that_grow_beyond_all_bounds_have_exploded() -> None:
    watch = _watch()
    _take(watch, 1.0)

    assert _found(watch, {"gnn": 30.0, "head": 2.0}) == [("exploding_gradient", "gnn")]


@pytest.mark.parametrize(
    "norms",
    [
        # Warm-up begins with a spike.
        [900.0, 400.0, 90.0, *[2.0] * 20],
        # One batch in a hundred is odd, and is clipped.
        [*[0.5] * 20, 900.0, *[0.5] * 20, 900.0],
        # What has been learned gives hardly any gradient; what is mislabelled gives an ordinary one.
        [*[1e-4] * 20, 5.0, 5.0, 5.0, 5.0],
        # Large at the start and slowly smaller.
        [50.0 * 0.9**step for step in range(100)],
    ],
)
def test_the_ups_and_downs_of_healthy_training_are_no_explosion(norms: list[float]) -> None:
    watch = _watch()
    _take(watch, *norms)

    assert _found(watch) == []


def test_an_evaluation_begins_anew() -> None:
    watch = _watch()
    _take(watch, 0.0, 0.0)
    watch.evaluate(GROWN, step=2)
    _take(watch, 1.0)

    assert _found(watch, {"gnn": 1.2, "head": 1.2}) == []


def test_an_evaluation_without_a_step_finds_nothing() -> None:
    assert _found(_watch(), {"gnn": 1.0, "head": 1.0}) == []


def test_a_resumed_watch_remembers_what_it_saw() -> None:
    watch = _watch()
    _take(watch, *[0.5] * 20, 300.0, 300.0)

    resumed = GradientWatch.from_json(json.loads(json.dumps(watch.to_json())), max_grad_norm=1.0)
    resumed.begin({"gnn": 1.0, "head": 1.0})
    _take(resumed, 300.0)

    assert _found(resumed) == [("exploding_gradient", "gnn")]
