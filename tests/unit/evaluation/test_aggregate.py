"""Cell 54 as a whole, on runs whose predictions are made by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from cellgate.contract.configs import AggregationConfig, Split
from cellgate.contract.errors import DataError, SpecError
from cellgate.contract.evidence import Evidence, OptionEvidence
from cellgate.contract.files import to_json
from cellgate.contract.options import OPTIONS
from tests.finished_runs import LINEAR_STRENGTH, SEEDS, LogOdds, MakeSpec, aggregate, noisy_log_odds, write_run
from trainers.bundle.member_runs import Stored, read_members
from trainers.data.dataset import Dataset
from trainers.engine.metrics import best_threshold, f1_score, sigmoid
from trainers.evaluation.aggregate import weigh
from trainers.evaluation.evidence import read_baselines
from trainers.evaluation.statistics import holm
from trainers.evaluation.weighing import Weighing


def options_of(evidence: Evidence) -> dict[str, OptionEvidence]:
    return {option.option: option for option in evidence.options}


def test_every_option_is_weighed_and_every_two_are_compared(make_spec: MakeSpec, tmp_path: Path) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")

    assert list(options_of(evidence)) == [option.name for option in OPTIONS]
    assert len(evidence.comparisons) == math.comb(len(OPTIONS), 2)
    assert all(comparison.holm_p >= comparison.mcnemar_p for comparison in evidence.comparisons)
    assert [comparison.adjusted_p for comparison in evidence.comparisons] == holm(
        [comparison.p for comparison in evidence.comparisons if comparison.p is not None]
    )
    assert len(evidence.inputs) == 3 * (4 + 4 + 3)


def test_a_stated_prevalence_gives_every_option_its_scores_there(make_spec: MakeSpec) -> None:
    spec = make_spec()
    stated = spec.model_copy(update={"deployment_prevalence": 0.01})

    without, found = weigh(spec).evidence, weigh(stated).evidence

    assert all(option.deployment is None for option in without.options)
    for option in found.options:
        assert option.deployment is not None
        assert option.deployment.prevalence == 0.01
        assert option.deployment.vd_s.mean == pytest.approx(option.vd_s)
        assert option.deployment.precision.mean < option.precision
    # Nothing else depends on it.
    others = [option.model_copy(update={"deployment": None}) for option in found.options]
    assert found.model_copy(update={"options": others}) == without


def test_a_bundle_of_one_seed_has_the_scores_at_a_prevalence_that_the_evidence_has(
    make_spec: MakeSpec, dataset: Dataset
) -> None:
    spec = make_spec()
    one_seed = {"transformer": spec.transformer[:1], "gnn": spec.gnn[:1], "fusion": []}
    resamples = AggregationConfig().resamples
    stated = spec.model_copy(
        update={"deployment_prevalence": 0.01, "alerts_per_1000": 100.0, "resamples": resamples, **one_seed}
    )
    runs = [output.path for output in (*stated.transformer, *stated.gnn)]

    evidence = options_of(weigh(stated).evidence)

    stored = Stored.read("ensemble", read_members("ensemble", runs, dataset=dataset), dataset=dataset)
    found = stored.deployment(text_weight=spec.text_weight, prevalence=0.01, alerts_per_1000=100.0)
    assert found is not None
    assert found.budget is not None
    assert found == evidence["ensemble"].deployment


def test_a_bundle_of_one_seed_abstains_where_the_evidence_says(make_spec: MakeSpec, dataset: Dataset) -> None:
    spec = make_spec()
    without = weigh(spec).evidence
    one_seed = {"transformer": spec.transformer[:1], "gnn": spec.gnn[:1], "fusion": []}
    stated = spec.model_copy(update={"selective_risk": 0.3, "resamples": AggregationConfig().resamples, **one_seed})
    runs = [output.path for output in (*stated.transformer, *stated.gnn)]

    found = options_of(weigh(stated).evidence)

    assert all(option.abstention is None for option in without.options)
    assert all(option.abstention is not None for option in found.values())
    stored = Stored.read("ensemble", read_members("ensemble", runs, dataset=dataset), dataset=dataset)
    assert stored.abstention(text_weight=spec.text_weight, risk=0.3) == found["ensemble"].abstention


def test_an_ensemble_s_own_temperature_changes_its_probabilities_and_no_call(make_spec: MakeSpec) -> None:
    spec = make_spec()
    before, after = (
        options_of(weigh(spec, weighing=weighing).evidence) for weighing in (Weighing.WITHOUT_P_VALUES, Weighing.NOW)
    )

    for name in ("ensemble", "ensemble_tuned"):
        assert after[name].ece != before[name].ece
        # The order of the functions stays, and so does what the best threshold calls them.
        assert after[name].f1_per_seed == before[name].f1_per_seed
        assert after[name].auroc == before[name].auroc
    assert after["transformer"].ece == before["transformer"].ece


def test_the_evidence_has_the_baselines_of_the_data_set_s_report(
    make_spec: MakeSpec, aggregated_dataset_folder: Path, tmp_path: Path
) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")

    probes = json.loads((aggregated_dataset_folder / "report.json").read_bytes())["probes"]
    assert {baseline.name: (baseline.f1, baseline.auroc) for baseline in evidence.baselines} == {
        "all_positive": (probes["all_positive_f1"], 0.5),
        **{name: (probes[name]["f1"], probes[name]["auroc"]) for name in ("bag_of_tokens", "length", "identifiers")},
    }
    assert evidence.baselines[0].f1 == pytest.approx(evidence.all_positive_f1, abs=1e-6)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"probes": {"length": {"f1": 2, "auroc": 0.5}, "all_positive_f1": 0}}']
)
def test_a_damaged_report_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)

    with pytest.raises(DataError, match=r"report\.json: the report is damaged"):
        read_baselines(tmp_path)


def test_a_report_of_before_a_probe_was_known_gives_the_others(tmp_path: Path) -> None:
    report = {"probes": {"length": {"f1": 0.5, "auroc": 0.6}, "all_positive_f1": 0.7}}
    (tmp_path / "report.json").write_text(json.dumps(report))

    assert [baseline.name for baseline in read_baselines(tmp_path)] == ["all_positive", "length"]


def test_the_linear_model_is_weighed_by_its_own_log_odds_alike_in_every_seed(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    linear = options_of(aggregate(make_spec(), tmp_path / "out"))["linear"]

    log_odds = noisy_log_odds(strength=LINEAR_STRENGTH, seed=0)
    dev, gate = dataset.labels(dataset.rows(Split.DEV)), dataset.labels(dataset.rows(Split.GATE))
    threshold = best_threshold(dev, sigmoid(log_odds(Split.DEV, dev).astype(np.float32).astype(float)))
    called = sigmoid(log_odds(Split.GATE, gate).astype(np.float32).astype(float)) >= threshold
    assert linear.f1_per_seed == [pytest.approx(f1_score(gate, called))] * 3


def test_networks_that_were_trained_alone_have_no_linear_option(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec()
    for run in spec.transformer:
        alone = noisy_log_odds(strength=1.0, seed=51 * 100 + run.seed)
        write_run(run.path, dataset, cell=51, seed=run.seed, log_odds=alone)

    assert "linear" not in options_of(aggregate(spec, tmp_path / "out"))


def test_without_fusion_runs_there_is_no_fusion_option(make_spec: MakeSpec, tmp_path: Path) -> None:
    evidence = aggregate(make_spec(fusion=[]), tmp_path / "out")

    assert "fusion" not in options_of(evidence)
    assert len(evidence.comparisons) == math.comb(len(OPTIONS) - 1, 2)


def test_the_fixed_ensemble_is_judged_on_gate_at_the_threshold_that_dev_likes_best(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")

    def mixed(split: Split, seed: int) -> np.ndarray:
        labels_R = dataset.labels(dataset.rows(split))
        text: LogOdds = noisy_log_odds(strength=1.0, seed=5100 + seed)
        graph: LogOdds = noisy_log_odds(strength=1.5, seed=5200 + seed)
        return 0.6 * sigmoid(text(split, labels_R)) + 0.4 * sigmoid(graph(split, labels_R))

    dev_R, gate_R = (dataset.labels(dataset.rows(split)) for split in (Split.DEV, Split.GATE))
    expected = [
        f1_score(gate_R, mixed(Split.GATE, seed) >= best_threshold(dev_R, mixed(Split.DEV, seed))) for seed in SEEDS
    ]
    ensemble = options_of(evidence)["ensemble"]
    assert ensemble.f1_per_seed == pytest.approx(expected)
    assert ensemble.f1 == pytest.approx(sum(expected) / 3)
    assert ensemble.f1_sd == pytest.approx(np.std(expected, ddof=1))
    assert ensemble.text_weight == 0.6


def test_intervals_hold_their_estimate_and_a_clear_winner_is_significant(make_spec: MakeSpec, tmp_path: Path) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")

    for option in evidence.options:
        assert option.f1_interval.low <= option.f1 <= option.f1_interval.high
    (comparison,) = (c for c in evidence.comparisons if (c.first, c.second) == ("transformer", "fusion"))
    assert comparison.f1_difference < 0
    assert comparison.f1_interval.high < 0


def test_the_same_runs_and_seed_give_the_same_bytes(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec()

    first, again = (to_json(aggregate(spec, tmp_path / name).model_dump(mode="json")) for name in ("a", "b"))

    assert first == again


def test_the_order_in_which_runs_are_named_does_not_matter(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec()
    turned = spec.model_copy(update={"gnn": list(reversed(spec.gnn))})

    assert aggregate(turned, tmp_path / "a") == aggregate(spec, tmp_path / "b")


def test_the_test_split_changes_nothing_but_the_reported_test_f1(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    spec = make_spec()
    before = aggregate(spec, tmp_path / "a")
    wrong = noisy_log_odds(strength=1.0, seed=5100)

    def wrong_on_test(split: Split, labels_R: np.ndarray) -> np.ndarray:
        return wrong(split, labels_R) * (-1 if split is Split.TEST else 1)

    beneath = noisy_log_odds(strength=LINEAR_STRENGTH, seed=0)
    write_run(spec.transformer[0].path, dataset, cell=51, seed=0, log_odds=wrong_on_test, linear=beneath)
    after = aggregate(spec, tmp_path / "b")

    def but_test(evidence: Evidence) -> object:
        return [option.model_copy(update={"test_f1": None}) for option in evidence.options], evidence.comparisons

    assert but_test(after) == but_test(before)
    assert options_of(after)["transformer"].test_f1 != options_of(before)["transformer"].test_f1


def test_slices_tell_accuracy_per_weakness_and_per_project(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    evidence = aggregate(make_spec(), tmp_path / "out")

    rows_R = dataset.rows(Split.GATE)
    counts = {
        "cwe": [cwe for cwe in dataset.cwes(rows_R) if cwe],
        "project": [project for project in dataset.projects(rows_R) if project],
    }
    assert {found.slice for found in evidence.slices} == {"cwe", "project"}
    for found in evidence.slices:
        assert found.rows == counts[found.slice].count(found.value) >= 5
        assert set(found.accuracy) == set(options_of(evidence))


def test_seeds_that_differ_between_cells_are_refused_before_anything_is_read(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec()
    uneven = spec.model_copy(update={"gnn": spec.gnn[:2], "fusion": [spec.fusion[0], spec.fusion[0]]})

    with pytest.raises(SpecError) as caught:
        aggregate(uneven, tmp_path / "out")

    assert [(problem.where, problem.found) for problem in caught.value.problems] == [
        ("/gnn", "seeds [0, 1]"),
        ("/fusion", "seeds [0, 0]"),
    ]
