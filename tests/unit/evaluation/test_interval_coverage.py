"""The decision's intervals on experiments whose true F1 is known; `python -m bench.decision` is the long form."""

from statistics import fmean

import numpy as np
import pytest

from cellgate.contract.evidence import Interval
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import GateReport
from service.domain.decision.rules import decide
from tests.simulated_experiments import Sample, World, draw, evidence_of
from trainers.evaluation.statistics import Resampled

EXPERIMENTS = 120
# Of those that take longest, at every change.
FEW_EXPERIMENTS = 40
PASSED = GateReport(experiment="exp_1", verdict="pass", checks=[], summary="")
TIE = World(f1={"transformer": 0.88, "gnn": 0.80, "ensemble": 0.88}, groups=80)
# Of 120 intervals at 95 % fewer than 107 hold the truth once in 400 times (binomial).
LEAST = 107 / 120


def samples(world: World, experiments: int = EXPERIMENTS) -> list[Sample]:
    rng = np.random.default_rng(3)
    return [draw(world, rng) for _ in range(experiments)]


def held(intervals: list[Interval], truth: float) -> float:
    return fmean(found.low <= truth <= found.high for found in intervals)


@pytest.mark.parametrize("seed_spread", [pytest.param(0.0, marks=pytest.mark.slow), 0.15])
def test_intervals_hold_the_true_f1_and_the_true_difference_as_often_as_they_say(seed_spread: float) -> None:
    world = World(f1=TIE.f1, groups=80, seed_spread=seed_spread)
    found = [evidence_of(world, sample, seed=place) for place, sample in enumerate(samples(world))]

    assert held([evidence.options[0].f1_interval for evidence in found], 0.88) >= LEAST
    assert held([evidence.comparisons[0].f1_interval for evidence in found], 0.08) >= LEAST


@pytest.mark.parametrize(
    ("groups", "by_row"),
    [
        pytest.param(80, True, id="functions drawn one by one", marks=pytest.mark.slow),
        pytest.param(300, False, id="seeds left out"),
    ],
)
def test_a_shortcut_claims_too_much_and_falls_below_the_bound(groups: int, by_row: bool) -> None:
    world = World(f1={"transformer": 0.88}, groups=groups, seed_spread=0.15)
    found: list[Interval] = []
    for place, sample in enumerate(samples(world)):
        group_R = np.arange(len(sample.group_R)) if by_row else sample.group_R
        resampled = Resampled.of_f1(
            sample.labels_R, sample.predicted_RM, group_R, resamples=200, seed=place, confidence=0.95
        )
        low, high = np.quantile(resampled.resampled_SM.mean(axis=1), [0.025, 0.975])
        found.append(Interval(low=float(low), high=float(high), confidence=0.95))

    assert held(found, 0.88) < LEAST


@pytest.mark.parametrize("experiments", [FEW_EXPERIMENTS, pytest.param(EXPERIMENTS, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("world", "policy", "clear"),
    [
        pytest.param(TIE, Policy(fusion="never"), False, id="a true tie"),
        pytest.param(
            World(f1={"transformer": 0.84, "gnn": 0.80, "ensemble": 0.90}), Policy(), False, id="exactly at 0.90"
        ),
        pytest.param(
            World(f1={"transformer": 0.82, "gnn": 0.80, "ensemble": 0.93}),
            Policy(fusion="never"),
            True,
            id="a difference of eleven points",
        ),
    ],
)
def test_a_tie_is_called_borderline_and_a_real_difference_clear(
    world: World, policy: Policy, clear: bool, experiments: int
) -> None:
    drawn = samples(world, experiments)
    evidence = [evidence_of(world, sample, seed=place) for place, sample in enumerate(drawn)]

    rate = fmean(decide(found, PASSED, policy, stage="bases").confidence == "clear" for found in evidence)

    assert rate >= LEAST if clear else rate <= 1 - LEAST


def test_with_equal_seeds_or_one_seed_the_interval_is_that_of_the_functions_alone() -> None:
    rng = np.random.default_rng(0)
    labels_R = (rng.random(200) < 0.5).astype(np.int64)
    predicted_R1 = ((labels_R == 1) ^ (rng.random(200) < 0.1))[:, np.newaxis]

    def resampled(copies: int) -> Resampled:
        predicted_RM = np.repeat(predicted_R1, copies, axis=1)
        return Resampled.of_f1(labels_R, predicted_RM, np.arange(200), resamples=300, seed=0, confidence=0.95)

    one, three = resampled(1).interval([0]), resampled(3).interval([0, 1, 2])
    assert [three.low, three.high] == pytest.approx([one.low, one.high])


def test_seeds_far_apart_widen_the_interval_by_students_t() -> None:
    # Three models on one group: resampling changes nothing, so that only the seeds speak.
    labels_R = np.array([1] * 100)
    predicted_RM = np.stack([np.arange(100) < found for found in (60, 61, 62)], axis=1)

    resampled = Resampled.of_f1(
        labels_R, predicted_RM, np.zeros(100, dtype=np.int64), resamples=100_000, seed=0, confidence=0.95
    )
    found = resampled.interval([0, 1, 2])

    # F1 of 60, 61, 62 of 100: 0.75, 0.757764, 0.765432; t(0.975, 2) = 4.303.
    f1s = np.array([120 / 160, 122 / 161, 124 / 162])
    half = 4.303 * f1s.std(ddof=1) / np.sqrt(3)
    assert [found.low, found.high] == pytest.approx([f1s.mean() - half, f1s.mean() + half], abs=0.001)
