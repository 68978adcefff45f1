"""Verdicts on pairs over seeds, with intervals that are worked out by hand or bounded by their distribution."""

from pathlib import Path

import numpy as np
import pytest

from cellgate.contract.configs import AggregationConfig, Split
from cellgate.contract.evidence import PAIR_VERDICTS
from cellgate.contract.report import read_report
from tests.finished_runs import MakeSpec, aggregate, noisy_log_odds
from trainers.data.dataset import Dataset
from trainers.evaluation.pair_evidence import PairScores
from trainers.evaluation.statistics import bootstrap_shares

CONFIG = AggregationConfig(resamples=2_000)


def pairs_of(count: int) -> np.ndarray:
    """The vulnerable function of pair p is row 2p, its patched version the next row."""
    return np.arange(2 * count).reshape(count, 2)


def called(*by_model: str) -> np.ndarray:
    return np.stack([[letter == "1" for letter in rows] for rows in by_model], axis=1)


def test_by_hand_of_two_seeds_on_one_group_the_mean_is_theirs_and_the_interval_students_t() -> None:
    # Pairs of the first seed: right, right, vulnerable, safe; of the second: right, reversed, vulnerable, vulnerable.
    called_RM = called("10101100", "10011111")

    scores = PairScores.of(pairs_of(4), called_RM, np.zeros(8, dtype=np.int64), config=CONFIG)

    assert scores is not None
    found = scores.verdicts([0, 1])
    assert found.pairs == 4
    assert {verdict: getattr(found, verdict).per_seed for verdict in PAIR_VERDICTS} == {
        "correct": [0.5, 0.25],
        "vulnerable": [0.25, 0.5],
        "benign": [0.25, 0.0],
        "reversed": [0.0, 0.25],
    }
    assert [getattr(found, verdict).mean for verdict in PAIR_VERDICTS] == [0.375, 0.375, 0.125, 0.125]
    # One group: every resample is the sample, so that one seed alone has no spread; two are cut at 0 and 1 by t(1).
    alone = scores.verdicts([0]).correct
    assert (alone.interval.low, alone.interval.high, alone.interval.confidence) == (0.5, 0.5, 0.95)
    assert (found.correct.interval.low, found.correct.interval.high) == (0.0, 1.0)


def test_two_groups_are_drawn_as_often_as_the_binomial_says() -> None:
    # A group of one right pair and one of three wrong pairs: the share is 1, 1/4 or 0.
    shares_SM = bootstrap_shares(np.array([[1.0], [0.0]]), np.array([1.0, 3.0]), resamples=20_000, seed=0)

    values, times = np.unique(shares_SM, return_counts=True)

    assert values.tolist() == [0.0, 0.25, 1.0]
    # Expected shares 1/4, 1/2, 1/4; five standard deviations of a share of 1/2 over 20,000 draws are 0.018.
    np.testing.assert_allclose(times / 20_000, [0.25, 0.5, 0.25], atol=0.018)


def test_a_resample_that_draws_no_pair_says_nothing_of_pairs() -> None:
    # Two of three functions are no pair's: (2/3)^3 of the resamples hold no pair, and in the others it is right.
    shares_SM = bootstrap_shares(np.array([[1.0], [0.0], [0.0]]), np.array([1.0, 0.0, 0.0]), resamples=20_000, seed=0)

    assert set(shares_SM[:, 0]) == {1.0}
    assert len(shares_SM) / 20_000 == pytest.approx(1 - (2 / 3) ** 3, abs=0.018)


def test_resamples_draw_whole_groups_so_that_pairs_of_one_commit_stand_or_fall_together() -> None:
    # 40 pairs, every second one right: each alone in its group, or all right ones in one of two groups.
    called_RM = called("1000" * 20)
    apart = PairScores.of(pairs_of(40), called_RM, np.repeat(np.arange(40), 2), config=CONFIG)
    together = PairScores.of(pairs_of(40), called_RM, np.tile([0, 0, 1, 1], 20), config=CONFIG)

    assert apart is not None
    assert together is not None
    found = apart.verdicts([0]).correct
    assert found.mean == 0.5
    # Normal approximation: 0.5 -+ 1.96 * sqrt(0.25 / 40) = 0.345 to 0.655.
    assert [found.interval.low, found.interval.high] == pytest.approx([0.345, 0.655], abs=0.03)
    assert (together.verdicts([0]).correct.interval.low, together.verdicts([0]).correct.interval.high) == (0.0, 1.0)


def test_without_a_pair_there_are_no_verdicts() -> None:
    assert PairScores.of(np.empty((0, 2), dtype=np.int64), called("10"), np.arange(2), config=CONFIG) is None


def test_every_option_of_cell_54_has_its_verdicts_seed_by_seed(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")

    rows_R = dataset.rows(Split.GATE)
    labels_R, pairs = dataset.labels(rows_R), dataset.pairs(rows_R)
    called_R = noisy_log_odds(strength=1.0, seed=5102)(Split.GATE, labels_R) >= 0
    right = dict.fromkeys(pairs, True)
    for name, label, call in zip(pairs, labels_R, called_R, strict=True):
        right[name] &= bool(call) == bool(label)
    text = evidence.options[0].pair_verdicts
    assert text is not None
    assert text.pairs == len(right) == len(labels_R) / 2
    assert text.correct.per_seed[2] == sum(right.values()) / len(right)
    report = read_report(tmp_path / "out" / "report.json")
    for option, of_seeds in zip(evidence.options, report.options, strict=True):
        found = option.pair_verdicts
        assert found is not None
        assert sum(getattr(found, verdict).mean for verdict in PAIR_VERDICTS) == pytest.approx(1)
        assert found.correct.interval.low <= found.correct.mean <= found.correct.interval.high
        for verdict in PAIR_VERDICTS:
            stored = [getattr(of_seed.gate, f"pairwise_{verdict}") for of_seed in of_seeds.seeds]
            assert stored == getattr(found, verdict).per_seed
