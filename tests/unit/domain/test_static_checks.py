"""Checks of a data set by the counts of `prepare`."""

from typing import Any

import pytest

from cellgate.contract.results import Check, DatasetSummary
from service.domain.static_checks import static_checks, worst

HEALTHY: dict[str, Any] = {
    "id": "sha256:" + "0" * 64,
    "path": "dataset",
    "rows": 1500,
    "splits": {
        "train": {"rows": 600, "positives": 200},
        **{name: {"rows": 300, "positives": 120} for name in ("dev", "fuse", "gate", "test")},
    },
    "warnings": [],
    "bag_of_tokens_f1": 0.6,
    "near_duplicates": {"gate": {"rows": 3, "share": 0.01, "other_label": 0}},
    "graph_quality": {"parsed": 1300, "partial": 150, "token_chain": 50},
}


def _checks(**changed: Any) -> dict[str, Check]:
    return {check.name: check for check in static_checks(DatasetSummary.model_validate({**HEALTHY, **changed}))}


def test_a_healthy_data_set_passes_every_check() -> None:
    checks = _checks()

    assert {check.verdict for check in checks.values()} == {"pass"}
    assert len(checks) == 9
    assert worst(list(checks.values())) == "pass"


@pytest.mark.parametrize(
    ("changed", "name", "verdict", "recorded"),
    [
        (
            {"splits": {**HEALTHY["splits"], "gate": {"rows": 9, "positives": 9}}},
            "classes_gate",
            "fail",
            "9 vulnerable, 0",
        ),
        (
            {"splits": {**HEALTHY["splits"], "dev": {"rows": 9, "positives": 0}}},
            "classes_dev",
            "fail",
            "0 vulnerable, 9",
        ),
        ({"splits": {"train": {"rows": 9, "positives": 4}}}, "classes_test", "fail", "0 vulnerable, 0"),
        ({"splits": {**HEALTHY["splits"], "gate": {"rows": 300, "positives": 99}}}, "gate_positives", "warn", "0.04"),
        (
            {
                "splits": {**HEALTHY["splits"], "train": {"rows": 3000, "positives": 17}},
                "probes": [{"name": "bag_of_tokens", "f1": 0.12, "auroc": 0.59}],
            },
            "train_classes",
            "warn",
            "17 vulnerable functions; 200 are wanted, with fewer a network tends to collapse or to rank by chance. A "
            "linear model over tokens reaches AUROC 0.59 and F1 0.12",
        ),
        (
            {"splits": {**HEALTHY["splits"], "train": {"rows": 3000, "positives": 2801}}},
            "train_classes",
            "warn",
            "199 other functions",
        ),
        (
            {"near_duplicates": {"dev": {"rows": 9, "share": 0.03, "other_label": 1}}},
            "near_duplicates",
            "warn",
            "3.0% of dev",
        ),
        ({"graph_quality": {"parsed": 1100, "partial": 300, "token_chain": 100}}, "graph_quality", "warn", "26.7%"),
    ],
)
def test_each_fault_is_reported_with_what_to_do(
    changed: dict[str, Any], name: str, verdict: str, recorded: str
) -> None:
    checks = _checks(**changed)

    assert checks[name].verdict == verdict
    assert recorded in checks[name].detail
    assert checks[name].fix


def test_ready_graphs_count_as_whole() -> None:
    assert (
        _checks(graph_quality={"parsed": 0, "partial": 0, "token_chain": 0, "ready": 1500})["graph_quality"].verdict
        == "pass"
    )
