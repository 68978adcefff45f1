"""The LR cache: a hit costs no training step, and damage is a miss."""

import fcntl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.lr_choice import choose_learning_rate
from trainers.results import LearningRateOutcome
from trainers.specs import LearningRate, TrainingConfig

Choose = Callable[..., LearningRateOutcome]


@pytest.fixture
def task(toy: type[Any]) -> Any:
    return toy()


@pytest.fixture
def choose(task: Any, hardware: Hardware, new_context: Callable[..., RunContext], tmp_path: Path) -> Choose:
    def choose(
        *, config: TrainingConfig | None = None, dataset_id: str = "a", model: dict[str, object] | None = None
    ) -> LearningRateOutcome:
        return choose_learning_rate(
            task,
            train_rows=np.arange(120),
            labels=task.labels,
            config=config or TrainingConfig(),
            model=model or {"width": 8},
            dataset_id=dataset_id,
            cache=tmp_path / "cache",
            context=new_context(),
            hardware=hardware,
        )

    return choose


def test_the_first_run_finds_a_rate_and_the_cache_reads_back_equal(choose: Choose) -> None:
    outcome = choose()

    assert (outcome.source, outcome.cache_hit, outcome.cache_verified) == ("finder", False, True)


def test_a_hit_gives_the_same_rate_without_a_training_step(choose: Choose, task: Any) -> None:
    first = choose()
    task.seen.clear()

    second = choose()

    assert (second.source, second.cache_hit, second.cache_key) == ("cache", True, first.cache_key)
    assert second.learning_rate == first.learning_rate
    assert task.seen == []


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_id": "b"},
        {"model": {"width": 9}},
        {"config": TrainingConfig(batch_size=16)},
        {"config": TrainingConfig(weight_decay=0.5)},
        {"config": TrainingConfig(learning_rate=LearningRate(finder_steps=50))},
    ],
)
def test_whatever_changes_the_answer_misses(choose: Choose, change: dict[str, Any]) -> None:
    choose()

    assert choose(**change).cache_hit is False


def test_what_does_not_change_the_answer_hits(choose: Choose) -> None:
    choose()

    assert choose(config=TrainingConfig(epochs=99, patience=7)).cache_hit is True


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"learning_rate": -1.0}', b"\xff"])
def test_a_damaged_entry_is_a_miss_and_is_replaced(choose: Choose, tmp_path: Path, content: bytes) -> None:
    first = choose()
    [entry] = (tmp_path / "cache").glob("*.json")
    entry.write_bytes(content)

    second = choose()

    assert (second.source, second.cache_verified) == ("finder", True)
    assert second.learning_rate == first.learning_rate
    assert choose().cache_hit is True


def test_an_entry_under_another_name_is_a_miss(choose: Choose, tmp_path: Path) -> None:
    choose()
    [entry] = (tmp_path / "cache").glob("*.json")
    content = entry.read_bytes().replace(b'"key": "sha256:', b'"key": "sha256:f')
    entry.write_bytes(content)

    assert choose().cache_hit is False


def test_a_rate_in_the_spec_needs_neither_test_nor_cache(choose: Choose, task: Any) -> None:
    outcome = choose(config=TrainingConfig(learning_rate=LearningRate(value=0.02)))

    assert (outcome.source, outcome.learning_rate, outcome.cache_verified) == ("spec", 0.02, None)
    assert task.seen == []


def test_of_two_seeds_at_once_one_runs_the_test_and_the_other_takes_its_answer(
    choose: Choose, task: Any, tmp_path: Path
) -> None:
    first = choose()
    [entry] = (tmp_path / "cache").glob("*.json")
    answer = entry.read_bytes()
    entry.unlink()
    task.seen.clear()

    # The other seed holds the lock, and has its answer when it lets go.
    with ThreadPoolExecutor(1) as pool, entry.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = pool.submit(choose)
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        entry.write_bytes(answer)
        fcntl.flock(lock, fcntl.LOCK_UN)
        second = waiting.result(30)

    assert (second.cache_hit, second.learning_rate) == (True, first.learning_rate)
    assert task.seen == []


@pytest.fixture
def silent(task: Any) -> None:
    """A model and data that let no loss move."""
    task.labels = task.labels * 0
    for parameter in task.model.parameters():
        parameter.data.zero_()
    task.inputs.zero_()


@pytest.mark.usefixtures("silent")
def test_a_test_without_an_answer_falls_back_and_says_why(choose: Choose) -> None:
    outcome = choose(config=TrainingConfig(learning_rate=LearningRate(fallback=5e-6, finder_max=1e-5)))

    assert (outcome.source, outcome.learning_rate) == ("fallback", 5e-6)
    assert "no valley" in outcome.reason


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(("fallback", "nearest"), [(1e-8, 1e-6), (0.005, 1e-5)])
def test_a_fallback_outside_the_range_is_brought_into_it_and_the_reason_says_so(
    choose: Choose, fallback: float, nearest: float
) -> None:
    outcome = choose(config=TrainingConfig(learning_rate=LearningRate(fallback=fallback, finder_max=1e-5)))

    assert (outcome.source, outcome.learning_rate) == ("fallback", nearest)
    assert f"nearest to the fallback {fallback:g}" in outcome.reason
