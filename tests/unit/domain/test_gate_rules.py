from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from cellgate.contract.experiment import DEPLOYMENT_THRESHOLDS, Policy
from cellgate.contract.gate import CHECKS, GateReport
from cellgate.contract.results import Collapse, LearningRateOutcome, MarginScores
from cellgate.contract.states import RunState
from service.domain.gate.inputs import BaseCell, GateInputs, RunFacts
from service.domain.gate.report import RULES, evaluate_gate, with_intervals
from tests.fakes import DATASET_HASH, evidence, learning_rate, metrics, trained

SEEDS = (0, 1)
POLICY = Policy()
AT_ONE_IN_A_HUNDRED: dict[str, Any] = {"deployment_prevalence": 0.01}
# Corrupts the run of cell 51 with seed 0.
Corruption = Callable[[RunFacts], RunFacts]


def healthy_run(cell: BaseCell, seed: int, f1: float = 0.9, **changes: Any) -> RunFacts:
    return RunFacts(
        run=f"run_{cell}_{seed}",
        cell=cell,
        seed=seed,
        state=RunState.SUCCEEDED,
        exit_code=0,
        result=trained(cell, seed, f1, **changes),
    )


def inputs_of(
    *runs: RunFacts, bag_of_tokens_f1: float | None = 0.7, probes_f1: dict[str, float] | None = None
) -> GateInputs:
    return GateInputs(
        experiment="exp_1",
        seeds={51: SEEDS, 52: SEEDS},
        runs=runs,
        dataset_hash=DATASET_HASH,
        bag_of_tokens_f1=bag_of_tokens_f1,
        whole_graphs=0.95,
        probes_f1={"identifiers": 0.6, "length": 0.5} if probes_f1 is None else probes_f1,
    )


def healthy() -> list[RunFacts]:
    cells: tuple[BaseCell, ...] = (51, 52)
    return [healthy_run(cell, seed) for cell in cells for seed in SEEDS]


def verdicts(report: GateReport) -> dict[str, str]:
    return {check.name: check.verdict for check in report.checks}


def with_result(**changes: Any) -> Corruption:
    return lambda run: replace(run, result=run.result and run.result.model_copy(update=changes))


def test_healthy_inputs_pass_every_check() -> None:
    report = evaluate_gate(inputs_of(*healthy()), POLICY)

    assert report.verdict == "pass"
    assert set(verdicts(report).values()) == {"pass"}
    assert list(verdicts(report)) == [
        "seeds_complete",
        "exit_codes",
        "mean_f1_transformer",
        "mean_f1_gnn",
        "no_collapse",
        "lr_cache",
        "metadata_valid",
        "baseline_margin",
        "bag_of_tokens",
        "leak_probes",
        "positives",
        "graph_quality",
        "truncation",
        "lr_found",
    ]
    assert report.summary == "7 of 7 blocking checks pass"


def with_pairs(share: float | None) -> Corruption:
    return with_result(metrics={"gate": metrics(0.9).model_copy(update={"pairwise_correct": share})})


@pytest.mark.parametrize(
    ("shares", "verdict", "measured", "reason"),
    [
        # Two seeds of cell 51; those of cell 52 get 0.8 of the pairs right.
        pytest.param((0.7, 0.8), "pass", 0.75, "get at least 0.7500 of the pairs right", id="the mean is at the share"),
        pytest.param((0.7, 0.79), "warn", 0.745, "cell 51 (0.7450) get fewer pairs right", id="the mean is below it"),
        pytest.param((0.9, None), "warn", 0.8, "the gate split has no whole pair", id="a run without pairs"),
    ],
)
def test_the_share_of_pairs_that_a_policy_wants_is_checked_against_each_cell_s_mean(
    shares: tuple[float, float | None], verdict: str, measured: float, reason: str
) -> None:
    first, second, *others = healthy()
    inputs = inputs_of(*(with_pairs(share)(run) for share, run in zip(shares, (first, second), strict=True)), *others)

    report = evaluate_gate(inputs, Policy(min_pair_correct=0.75))
    blocked = evaluate_gate(inputs, Policy(min_pair_correct=0.75, blocking=["pair_correct"]))

    check = report.checks[-1]
    assert (check.name, check.verdict, check.threshold) == ("pair_correct", verdict, 0.75)
    assert check.measured == pytest.approx(measured)
    assert reason in check.reason
    assert [of_seed.value for of_seed in check.seeds] == [*shares, 0.8, 0.8]
    assert (report.verdict, blocked.verdict) == ("pass", "pass" if verdict == "pass" else "fail")


def test_without_a_run_that_has_scores_the_share_of_pairs_does_not_pass() -> None:
    runs = [with_result(metrics={})(run) for run in healthy()]

    check = evaluate_gate(inputs_of(*runs), Policy(min_pair_correct=0.0)).checks[-1]

    assert (check.name, check.verdict, check.measured) == ("pair_correct", "warn", None)


@pytest.mark.parametrize(
    ("outcome", "verdict", "reason"),
    [
        pytest.param(learning_rate(source="cache", cache_hit=True), "pass", "found by a range test", id="found"),
        pytest.param(
            learning_rate(source="spec", cache_key=None, cache_verified=None), "pass", "fixed by the spec", id="fixed"
        ),
        pytest.param(
            learning_rate(source="fallback", reason="no valley", learning_rate=2e-5, cache_key="other"),
            "warn",
            "1 of 2 seeds of cell 51 trained at a default, 2e-05 (no valley)",
            id="a default",
        ),
        pytest.param(None, "warn", "1 of 4 runs have no record of their learning rate", id="not on record"),
    ],
)
def test_a_learning_rate_that_is_a_default_is_a_warning(
    outcome: LearningRateOutcome | None, verdict: str, reason: str
) -> None:
    first, *others = healthy()

    report = evaluate_gate(inputs_of(with_result(learning_rate=outcome)(first), *others), POLICY)

    [check] = [check for check in report.checks if check.name == "lr_found"]
    assert check.verdict == verdict
    assert reason in check.reason


def test_a_default_that_the_cache_holds_passes_the_check_of_the_cache() -> None:
    fallen = [with_result(learning_rate=learning_rate(source="fallback", cache_hit=True))(run) for run in healthy()]

    report = evaluate_gate(inputs_of(*fallen), POLICY)

    assert report.verdict == "pass"
    assert verdicts(report)["lr_cache"] == "pass"


@pytest.mark.parametrize(
    ("corrupt", "failed"),
    [
        pytest.param(
            lambda run: replace(run, state=RunState.FAILED, result=None, exit_code=70, failure="internal_error: x"),
            {"seeds_complete", "exit_codes", "no_collapse", "lr_cache", "metadata_valid"},
            id="a run failed",
        ),
        pytest.param(
            lambda run: replace(run, state=RunState.CANCELLED, result=None, exit_code=None),
            {"seeds_complete", "exit_codes", "no_collapse", "lr_cache", "metadata_valid"},
            id="a run was cancelled",
        ),
        pytest.param(lambda run: replace(run, exit_code=7), {"exit_codes"}, id="the exit code is not 0"),
        pytest.param(lambda run: replace(run, exit_code=None), {"exit_codes"}, id="there is no exit code"),
        pytest.param(
            with_result(metrics={"gate": metrics(0.5)}), {"mean_f1_transformer"}, id="one seed pulls the mean below"
        ),
        pytest.param(
            with_result(metrics={"gate": metrics(0.8)}), {"mean_f1_transformer"}, id="the mean is exactly 0.85"
        ),
        pytest.param(with_result(metrics={"dev": metrics(0.9)}), {"metadata_valid"}, id="the gate split has no scores"),
        pytest.param(
            with_result(collapses=[Collapse(type="single_class", component="logits", step=9, detail="all 0")]),
            {"no_collapse"},
            id="a collapse is on record",
        ),
        pytest.param(
            with_result(learning_rate=learning_rate(cache_verified=False)), {"lr_cache"}, id="the cache entry is wrong"
        ),
        pytest.param(
            with_result(learning_rate=learning_rate(cache_verified=None)), {"lr_cache"}, id="the cache was not used"
        ),
        pytest.param(with_result(learning_rate=None), {"lr_cache"}, id="no learning rate is on record"),
        pytest.param(
            lambda run: replace(run, result=None, result_error="result.json is invalid: seed"),
            {"no_collapse", "lr_cache", "metadata_valid"},
            id="result.json is invalid",
        ),
        pytest.param(with_result(seed=5), {"metadata_valid"}, id="the result is another seed's"),
        pytest.param(with_result(cell=52), {"metadata_valid"}, id="the result is another cell's"),
        pytest.param(
            with_result(dataset_id="sha256:" + "0" * 64), {"metadata_valid"}, id="the result is of another data set"
        ),
    ],
)
def test_one_corrupted_run_fails_the_gate(corrupt: Corruption, failed: set[str]) -> None:
    first, *others = healthy()

    report = evaluate_gate(inputs_of(corrupt(first), *others), POLICY)

    assert report.verdict == "fail"
    assert {name for name, verdict in verdicts(report).items() if verdict == "fail"} == failed


def test_a_mean_just_above_the_threshold_passes() -> None:
    runs = [healthy_run(51, 0, 0.8502), healthy_run(51, 1, 0.85), healthy_run(52, 0), healthy_run(52, 1)]
    check = evaluate_gate(inputs_of(*runs), POLICY).checks[2]
    assert check.verdict == "pass"
    assert check.measured == pytest.approx(0.8501)


def test_a_check_shows_values_per_seed_threshold_interval_and_where_to_look() -> None:
    runs = [healthy_run(51, 0, 0.89), healthy_run(51, 1, 0.91), healthy_run(52, 0), healthy_run(52, 1)]

    check = evaluate_gate(inputs_of(*runs), POLICY).checks[2]

    assert [(value.seed, value.value, value.run) for value in check.seeds] == [
        (0, 0.89, "run_51_0"),
        (1, 0.91, "run_51_1"),
    ]
    assert check.threshold == 0.85
    assert check.measured == pytest.approx(0.90)
    # s = 0.0141421, t(0.975, 1) = 12.7062047: half width 0.1270620
    assert check.interval == pytest.approx((0.772938, 1.0))
    assert check.evidence == ["/v1/runs/run_51_0", "/v1/runs/run_51_1"]
    assert "0.9000" in check.reason


def test_the_interval_is_the_one_over_functions_and_seeds_once_those_very_seeds_have_been_weighed() -> None:
    runs = [healthy_run(51, 0, 0.89), healthy_run(51, 1, 0.91), healthy_run(52, 0), healthy_run(52, 1)]
    report = evaluate_gate(inputs_of(*runs), POLICY)

    weighed = with_intervals(report, evidence({"transformer": [0.89, 0.91], "gnn": [0.9]}, half_width=0.03))

    # Seed 1 of 52 was not weighed: what was says nothing of its mean over both.
    changed = {check.name: check.interval for check in weighed.checks if check not in report.checks}
    assert changed == {"mean_f1_transformer": pytest.approx((0.87, 0.93))}


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        (
            inputs_of(*[healthy_run(51, 0, 0.9, metrics={"gate": metrics(0.9, positives=99)}), *healthy()[1:]]),
            "positives",
        ),
        (inputs_of(*healthy(), bag_of_tokens_f1=0.9), "bag_of_tokens"),
        (inputs_of(*healthy(), bag_of_tokens_f1=None), "bag_of_tokens"),
        (inputs_of(*healthy(), probes_f1={"length": 0.86}), "leak_probes"),
        (inputs_of(*healthy(), probes_f1={"length": 0.76}), "leak_probes"),
        (inputs_of(*healthy(), probes_f1={}), "leak_probes"),
    ],
)
def test_a_warning_does_not_block_unless_the_policy_says_so(inputs: GateInputs, name: Any) -> None:
    warned = evaluate_gate(inputs, POLICY)
    assert (warned.verdict, verdicts(warned)[name]) == ("pass", "warn")

    blocked = evaluate_gate(inputs, Policy(blocking=[name]))
    assert (blocked.verdict, verdicts(blocked)[name]) == ("fail", "fail")


@pytest.mark.parametrize(
    ("probes_f1", "reason"),
    [
        ({"length": 0.5, "identifiers": 0.75}, "51 and 52 are above the F1 of the best leak probe (identifiers)"),
        ({"length": 0.76}, "length alone reaches F1 0.7600: the data give labels away"),
        (
            {"length": 0.86, "identifiers": 0.5},
            "length alone reaches F1 0.8600: the data give labels away; not above the F1 of the best leak probe "
            "(length) plus 0.05, 0.9100: cell 51 (0.9000), cell 52 (0.9000)",
        ),
    ],
)
def test_the_best_leak_probe_is_named_and_judged_by_itself_and_beside_the_models(
    probes_f1: dict[str, float], reason: str
) -> None:
    report = evaluate_gate(inputs_of(*healthy(), probes_f1=probes_f1), POLICY)

    (check,) = [check for check in report.checks if check.name == "leak_probes"]
    assert check.reason.startswith(reason)


def test_a_probe_that_calls_nearly_everything_vulnerable_gives_nothing_away_by_itself() -> None:
    mostly_positive = metrics(0.97).model_copy(update={"all_positive_f1": 0.78})
    cells: tuple[BaseCell, ...] = (51, 52)
    runs = [healthy_run(cell, seed, metrics={"gate": mostly_positive}) for cell in cells for seed in SEEDS]

    assert verdicts(evaluate_gate(inputs_of(*runs, probes_f1={"length": 0.78}), POLICY))["leak_probes"] == "pass"


def test_no_better_than_calling_everything_vulnerable_is_a_warning() -> None:
    report = evaluate_gate(inputs_of(*healthy()), Policy(baseline_margin=0.3))
    assert (report.verdict, verdicts(report)["baseline_margin"]) == ("pass", "warn")


def test_a_learning_rate_fixed_by_the_spec_needs_no_cache_and_the_check_says_so() -> None:
    fixed = learning_rate(source="spec", cache_key=None, cache_verified=None)
    runs = [with_result(learning_rate=fixed)(run) for run in healthy()]

    check = evaluate_gate(inputs_of(*runs), POLICY).checks[5]

    assert check.verdict == "pass"
    assert "fixed by the spec" in check.reason


def test_the_gate_is_pending_until_every_run_has_ended() -> None:
    *ended, last = healthy()
    report = evaluate_gate(inputs_of(*ended, replace(last, state=RunState.RUNNING, result=None)), POLICY)
    assert report.verdict == "pending"
    assert set(verdicts(report).values()) == {"pending"}
    assert report.summary == "3 of 4 runs of 51 and 52 have ended"


def test_the_gate_is_pending_while_a_cell_has_not_been_started() -> None:
    inputs = replace(inputs_of(*healthy()[:2]), seeds={51: SEEDS})
    report = evaluate_gate(inputs, POLICY)
    assert (report.verdict, report.summary) == ("pending", "cell 52 has not been started yet")


def test_the_same_inputs_give_the_same_bytes_in_any_order() -> None:
    one = evaluate_gate(inputs_of(*healthy()), POLICY)
    other = evaluate_gate(inputs_of(*reversed(healthy())), POLICY)
    assert one.model_dump_json() == other.model_dump_json()


def test_every_check_of_the_contract_has_one_rule_in_the_same_order() -> None:
    assert [rule.name for rule in RULES] == [check.name for check in CHECKS]


def test_a_failed_check_gives_advice_unless_it_is_a_mean_f1_for_which_the_evidence_gives_it() -> None:
    without = {rule.name for rule in RULES if rule.advice is None or not rule.advice.strip()}

    assert without == {"mean_f1_transformer", "mean_f1_gnn"}


def test_a_policy_may_make_every_warning_blocking_and_nothing_else() -> None:
    warnings = [check.name for check in CHECKS if not check.blocking]

    assert Policy.model_json_schema()["properties"]["blocking"]["items"]["enum"] == warnings
    thresholds = dict.fromkeys([*DEPLOYMENT_THRESHOLDS.values(), "min_pair_correct"], 0.8)
    stated = {**AT_ONE_IN_A_HUNDRED, "selective_risk": 0.05}
    assert Policy(**stated, **thresholds, blocking=warnings).blocking == warnings
    with pytest.raises(ValidationError):
        Policy(blocking=["exit_codes"])


def test_a_policy_cannot_block_on_pairs_without_the_share_that_it_wants() -> None:
    with pytest.raises(ValidationError, match="needs a value in min_pair_correct"):
        Policy(blocking=["pair_correct"])


def with_calls(found: int, alarms: int) -> Corruption:
    """100 vulnerable functions of which so many are found, 100 safe ones of which so many are called vulnerable."""
    counts = {"rows": 200, "positives": 100, "true_positives": found, "false_positives": alarms}
    return with_result(metrics={"gate": metrics(0.9).model_copy(update={**counts, "vd_s": 1 - found / 100})})


@pytest.mark.parametrize(
    ("policy", "name", "measured", "reason"),
    [
        # Of 1,000 functions 10 are vulnerable, 8 of them found; of the 990 others 99 are called vulnerable.
        ({"max_alerts_per_1000": 106}, "deployment_alerts", 107, "alerts per 1,000 functions at a prevalence of 0.01"),
        ({"min_deployment_precision": 0.08}, "deployment_precision", 8 / 107, "0.08 or more is wanted"),
        ({"min_deployment_f1": 0.14}, "deployment_f1", 16 / 117, "0.14 or more is wanted"),
        ({"max_vd_s": 0.19}, "vd_s", 0.2, "VD-S: 0.2000 (cell 51) and 0.2000 (cell 52); 0.19 or less is wanted"),
    ],
)
def test_scores_for_deployment_are_checked_where_the_policy_has_a_threshold(
    policy: dict[str, float], name: str, measured: float, reason: str
) -> None:
    inputs = inputs_of(*(with_calls(80, 10)(run) for run in healthy()))

    report = evaluate_gate(inputs, Policy(**AT_ONE_IN_A_HUNDRED, **policy))
    blocked = evaluate_gate(inputs, Policy(**AT_ONE_IN_A_HUNDRED, **policy, blocking=[name]))
    (limit,) = policy.values()
    exact = evaluate_gate(inputs, Policy(**AT_ONE_IN_A_HUNDRED, **dict.fromkeys(policy, measured)))

    check = report.checks[-1]
    assert (check.name, check.verdict, check.threshold) == (name, "warn", limit)
    assert check.measured == pytest.approx(measured)
    assert reason in check.reason
    # At the threshold is enough.
    assert exact.checks[-1].verdict == "pass"
    assert (report.verdict, blocked.verdict) == ("pass", "fail")


def test_scores_for_deployment_that_were_not_measured_do_not_pass() -> None:
    one_class = with_result(metrics={"gate": metrics(0.9).model_copy(update={"rows": 100, "positives": 100})})
    inputs = inputs_of(*(one_class(run) for run in healthy()))

    check = evaluate_gate(inputs, Policy(**AT_ONE_IN_A_HUNDRED, min_deployment_f1=0.0)).checks[-1]

    assert (check.name, check.verdict, check.measured) == ("deployment_f1", "warn", None)


def with_margins(*bounds_and_coverages: tuple[float, float]) -> Corruption:
    margins = [
        MarginScores(margin=place, risk_bound=bound, coverage=coverage, risk=0.01)
        for place, (bound, coverage) in enumerate(bounds_and_coverages)
    ]
    return with_result(margins=margins)


@pytest.mark.parametrize(
    ("first", "verdict", "measured", "reason"),
    [
        # The other three runs have a verdict on 0.8 of the functions at a risk of 0.05.
        pytest.param(
            [(0.3, 1.0), (0.05, 0.6), (0.01, 0.1)], "pass", 0.7, "0.7000 (cell 51) and 0.8000", id="at the share"
        ),
        pytest.param(
            [(0.3, 1.0), (0.051, 0.6), (0.05, 0.5)], "warn", 0.65, "0.6500 (cell 51); 0.7 or more", id="below it"
        ),
        pytest.param([(0.3, 1.0), (0.06, 0.6)], "warn", 0.4, "0.4000 (cell 51)", id="no margin keeps to the risk"),
        pytest.param([], "warn", 0.8, "were trained by a release that did not measure it", id="not measured"),
    ],
)
def test_the_share_of_functions_with_a_verdict_is_checked_at_the_risk_of_the_policy(
    first: list[tuple[float, float]], verdict: str, measured: float, reason: str
) -> None:
    one, *others = healthy()
    alike = with_margins((0.06, 1.0), (0.04, 0.8), (0.0, 0.3))
    inputs = inputs_of(with_margins(*first)(one), *(alike(run) for run in others))
    wanted = {"selective_risk": 0.05, "min_coverage": 0.7}

    report = evaluate_gate(inputs, Policy(**wanted))
    blocked = evaluate_gate(inputs, Policy(**wanted, blocking=["coverage"]))

    check = report.checks[-1]
    assert (check.name, check.verdict, check.threshold) == ("coverage", verdict, 0.7)
    assert check.measured == pytest.approx(measured)
    assert reason in check.reason
    assert (report.verdict, blocked.verdict) == ("pass", "pass" if verdict == "pass" else "fail")


def test_a_policy_cannot_want_verdicts_without_the_risk_that_they_may_have() -> None:
    with pytest.raises(ValidationError, match="min_coverage needs a share of the verdicts that may be wrong"):
        Policy(min_coverage=0.5)


def test_a_policy_names_every_threshold_and_prevalence_that_it_lacks() -> None:
    with pytest.raises(ValidationError) as caught:
        Policy(min_deployment_f1=0.5, max_alerts_per_1000=20, blocking=["pair_correct", "vd_s"])

    for missing in ("min_pair_correct", "max_vd_s", "min_deployment_f1 needs", "max_alerts_per_1000 needs"):
        assert missing in str(caught.value)
