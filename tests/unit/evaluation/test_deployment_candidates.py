"""What would be packed of each option, weighed as just that."""

from pathlib import Path

import numpy as np
import pytest

from cellgate.contract.configs import Split
from cellgate.contract.evidence import DeploymentCandidate, Evidence
from cellgate.contract.options import OPTIONS
from cellgate.contract.specs import AggregationSpec, BundleKind
from tests.finished_runs import SEEDS, MakeSpec, aggregate, noisy_log_odds, write_run
from trainers.bundle.member_runs import Stored, read_members
from trainers.data.dataset import Dataset
from trainers.engine.metrics import best_threshold, f1_score, sigmoid


def forms_of(evidence: Evidence, option: str) -> list[DeploymentCandidate]:
    return [form for form in evidence.shippable if form.option == option]


def test_every_option_is_weighed_as_its_best_seed_and_as_all_seeds_together(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")

    assert [form.option for form in evidence.shippable] == [
        option.option for option in evidence.options for _ in range(2)
    ]
    for option in evidence.options:
        best, together = forms_of(evidence, option.option)
        (seed,) = best.seeds
        assert best.f1 == option.f1_per_seed[option.seeds.index(seed)]
        assert best.gain is None
        assert together.seeds == list(SEEDS)
        assert together.gain is not None
        assert together.gain.f1 == pytest.approx(together.f1 - best.f1)
        assert together.gain.interval.low <= together.gain.f1 <= together.gain.interval.high


def test_the_seed_that_dev_likes_best_is_taken_whatever_gate_says(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec(fusion=[])
    good, bad = noisy_log_odds(strength=9.0, seed=1), noisy_log_odds(strength=0.1, seed=2)

    def good_on_dev(split: Split, labels_R: np.ndarray) -> np.ndarray:
        return (good if split is Split.DEV else bad)(split, labels_R)

    write_run(spec.transformer[1].path, dataset, cell=51, seed=1, log_odds=good_on_dev)
    evidence = aggregate(spec, tmp_path / "out")

    best = forms_of(evidence, "transformer")[0]
    assert best.seeds == [1]
    assert best.dev_f1 == 1.0
    assert best.f1 == min(evidence.options[0].f1_per_seed)


def test_one_seed_is_weighed_once(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec()
    one = spec.model_copy(update={name: getattr(spec, name)[1:2] for name in ("transformer", "gnn", "fusion")})

    evidence = aggregate(one, tmp_path / "out")

    assert [(form.seeds, form.gain) for form in evidence.shippable] == [([1], None)] * len(OPTIONS)
    assert [form.f1_interval for form in evidence.shippable] == [option.f1_interval for option in evidence.options]


@pytest.mark.parametrize(
    ("option", "kind", "cells", "text_weight"),
    [
        ("transformer", "single", ("transformer",), None),
        ("gnn", "single", ("gnn",), None),
        ("ensemble", "ensemble", ("transformer", "gnn"), 0.6),
        ("ensemble_tuned", "ensemble", ("transformer", "gnn"), None),
        ("fusion", "fusion", ("transformer", "gnn", "fusion"), None),
    ],
)
def test_all_seeds_together_are_weighed_as_a_bundle_of_them_scores(
    make_spec: MakeSpec,
    dataset: Dataset,
    tmp_path: Path,
    option: str,
    kind: BundleKind,
    cells: tuple[str, ...],
    text_weight: float | None,
) -> None:
    spec: AggregationSpec = make_spec()
    form = forms_of(aggregate(spec, tmp_path / "out"), option)[1]

    paths = [output.path for cell in cells for output in getattr(spec, cell)]
    stored = Stored.read(kind, read_members(kind, paths, dataset=dataset), dataset=dataset)
    if option == "ensemble_tuned":
        text_weight = stored.tuned_text_weight()
    threshold = stored.threshold(text_weight=text_weight)
    labels_R = dataset.labels(dataset.rows(Split.GATE))
    probability_R = stored.probabilities(Split.GATE, text_weight=text_weight)
    assert (form.text_weight, form.threshold) == (text_weight, threshold)
    assert form.f1 == f1_score(labels_R, probability_R >= threshold)


def test_by_hand_the_mean_of_three_models_is_judged_at_its_own_threshold(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    form = forms_of(aggregate(make_spec(), tmp_path / "out"), "gnn")[1]

    def mean(split: Split) -> np.ndarray:
        labels_R = dataset.labels(dataset.rows(split))
        of_seeds = [noisy_log_odds(strength=1.5, seed=5200 + seed)(split, labels_R) for seed in SEEDS]
        return np.mean([sigmoid(log_odds_R) for log_odds_R in of_seeds], axis=0)

    dev_R, gate_R = (dataset.labels(dataset.rows(split)) for split in (Split.DEV, Split.GATE))
    threshold = best_threshold(dev_R, mean(Split.DEV))
    assert form.threshold == pytest.approx(threshold)
    assert form.dev_f1 == pytest.approx(f1_score(dev_R, mean(Split.DEV) >= threshold))
    assert form.f1 == pytest.approx(f1_score(gate_R, mean(Split.GATE) >= threshold))
