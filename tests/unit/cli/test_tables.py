"""What the tables say of a decision's evidence."""

import io

from rich.console import Console

from cellgate.cli.tables import show_decision
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import GateReport
from service.domain.decision.rules import decide
from tests.fakes import HEALTHY, abstention, deployment_scores, evidence, pair_verdicts

PASSED = GateReport(experiment="exp_1", verdict="pass", checks=[], summary="")


def shown(weighed: Evidence) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_decision(console, decide(weighed, PASSED, Policy(), stage="bases"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_scores_at_a_prevalence_are_shown_where_one_is_stated() -> None:
    without = evidence(HEALTHY)
    options = [option.model_copy(update={"deployment": deployment_scores(0.15)}) for option in without.options]

    page = shown(without.model_copy(update={"options": options}))

    assert "of the functions are vulnerable" not in shown(without)
    assert "Where 1.0 % of the functions are vulnerable" in page
    rows = [line.split() for line in page.splitlines() if line.split()[:2] == ["gnn", "0.150"]]
    shown_scores = "0.150 0.140 to 0.160 0.200 0.190 to 0.210 40.0 40.0 to 40.0 0.600 0.590 to 0.610"
    assert rows == [["gnn", *shown_scores.split()]]
    assert "At most 5 alerts per 1,000 of them" in page
    within = [line.split() for line in page.splitlines() if line.split()[:2] == ["gnn", "0.4500"]]
    assert within == [["gnn", *["0.4500", "0.440", "to", "0.460", "0.7000", "6.5", "0.875"]]]


def test_coverage_and_risk_are_shown_where_a_risk_is_stated() -> None:
    without = evidence(HEALTHY)
    first, second, *others = without.options
    silent = abstention(0.0).model_copy(update={"margins": [None], "risk": None})
    options = [
        first.model_copy(update={"abstention": abstention(0.8)}),
        second.model_copy(update={"abstention": silent}),
        *others,
    ]

    page = shown(without.model_copy(update={"options": options}))

    assert "may be wrong" not in shown(without)
    assert "Verdicts where at most 5.0 % may be wrong" in page
    rows = [line.split() for line in page.splitlines() if line.rstrip().endswith("0.75 1.50")]
    scores = ["0.8000", "0.790", "to", "0.810", "0.0400", "0.030", "to", "0.050", "0.75", "1.50"]
    assert rows == [[first.option, *scores]]
    [never] = [line.split() for line in page.splitlines() if line.rstrip().endswith("none")]
    assert [*never[:2], never[5], never[-1]] == [second.option, "0.0000", "–", "none"]


def test_verdicts_on_pairs_are_shown_where_there_are_pairs() -> None:
    without = evidence(HEALTHY)
    options = [option.model_copy(update={"pair_verdicts": pair_verdicts([0.7, 0.8])}) for option in without.options]

    page = shown(without.model_copy(update={"options": options}))

    assert "Verdicts on" not in shown(without)
    assert "Verdicts on 75 pairs of a vulnerable function" in page
    rows = [line.split() for line in page.splitlines() if line.split()[:2] == ["gnn", "0.7500"]]
    # Mean and interval of right pairs, each seed, then called vulnerable, called safe, reversed.
    assert rows == [["gnn", "0.7500", "0.740", "to", "0.760", "0.700", "0.800", "0.0000", "0.2500", "0.0000"]]
