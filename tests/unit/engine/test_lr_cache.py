"""The LR cache: a hit costs no training step, and damage is a miss."""

import fcntl
import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellgate.contract.configs import LearningRate, Precision, TrainingConfig
from cellgate.contract.results import LearningRateOutcome
from cellgate.contract.specs import TransformerSpec
from trainers.engine import lr_choice
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.lr_cache import CachedRate, LearningRateCache
from trainers.engine.lr_choice import choose_learning_rate
from trainers.engine.planning import TrainingPlan

Choose = Callable[..., LearningRateOutcome]
# Enough for a valley, and fewer than the default.
STEPS = 40
# Of a few steps each.
EPOCHS = 300


def training(**fields: Any) -> TrainingConfig:
    """Return the defaults with these fields, a short LR range test, and epochs enough that it takes no larger share."""
    return TrainingConfig(**{"epochs": EPOCHS, "learning_rate": LearningRate(finder_steps=STEPS), **fields})


@pytest.fixture
def task(toy: type[Any]) -> Any:
    return toy()


@pytest.fixture
def choose(task: Any, hardware: Hardware, new_context: Callable[..., RunContext], tmp_path: Path) -> Choose:
    def choose(
        *,
        config: TrainingConfig | None = None,
        dataset_id: str = "a",
        model: dict[str, object] | None = None,
        inputs: Sequence[str] = (),
        precision: Precision = Precision.FP32,
    ) -> LearningRateOutcome:
        config = config or training()
        settings = {"model": model or {"max_tokens": 64}, "training": config.model_dump()}
        return choose_learning_rate(
            TrainingPlan(task=task, rows=np.arange(120), labels=task.labels, config=config),
            spec=TransformerSpec(dataset=tmp_path, lr_cache=tmp_path / "cache", **settings),
            dataset_id=dataset_id,
            inputs=inputs,
            context=new_context(),
            hardware=replace(hardware, precision=precision),
        )

    return choose


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What the first test that asked for `first` found: the outcome, and the entry's name and content."""
    return {}


@pytest.fixture
def first(choose: Choose, answers: dict[str, Any], tmp_path: Path) -> LearningRateOutcome:
    """The outcome of a first run whose entry lies in the cache; its range test is run once for this module."""
    if not answers:
        outcome = choose()
        [entry] = (tmp_path / "cache").glob("*.json")
        answers.update(outcome=outcome, name=entry.name, content=entry.read_bytes())
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / answers["name"]).write_bytes(answers["content"])
    found: LearningRateOutcome = answers["outcome"]
    return found


@pytest.fixture
def warnings(tmp_path: Path) -> Callable[[], list[str]]:
    """Return what the last run warned of."""

    def read() -> list[str]:
        recorded = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
        return [event["message"] for event in recorded if event.get("code") == "lr_cache"]

    return read


def test_the_first_run_finds_a_rate_and_the_cache_reads_back_equal(choose: Choose) -> None:
    outcome = choose()

    assert (outcome.source, outcome.cache_hit, outcome.cache_verified) == ("finder", False, True)


def test_a_hit_gives_the_same_rate_without_a_training_step(
    choose: Choose, first: LearningRateOutcome, task: Any
) -> None:
    task.seen.clear()

    second = choose()

    assert (second.source, second.cache_hit, second.cache_key) == ("cache", True, first.cache_key)
    assert second.learning_rate == first.learning_rate
    assert task.seen == []


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_id": "b"},
        {"model": {"max_tokens": 65}},
        {"inputs": ["sha256:0"]},
        {"precision": Precision.BF16},
        {"config": training(batch_size=16)},
        {"config": training(accumulation=2)},
        {"config": training(class_balance="weights")},
        {"config": training(class_balance="sampling")},
        {"config": training(max_grad_norm=0.5)},
        {"config": training(label_smoothing=0.1)},
        {"config": training(keep_pairs_together=False)},
        {"config": training(weight_decay=0.5)},
        {"config": training(learning_rate=LearningRate(finder_steps=41))},
    ],
)
@pytest.mark.usefixtures("first")
def test_whatever_changes_the_answer_misses(choose: Choose, change: dict[str, Any]) -> None:
    assert choose(**change).cache_hit is False


@pytest.mark.parametrize("group", [{"lr_ratio": 0.25}, {"weight_decay": False}, {"name": "other"}])
@pytest.mark.usefixtures("first")
def test_other_groups_miss(choose: Choose, task: Any, monkeypatch: pytest.MonkeyPatch, group: dict[str, Any]) -> None:
    body, head = task.groups
    monkeypatch.setattr(type(task), "groups", [replace(body, **group), head])

    assert choose().cache_hit is False


@pytest.mark.usefixtures("first")
def test_other_code_misses(choose: Choose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lr_choice, "code_version", lambda: "0.1.0+other")

    assert choose().cache_hit is False


@pytest.mark.usefixtures("first")
def test_what_does_not_change_the_answer_hits(choose: Choose) -> None:
    assert choose(config=training(epochs=EPOCHS + 1, patience=7)).cache_hit is True


def test_the_test_takes_a_tenth_of_the_steps_of_training_at_most(choose: Choose, task: Any) -> None:
    config = training(epochs=1000, max_steps=149)

    outcome = choose(config=config)

    assert 0 < len(task.seen) <= 14
    assert choose(config=config).cache_key == outcome.cache_key
    assert choose(config=training(epochs=1000, max_steps=150)).cache_hit is False


def test_a_training_too_short_for_a_test_takes_the_default_without_a_step(choose: Choose, task: Any) -> None:
    outcome = choose(config=training(epochs=1000, max_steps=99))

    assert task.seen == []
    assert (outcome.source, outcome.learning_rate, outcome.cache_verified) == ("fallback", 2e-3, True)
    assert "of 99 steps of training it may take a tenth, and it needs 10" in outcome.reason


DAMAGE = {
    "empty": b"",
    "cut off": b'{"schema_version": 1, "key": "sha256:0',
    "another shape": b"[]",
    "without fields": b"{}",
    "of another version": b'{"schema_version": 2}',
    "not text": b"\xff",
    "endlessly nested": b"[" * 100_000,
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_entry_is_a_miss_with_a_warning_and_is_replaced(
    choose: Choose, first: LearningRateOutcome, warnings: Callable[[], list[str]], tmp_path: Path, content: bytes
) -> None:
    [entry] = (tmp_path / "cache").glob("*.json")
    entry.write_bytes(content)

    second = choose()

    assert (second.source, second.cache_verified) == ("finder", True)
    assert second.learning_rate == first.learning_rate
    [warning] = warnings()
    assert "looked for anew" in warning
    assert choose().cache_hit is True


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "-1.0", "0.0", "1", "null", "0.2", "1e-9", '"0.01"', "1e999"])
def test_an_entry_whose_rate_cannot_have_been_found_is_a_miss_with_a_warning(
    choose: Choose, first: LearningRateOutcome, warnings: Callable[[], list[str]], tmp_path: Path, rate: str
) -> None:
    [entry] = (tmp_path / "cache").glob("*.json")
    content = json.loads(entry.read_bytes())
    entry.write_text(json.dumps({**content, "learning_rate": "?"}).replace('"?"', rate))

    second = choose()

    assert (second.source, second.learning_rate, len(warnings())) == ("finder", first.learning_rate, 1)


def test_an_entry_that_cannot_be_read_or_replaced_is_a_miss_with_warnings(
    choose: Choose, first: LearningRateOutcome, warnings: Callable[[], list[str]], tmp_path: Path
) -> None:
    [entry] = (tmp_path / "cache").glob("*.json")
    entry.unlink()
    # A folder in its place: not even the system's administrator reads it as a file.
    (entry / "something").mkdir(parents=True)

    second = choose()

    assert (second.source, second.learning_rate) == ("finder", first.learning_rate)
    assert second.cache_verified is False
    assert ["anew" in warning or "remembered" in warning for warning in warnings()] == [True, True]


def test_a_cache_that_is_no_folder_ends_no_run(
    choose: Choose, warnings: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")

    outcome = choose()

    assert (outcome.source, outcome.cache_verified) == ("finder", False)
    assert any("cannot be remembered" in warning for warning in warnings())


def _write_often(folder: Path, rate: float, enough: Event) -> None:
    cache = LearningRateCache(folder=folder)
    while True:
        for number in range(100):
            cache.write("sha256:a", CachedRate(learning_rate=rate, source="finder", reason="r" * (number * 100)))
        if enough.is_set():
            return


def test_two_processes_that_write_at_once_leave_a_whole_entry(tmp_path: Path) -> None:
    start = multiprocessing.get_context("fork")
    enough = start.Event()
    writers = [start.Process(target=_write_often, args=(tmp_path, rate, enough)) for rate in (0.1, 0.2)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        # Damage would raise.
        found = LearningRateCache(folder=tmp_path).read("sha256:a")
        seen.add(None if found is None else found.learning_rate)
        # On a busy machine a writer may have written a hundred times before this process runs again.
        if {0.1, 0.2} <= seen:
            enough.set()
    for writer in writers:
        writer.join()

    last = LearningRateCache(folder=tmp_path).read("sha256:a")
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert last is not None
    assert (last.learning_rate, last.reason) in ((0.1, "r" * 9900), (0.2, "r" * 9900))
    assert {0.1, 0.2} <= seen
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.usefixtures("first")
def test_an_entry_under_another_name_is_a_miss(choose: Choose, tmp_path: Path) -> None:
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
    outcome = choose(config=training(learning_rate=LearningRate(fallback=5e-6, finder_max=1e-5)))

    assert (outcome.source, outcome.learning_rate) == ("fallback", 5e-6)
    assert "no valley" in outcome.reason


@pytest.mark.usefixtures("silent")
def test_a_default_that_was_taken_is_shared_by_the_seeds_with_its_reason_and_stays_a_default(
    choose: Choose, task: Any
) -> None:
    config = training(learning_rate=LearningRate(fallback=5e-6, finder_max=1e-5))
    first = choose(config=config)
    task.seen.clear()

    second = choose(config=config)

    assert (first.source, first.cache_hit, first.cache_verified) == ("fallback", False, True)
    assert (second.source, second.cache_hit, second.cache_verified) == ("fallback", True, True)
    assert (second.learning_rate, second.reason) == (first.learning_rate, first.reason)
    assert task.seen == []


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(("fallback", "nearest"), [(1e-8, 1e-6), (0.005, 1e-5)])
def test_a_fallback_outside_the_range_is_brought_into_it_and_the_reason_says_so(
    choose: Choose, fallback: float, nearest: float
) -> None:
    outcome = choose(config=training(learning_rate=LearningRate(fallback=fallback, finder_max=1e-5)))

    assert (outcome.source, outcome.learning_rate) == ("fallback", nearest)
    assert f"the fallback is {fallback:g}; of the range that was tried, {nearest:g} is the nearest" in outcome.reason


def curves_told(tmp_path: Path) -> list[Any]:
    """Return the curve of each `lr_finder` event of the last run."""
    recorded = [json.loads(line) for line in (tmp_path / "out" / "events.jsonl").read_text().splitlines()]
    return [event.get("curve") for event in recorded if event["kind"] == "lr_finder"]


def test_who_reads_a_rate_from_the_cache_tells_the_same_curve_as_who_found_it(choose: Choose, tmp_path: Path) -> None:
    choose()
    [found] = curves_told(tmp_path)
    choose()

    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"]) > 10
    assert found["rates"] == sorted(found["rates"])
    assert curves_told(tmp_path) == [found]


@pytest.mark.usefixtures("first")
def test_a_curve_that_cannot_be_read_costs_the_curve_and_not_the_rate(choose: Choose, tmp_path: Path) -> None:
    [entry] = (tmp_path / "cache").glob("*.json")
    content = json.loads(entry.read_text())
    entry.write_text(json.dumps({**content, "curve": {"rates": [1], "losses": []}}))

    assert choose().cache_hit is True
    assert curves_told(tmp_path) == [None]


def test_a_rate_that_the_spec_fixes_has_no_curve(choose: Choose, tmp_path: Path) -> None:
    choose(config=training(learning_rate=LearningRate(value=1e-3)))

    assert curves_told(tmp_path) == [None]
