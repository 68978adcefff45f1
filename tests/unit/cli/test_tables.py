"""What the tables say of a decision's evidence."""

import io

from rich.console import Console

from cellgate.cli.tables import show_decision
from cellgate.contract.evidence import Evidence
from cellgate.contract.experiment import Policy
from cellgate.contract.gate import GateReport
from service.domain.decision.rules import decide
from tests.fakes import HEALTHY, deployment_scores, evidence, pair_verdicts

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


def test_verdicts_on_pairs_are_shown_where_there_are_pairs() -> None:
    without = evidence(HEALTHY)
    options = [option.model_copy(update={"pair_verdicts": pair_verdicts([0.7, 0.8])}) for option in without.options]

    page = shown(without.model_copy(update={"options": options}))

    assert "Verdicts on" not in shown(without)
    assert "Verdicts on 75 pairs of a vulnerable function" in page
    rows = [line.split() for line in page.splitlines() if line.split()[:2] == ["gnn", "0.7500"]]
    # Mean and interval of right pairs, each seed, then called vulnerable, called safe, reversed.
    assert rows == [["gnn", "0.7500", "0.740", "to", "0.760", "0.700", "0.800", "0.0000", "0.2500", "0.0000"]]
