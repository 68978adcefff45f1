"""A small real model is trained with a fault inside: each is caught by the first evaluation; healthy runs are not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cellgate.contract.errors import CollapseError
from tests.collapse_runs import Fault, InputError, SmallTask, healthy_problem, train
from trainers.engine.hardware import Hardware

# More healthy runs are in bench/collapse.py: these take some seconds.
HEALTHY_SEEDS = np.linspace(0, 99, 12).astype(int).tolist()
# Of them, these are trained at every change.
FIRST_SEEDS = HEALTHY_SEEDS[::3]
EPOCH_STEPS = 19
LOGITS, HEAD, ENCODER, KINDS = "logits", "classifier", "encoder", "kinds"


def _forced_bias(task: SmallTask) -> None:
    with torch.no_grad():
        task.model.classifier.bias.copy_(torch.tensor([-20.0, 20.0]))


def _deaf_head(task: SmallTask) -> None:
    task.model.classifier.register_forward_hook(lambda module, _inputs, logits_BC: 0 * logits_BC + module.bias)


def _one_label(task: SmallTask) -> None:
    task.labels[:] = 0


def _one_label_in_train(task: SmallTask) -> None:
    task.labels[len(task.labels) // 4 :] = 0


def _nan_in_embedding(task: SmallTask) -> None:
    with torch.no_grad():
        task.model.kinds.weight[3, 0] = float("nan")


def _infinite_weight(task: SmallTask) -> None:
    with torch.no_grad():
        task.model.encoder[0].weight[0, 0] = float("inf")


def _detached_encoder(task: SmallTask) -> None:
    task.model.encoder.register_forward_hook(lambda _module, _inputs, hidden_BW: hidden_BW.detach())


def _scaled_encoder(factor: float) -> Fault:
    def scale(task: SmallTask) -> None:
        for parameter in task.model.encoder.parameters():
            parameter.register_hook(lambda gradient: gradient * factor)

    return scale


def _constant_encoder(task: SmallTask) -> None:
    task.model.encoder.register_forward_hook(lambda _module, _inputs, hidden_BW: torch.ones_like(hidden_BW))


def _saturated_head(task: SmallTask) -> None:
    with torch.no_grad():
        task.model.classifier.weight.mul_(1e6)


def _dropped_out(task: SmallTask) -> None:
    task.model.encoder[3].p = 1.0


def _closed_units(task: SmallTask) -> None:
    with torch.no_grad():
        task.model.encoder[0].bias.fill_(-1e3)


def _blank_inputs(task: SmallTask) -> None:
    task.inputs.zero_()


def _swapped_signs(task: SmallTask) -> None:
    with torch.no_grad():
        task.model.classifier.weight.neg_()
        task.model.classifier.bias.neg_()


FAULTS: list[tuple[str, Fault, tuple[str, str]]] = [
    ("classifier's bias forced", _forced_bias, ("prior_entropy", LOGITS)),
    ("head deaf to its inputs", _deaf_head, ("constant_logits", LOGITS)),
    ("labels all of one class", _one_label, ("single_class", LOGITS)),
    ("labels of train all of one class", _one_label_in_train, ("single_class", LOGITS)),
    ("NaN in an embedding", _nan_in_embedding, ("non_finite", KINDS)),
    ("Inf in a weight", _infinite_weight, ("non_finite", ENCODER)),
    ("detached encoder", _detached_encoder, ("dead_branch", ENCODER)),
    ("gradient times 1e-12", _scaled_encoder(1e-12), ("vanishing_gradient", ENCODER)),
    ("gradient times 1e6", _scaled_encoder(1e6), ("exploding_gradient", ENCODER)),
    ("encoder of constant output", _constant_encoder, ("constant_logits", LOGITS)),
    ("saturated head", _saturated_head, ("exploding_gradient", ENCODER)),
    ("dropout of everything", _dropped_out, ("dead_branch", ENCODER)),
    ("closed hidden units", _closed_units, ("zero_f1", LOGITS)),
    ("blank inputs", _blank_inputs, ("constant_logits", LOGITS)),
]


@pytest.mark.parametrize(("fault", "expected"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_from_the_start_is_caught_by_the_first_evaluation(
    fault: Fault, expected: tuple[str, str], hardware: Hardware, tmp_path: Path
) -> None:
    outcome = train(SmallTask(InputError(seed=0, rows=800), fault=fault), tmp_path, hardware=hardware, epochs=1)

    assert expected in outcome.found[0]


# Labels do not change within a run.
BREAKING = [fault for fault in FAULTS if fault[1] not in (_one_label, _one_label_in_train)]


@pytest.mark.parametrize("fault", [f[1] for f in BREAKING], ids=[f[0] for f in BREAKING])
def test_a_fault_in_a_healthy_run_is_caught_by_the_next_evaluation(
    fault: Fault, hardware: Hardware, tmp_path: Path
) -> None:
    task = SmallTask(InputError(seed=0), fault=fault, fault_at=2 * EPOCH_STEPS)

    outcome = train(task, tmp_path, hardware=hardware, epochs=3)

    # By whatever name: what a fault does to learned weights is not always what it does to fresh ones.
    assert outcome.found[:2] == [set(), set()]
    assert outcome.found[2] != set()


@pytest.mark.parametrize(("rate", "expected"), [(10.0, "exploding_gradient"), (1e-12, "dead_branch")])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_rate_far_too_high_or_too_low_is_caught_by_the_first_evaluation(
    rate: float, expected: str, seed: int, hardware: Hardware, tmp_path: Path
) -> None:
    outcome = train(SmallTask(InputError(seed=seed)), tmp_path, hardware=hardware, learning_rate=rate, epochs=1)

    assert (expected, ENCODER) in outcome.found[0]


def test_swapped_signs_are_learned_away_and_no_collapse(hardware: Hardware, tmp_path: Path) -> None:
    task = SmallTask(InputError(seed=0), fault=_swapped_signs, fault_at=EPOCH_STEPS)

    assert train(task, tmp_path, hardware=hardware).types == set()


def test_a_model_that_learns_nothing_useful_ends_in_an_error(hardware: Hardware, tmp_path: Path) -> None:
    outcome = train(SmallTask(InputError(seed=0), fault=_constant_encoder), tmp_path, hardware=hardware, epochs=1)

    assert outcome.error is CollapseError


@pytest.mark.parametrize(
    "seed", [seed if seed in FIRST_SEEDS else pytest.param(seed, marks=pytest.mark.slow) for seed in HEALTHY_SEEDS]
)
def test_a_healthy_run_raises_no_alarm(seed: int, hardware: Hardware, tmp_path: Path) -> None:
    problem, sizes = healthy_problem(seed)

    outcome = train(SmallTask(problem, **sizes), tmp_path, hardware=hardware)

    assert (outcome.types, outcome.error) == (set(), None)
