"""Cell 54's report: each of its figures against another way to get it."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from sklearn.metrics import precision_recall_curve as reference_curve

from cellgate.contract.configs import Split
from cellgate.contract.files import sha256_of_file
from cellgate.contract.options import OPTIONS
from cellgate.contract.report import SeedReport, read_report, report_schema
from cellgate.contract.results import read_result
from tests.finished_runs import SEEDS, MakeSpec, aggregate, noisy_log_odds, write_run
from trainers.data.dataset import Dataset
from trainers.engine.metrics import sigmoid
from trainers.evaluation.seed_report import (
    calibration_error,
    equal_mass_bins,
    flip_rate,
    precision_recall_curve,
    unsteady,
)


@pytest.fixture
def out(make_spec: MakeSpec, tmp_path: Path) -> Path:
    """The folder of a finished run of cell 54, with fusion."""
    aggregate(make_spec(), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def report(out: Path) -> SeedReport:
    """Its report, read back."""
    return read_report(out / "report.json")


def labels_and_calls(dataset: Dataset) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return gate's labels, and what each seed of the base models calls each function, (3, R)."""
    labels_R = dataset.labels(dataset.rows(Split.GATE))
    calls = {
        name: np.stack(
            [noisy_log_odds(strength=strength, seed=100 * cell + seed)(Split.GATE, labels_R) >= 0 for seed in SEEDS]
        )
        for name, cell, strength in (("transformer", 51, 1.0), ("gnn", 52, 1.5))
    }
    return labels_R, calls


def test_the_report_is_vouched_for_by_the_result_and_fits_its_published_schema(out: Path, report: SeedReport) -> None:
    result = read_result(out / "result.json")

    assert result.artifacts["report.json"] == sha256_of_file(out / "report.json")
    assert report.evidence == result.evidence
    Draft202012Validator(report_schema()).validate(json.loads((out / "report.json").read_bytes()))


def test_the_same_runs_give_the_same_report_byte_for_byte(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec()
    for name in ("a", "b"):
        aggregate(spec, tmp_path / name)

    assert (tmp_path / "a" / "report.json").read_bytes() == (tmp_path / "b" / "report.json").read_bytes()


def test_each_seed_has_the_f1_that_the_evidence_has(report: SeedReport) -> None:
    for option, weighed in zip(report.options, report.evidence.options, strict=True):
        assert option.option == weighed.option
        assert [(of_seed.seed, of_seed.gate.f1) for of_seed in option.seeds] == list(
            zip(weighed.seeds, weighed.f1_per_seed, strict=True)
        )
        assert np.mean([of_seed.test.f1 for of_seed in option.seeds if of_seed.test]) == pytest.approx(weighed.test_f1)


def test_by_hand_of_three_seeds_the_rate_of_flips_is_the_mean_over_pairs() -> None:
    called_RK = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]], dtype=bool)

    # Seeds 0 and 1 differ on two of four functions, 0 and 2 on one, 1 and 2 on one.
    assert flip_rate(called_RK) == pytest.approx((2 + 1 + 1) / 3 / 4)
    assert unsteady(called_RK) == 0.5


def test_one_seed_has_no_rate_of_flips() -> None:
    assert flip_rate(np.ones((4, 1), dtype=bool)) is None
    assert unsteady(np.ones((4, 1), dtype=bool)) is None


def test_the_rate_of_flips_is_that_of_what_the_seeds_call(report: SeedReport, dataset: Dataset) -> None:
    _, calls = labels_and_calls(dataset)

    for option in report.options[:2]:
        called_KR = calls[option.option]
        pairs = [np.mean(one != other) for one, other in itertools.combinations(called_KR, 2)]
        assert option.flip_rate == pytest.approx(np.mean(pairs))
        assert option.unsteady == pytest.approx(np.mean(called_KR.sum(axis=0) % 3 != 0))


def test_by_hand_bins_hold_equally_many_functions() -> None:
    probability_R = np.array([0.9, 0.1, 0.3, 0.8, 0.2, 0.4, 0.7])
    labels_R = np.array([1, 0, 1, 1, 0, 0, 0])

    bins = equal_mass_bins(labels_R, probability_R, bins=3)

    assert [(one.rows, one.vulnerable) for one in bins] == [(3, 1 / 3), (2, 0.0), (2, 1.0)]
    assert [one.probability for one in bins] == pytest.approx([0.2, 0.55, 0.85])
    assert calibration_error(bins) == pytest.approx((3 * (1 / 3 - 0.2) + 2 * 0.55 + 2 * 0.15) / 7)


def test_the_reliability_diagram_has_fifteen_bins_of_all_seeds(report: SeedReport) -> None:
    for option in report.options:
        sizes = [one.rows for one in option.reliability]
        assert len(sizes) == 15
        assert sum(sizes) == 3 * report.evidence.rows
        assert max(sizes) - min(sizes) <= 1


def test_fewer_functions_than_bins_are_a_bin_each() -> None:
    bins = equal_mass_bins(np.array([1, 0]), np.array([0.7, 0.2]))

    assert [(one.rows, one.probability, one.vulnerable) for one in bins] == [(1, 0.2, 0.0), (1, 0.7, 1.0)]


def test_the_points_of_the_curve_are_those_of_thresholds() -> None:
    rng = np.random.default_rng(4)
    labels_R = (rng.random(3_000) < 0.3).astype(np.int64)
    probability_R = sigmoid(rng.normal(2.0 * labels_R - 1.0, 1.5).round(2))

    points = precision_recall_curve(labels_R, probability_R)

    precision_K, recall_K, _ = reference_curve(labels_R, probability_R)
    possible = set(zip(recall_K.tolist(), precision_K.tolist(), strict=True))
    assert {(point.recall, point.precision) for point in points} < possible
    assert 50 < len(points) <= 100
    assert points[-1].recall == 1.0
    assert all(one.recall < other.recall for one, other in itertools.pairwise(points))
    assert all(one.threshold > other.threshold for one, other in itertools.pairwise(points))
    best = points[20]
    called_R = probability_R >= best.threshold
    assert best.precision == pytest.approx(labels_R[called_R].mean())
    assert best.recall == pytest.approx(called_R[labels_R == 1].mean())


def test_a_split_without_a_vulnerable_function_has_no_curve() -> None:
    assert precision_recall_curve(np.zeros(3, dtype=np.int64), np.array([0.1, 0.5, 0.9])) == []


def test_the_errors_of_two_options_add_up_to_each_one_s_own(report: SeedReport) -> None:
    scores = {option.option: [of_seed.gate for of_seed in option.seeds] for option in report.options}
    assert len(report.overlaps) == math.comb(len(OPTIONS), 2)
    for overlap in report.overlaps:
        for option, own in ((overlap.first, "only_first"), (overlap.second, "only_second")):
            missed = np.mean([of_seed.false_negatives for of_seed in scores[option]])
            alarmed = np.mean([of_seed.false_positives for of_seed in scores[option]])
            assert overlap.misses.both + getattr(overlap.misses, own) == pytest.approx(missed)
            assert overlap.false_alarms.both + getattr(overlap.false_alarms, own) == pytest.approx(alarmed)


def test_common_misses_are_those_that_both_models_of_a_seed_make(report: SeedReport, dataset: Dataset) -> None:
    labels_R, calls = labels_and_calls(dataset)

    both = [
        np.sum((labels_R == 1) & ~text & ~graph) for text, graph in zip(calls["transformer"], calls["gnn"], strict=True)
    ]
    assert (report.overlaps[0].first, report.overlaps[0].second) == ("transformer", "gnn")
    assert report.overlaps[0].misses.both == pytest.approx(np.mean(both))


def test_a_slice_s_accuracy_is_the_evidence_s_and_its_recall_that_of_its_vulnerable_functions(
    report: SeedReport, dataset: Dataset
) -> None:
    accuracy = {(found.slice, found.value): found.accuracy for found in report.evidence.slices}
    labels_R, calls = labels_and_calls(dataset)
    cwes = dataset.cwes(dataset.rows(Split.GATE))

    assert {(found.slice, found.value) for found in report.slices} == set(accuracy)
    for found in report.slices:
        for option, scores in found.scores.items():
            assert scores.accuracy == pytest.approx(accuracy[found.slice, found.value][option])
    for found in report.slices:
        if found.slice == "cwe" and found.positives:
            inside_R = np.array([cwe == found.value for cwe in cwes]) & (labels_R == 1)
            assert found.positives == inside_R.sum()
            assert found.scores["gnn"].recall == pytest.approx(calls["gnn"][:, inside_R].mean())


def test_slices_are_reported_by_size(report: SeedReport) -> None:
    for kind in ("cwe", "project"):
        sizes = [found.rows for found in report.slices if found.slice == kind]
        assert sizes == sorted(sizes, reverse=True) != []


def test_hard_functions_are_those_that_every_seed_gets_wrong(report: SeedReport, dataset: Dataset) -> None:
    labels_R, calls = labels_and_calls(dataset)
    rows_R = dataset.rows(Split.GATE)
    wrong = {name: (called_KR != (labels_R == 1)).sum(axis=0) for name, called_KR in calls.items()}
    kinds = {
        "common": (wrong["transformer"] == 3) & (wrong["gnn"] == 3),
        "transformer_corrects": (wrong["transformer"] == 0) & (wrong["gnn"] == 3),
        "gnn_corrects": (wrong["transformer"] == 3) & (wrong["gnn"] == 0),
    }
    names = dataset.ids(rows_R)
    assert any(chosen_R.any() for chosen_R in kinds.values())
    for kind, chosen_R in kinds.items():
        found = getattr(report.hard_functions, kind)
        assert getattr(report.hard_functions, f"{kind}_total") == chosen_R.sum() == len(found)
        assert {one.id for one in found} == {names[place] for place in np.flatnonzero(chosen_R)}
        for one in found:
            place = names.index(one.id)
            assert one.vulnerable == (labels_R[place] == 1)
            assert one.wrong["gnn"] == wrong["gnn"][place]


def test_at_most_twenty_are_named_the_surest_errors_first(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec()
    for seed, (text, graph) in enumerate(zip(spec.transformer, spec.gnn, strict=True)):
        # Wrong about nearly all, and nearly always right.
        write_run(text.path, dataset, cell=51, seed=seed, log_odds=noisy_log_odds(strength=-5.0, seed=seed))
        write_run(graph.path, dataset, cell=52, seed=seed, log_odds=noisy_log_odds(strength=5.0, seed=seed))
    aggregate(spec, tmp_path / "out")

    hard = read_report(tmp_path / "out" / "report.json").hard_functions

    assert hard.gnn_corrects_total > len(hard.gnn_corrects) == 20
    recorded = [(one.vulnerable, one.probability["transformer"]) for one in hard.gnn_corrects]
    off = [1 - probability if vulnerable else probability for vulnerable, probability in recorded]
    assert off == sorted(off, reverse=True)
