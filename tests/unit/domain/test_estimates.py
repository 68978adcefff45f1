"""What a training will take, from finished runs or a pre-flight."""

import pytest

from cellgate.contract.api.estimates import Figure
from cellgate.contract.results import PredictedNeed
from service.domain.estimates import Trained, memory_of_run, scaled, seconds_of_run, total

NEED = PredictedNeed(host_bytes=1_000, device_bytes=0, disk_bytes=10, step_s=0.5, steps=100)


def trained(*, seconds: float, epochs: int = 4, planned: int = 8, rows: int = 100, host_bytes: float = 50.0) -> Trained:
    return Trained(seconds=seconds, rows=rows, epochs=epochs, planned=planned, host_bytes=host_bytes, device_bytes=0.0)


def ends(figure: Figure) -> tuple[float | None, ...]:
    return figure.value, figure.low, figure.high


def seconds(*runs: Trained, need: PredictedNeed | None = None, rows: int = 200, epochs: int = 10) -> Figure:
    return seconds_of_run(runs, need, rows=rows, epochs=epochs, unknown="train one")


def test_time_grows_with_functions_and_epochs_of_finished_runs() -> None:
    # 1 s, 2 s and 3 s for each hundred functions and epoch; all stopped after half of their epochs.
    found = seconds(trained(seconds=4), trained(seconds=8), trained(seconds=12))

    assert ends(found) == pytest.approx((2 * 2 * 10 / 2, 1 * 2 * 10 / 2, 3 * 2 * 10))
    assert found.source.startswith("3 finished runs")


def test_a_single_finished_run_has_a_range_all_the_same() -> None:
    found = seconds(trained(seconds=8, epochs=8))

    assert ends(found) == pytest.approx((20.0, 13.4, 30.0))


def test_finished_runs_come_before_a_pre_flight_whose_batch_is_the_worst() -> None:
    assert seconds(trained(seconds=8, epochs=8), need=NEED).value == pytest.approx(20.0)
    assert ends(seconds(need=NEED)) == pytest.approx((50.0, 10.0, 60.0))


@pytest.mark.parametrize("need", [None, NEED.model_copy(update={"step_s": None})])
def test_what_nothing_tells_is_not_known_and_says_what_would_make_it_known(need: PredictedNeed | None) -> None:
    assert seconds(need=need) == Figure(value=None, source="train one")


def test_memory_comes_from_the_pre_flight_and_else_from_the_peaks_of_finished_runs() -> None:
    runs = [trained(seconds=1, host_bytes=size) for size in (100.0, 200.0, 400.0)]

    both = memory_of_run(runs, NEED, device=False, unknown="")
    alone = memory_of_run(runs, None, device=False, unknown="")

    assert ends(both) == pytest.approx((1_000, 900, 1_200))
    assert ends(alone) == pytest.approx((200, 90, 480))
    assert memory_of_run([], None, device=False, unknown="try it") == Figure(value=None, source="try it")


def test_a_sum_has_no_lower_end_for_what_is_not_certain_and_is_not_known_while_a_part_is_not() -> None:
    figure, unknown = Figure(value=2, low=1, high=3, source=""), Figure(value=None, source="")

    assert ends(total([(figure, 3, True), (figure, 2, False)], unknown="")) == (10, 3, 15)
    assert total([(figure, 1, True), (unknown, 1, True)], unknown="train") == Figure(value=None, source="train")


def test_a_cost_without_a_price_names_the_price_and_without_a_time_the_time() -> None:
    time, unknown = Figure(value=2, low=1, high=3, source="sum"), Figure(value=None, source="train")

    assert ends(scaled(time, 2.0, source="", unknown="price")) == (4, 2, 6)
    assert scaled(time, None, source="", unknown="price").source == "price"
    assert scaled(unknown, 2.0, source="", unknown="price").source == "train"
