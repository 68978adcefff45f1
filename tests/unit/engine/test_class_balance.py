"""A rare class counts as much as the common one: by its loss, or by how often its functions come up."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from cellgate.contract.configs import TrainingConfig
from cellgate.contract.results import LearningRateOutcome
from trainers.engine.class_balance import EVEN, balanced_rounds, class_weights, start_at_prior
from trainers.engine.context import RunContext
from trainers.engine.hardware import Hardware
from trainers.engine.loop import fit
from trainers.engine.optimization import Stepper
from trainers.engine.outcome import FitOutcome
from trainers.engine.planning import TrainingPlan

ROWS = np.arange(40)
WEIGHTS = (0.625, 2.5)


def test_weights_are_inverse_to_frequency_with_mean_one_over_the_rows() -> None:
    labels = np.array([0] * 8 + [1] * 2)

    assert class_weights(labels) == WEIGHTS
    assert np.array(WEIGHTS)[labels].mean() == 1.0


@pytest.mark.parametrize("label", [0, 1])
def test_a_single_class_has_no_weight(label: int) -> None:
    assert class_weights(np.full(5, label)) == EVEN


@pytest.mark.parametrize(("balance", "prevalence"), [("none", 0.1), ("weights", 0.5), ("sampling", 0.5)])
def test_a_network_starts_at_the_prevalence_that_it_trains_on(balance: Any, prevalence: float) -> None:
    last = torch.nn.Linear(4, 2)

    start_at_prior(last, np.array([0] * 18 + [1] * 2), TrainingConfig(class_balance=balance))

    assert last.bias.softmax(0).tolist() == pytest.approx([1 - prevalence, prevalence])


def test_where_there_is_a_single_class_or_no_bias_a_network_starts_as_it_is() -> None:
    last, bare = torch.nn.Linear(4, 2), torch.nn.Linear(4, 2, bias=False)
    before = last.bias.tolist()

    start_at_prior(last, np.zeros(5, dtype=np.int64), TrainingConfig())
    start_at_prior(bare, np.array([0, 1]), TrainingConfig())

    assert last.bias.tolist() == before


def _imbalanced(task: Any) -> Any:
    task.labels[:] = np.arange(len(task.labels)) % 5 == 0
    return task


def _gradients(task: Any, hardware: Hardware, batches: list[Any], *, parts: int = 1) -> list[torch.Tensor]:
    config = TrainingConfig(class_balance="weights", max_grad_norm=1e9, label_smoothing=0.1)
    stepper = Stepper(
        task,
        labels=task.labels,
        config=config,
        hardware=hardware,
        events=None,
        class_weights=class_weights(task.labels),
    )
    stepper.parts = parts
    seen: list[torch.Tensor] = []
    stepper.optimizer.optimizer.register_step_pre_hook(
        lambda *_: seen.extend(parameter.grad.clone() for parameter in task.model.parameters())
    )
    stepper.step(batches, learning_rate=0.0)
    return seen


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("batches", [[ROWS], [ROWS[:3], ROWS[3:20], ROWS[20:]], np.array_split(ROWS, 8)])
def test_the_weighted_gradient_is_that_of_the_whole_step_however_it_is_divided(
    toy: type[Any], hardware: Hardware, batches: list[Any], parts: int
) -> None:
    task = _imbalanced(toy())
    label_B = torch.from_numpy(task.labels[ROWS])
    loss_B = F.cross_entropy(task.model(task.inputs[ROWS]), label_B, label_smoothing=0.1, reduction="none")
    expected = torch.autograd.grad((loss_B * torch.tensor(WEIGHTS)[label_B]).mean(), list(task.model.parameters()))

    found = _gradients(task, hardware, batches, parts=parts)

    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@st.composite
def _paired(draw: st.DrawFn) -> tuple[np.ndarray, list[str | None]]:
    """Labels, and pairs of one function of each class."""
    pairs, rare, common = draw(st.integers(0, 8)), draw(st.integers(0, 8)), draw(st.integers(0, 60))
    labels = [1, 0] * pairs + [1] * rare + [0] * common
    names: list[str | None] = [str(place // 2) for place in range(2 * pairs)]
    order = draw(st.permutations(range(len(labels))))
    everyone = [*names, *[None] * (rare + common)]
    return np.array([labels[i] for i in order], dtype=np.int64), [everyone[i] for i in order]


@given(_paired(), st.integers(0, 2**32))
def test_rounds_are_even_whole_without_copies_and_keep_pairs_together(
    data: tuple[np.ndarray, list[str | None]], seed: int
) -> None:
    labels, pairs = data
    rows = np.arange(len(labels)) + 100

    rounds = balanced_rounds(rows, labels, np.random.default_rng(seed), pairs=pairs)

    drawn = Counter(np.concatenate(rounds).tolist())
    counts = np.bincount(labels, minlength=2)
    common = int(counts.argmax())
    assert set(drawn) == set(rows.tolist())
    assert all(len(np.unique(chosen)) == len(chosen) for chosen in rounds)
    if counts.min() == 0:
        assert len(rounds) == 1
        return
    for chosen in rounds:
        assert labels[chosen - 100].sum() * 2 == len(chosen)
        here = Counter(pairs[row - 100] for row in chosen.tolist())
        for row in chosen.tolist():
            if labels[row - 100] == common and pairs[row - 100] is not None:
                assert here[pairs[row - 100]] == 2
    assert all(drawn[row] == 1 for row in rows[labels == common].tolist()) or counts[0] == counts[1]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["a", "b", "c", None])), min_size=1, max_size=40),
    st.integers(0, 2**32),
)
def test_every_row_comes_up_even_when_what_calls_itself_a_pair_is_none(
    functions: list[tuple[int, str | None]], seed: int
) -> None:
    rows = np.arange(len(functions))
    labels = np.array([label for label, _ in functions])

    rounds = balanced_rounds(rows, labels, np.random.default_rng(seed), pairs=[pair for _, pair in functions])

    assert set(np.concatenate(rounds).tolist()) == set(rows.tolist())
    assert all(len(np.unique(chosen)) == len(chosen) for chosen in rounds)


def test_rare_rows_come_up_equally_often_give_or_take_one() -> None:
    labels = (np.arange(100) % 9 == 0).astype(np.int64)

    rounds = balanced_rounds(np.arange(100), labels, np.random.default_rng(0))

    times = Counter(np.concatenate(rounds).tolist())
    assert {times[row] for row in np.flatnonzero(labels).tolist()} <= {7, 8}


def _plan(task: Any, **config: Any) -> TrainingPlan:
    pairs: list[str | None] = [str(row // 5) if row % 5 < 2 else None for row in range(len(task.labels))]
    return TrainingPlan(task=task, rows=ROWS, labels=task.labels, config=TrainingConfig(**config), pairs=pairs)


def test_an_epoch_drawn_evenly_is_a_function_of_the_generator_alone(toy: type[Any]) -> None:
    plan = _plan(_imbalanced(toy()), class_balance="sampling", accumulation=2)

    one, two, other = (plan.steps(np.random.default_rng(seed)) for seed in (3, 3, 4))

    def flat(steps: list[list[Any]]) -> list[list[int]]:
        return [batch.tolist() for step in steps for batch in step]

    assert flat(one) == flat(two) != flat(other)
    assert sum(len(batch) for batch in flat(one)) == 64
    assert all(len(step) == 2 for step in one[:-1])


def test_without_balance_an_epoch_is_the_tasks_own(toy: type[Any]) -> None:
    task = _imbalanced(toy())

    [*steps] = _plan(task).steps(np.random.default_rng(3))

    own = task.plan_epoch(ROWS, np.random.default_rng(3))
    assert [batch.tolist() for [batch] in steps] == [batch.tolist() for batch in own]
    assert _plan(task).class_weights == _plan(task, class_balance="sampling").class_weights == EVEN
    assert _plan(task, class_balance="weights").class_weights == WEIGHTS


@pytest.mark.parametrize("balance", ["none", "weights", "sampling"])
def test_only_an_even_training_finds_a_rare_class_that_is_hard_to_tell(
    toy: type[Any],
    hardware: Hardware,
    new_context: Callable[..., RunContext],
    rate: LearningRateOutcome,
    balance: Any,
) -> None:
    task = toy()
    rng = np.random.default_rng(0)
    # One in ten, and only partly told by the first feature: without balance, no function is more likely than not.
    task.labels[:] = rng.random(len(task.labels)) < 0.1 + 0.15 * (task.inputs[:, 0].numpy() > 0.8)
    outcome: FitOutcome = fit(
        TrainingPlan(
            task=task,
            rows=np.arange(120),
            labels=task.labels,
            config=TrainingConfig(epochs=4, patience=4, class_balance=balance),
        ),
        dev_rows=np.arange(120, 160),
        learning_rate=rate,
        seed=0,
        context=new_context(balance),
        hardware=hardware,
    )

    with torch.no_grad():
        mean = float(torch.softmax(task.model(task.inputs), dim=1)[:, 1].mean())
    prior = float(task.labels[:120].mean())
    assert outcome.steps >= 60
    assert mean == pytest.approx(prior if balance == "none" else 0.5, abs=0.12)
