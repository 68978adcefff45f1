"""A decision is verified against what it knew, whatever people waive, overrule or try again afterwards."""

from typing import Any

import pytest
from sqlalchemy import null, update

from cellgate.contract.cells import Cell
from cellgate.contract.decision import DecisionAnswer
from cellgate.contract.experiment import ExperimentSpec
from cellgate.contract.gate import GateReport
from cellgate.contract.results import RunResult
from cellgate.contract.states import FailureReason
from service.domain.decision.verify import DecisionSources, decision_differences
from service.store.tables import DecisionRow, ExperimentRow
from tests.api_client import Api, get
from tests.fakes import F1s

WEAK: F1s = {"transformer": [0.70, 0.70], "gnn": [0.80, 0.81], "ensemble": [0.93, 0.94]}
FUSED: F1s = {"transformer": [0.86, 0.87], "gnn": [0.87, 0.88], "ensemble": [0.88, 0.89], "fusion": [0.92, 0.93]}
REASON = "Known to be weak on this data set; agreed with the team."
WITHOUT_INPUTS = {"known": null()}


def differences(api: Api, experiment: str) -> dict[str, list[str]]:
    """Return what verifying finds in each decision, from what `cellgate decision verify` reads."""
    path = f"/v1/experiments/{experiment}"
    found = get(api, path)
    runs = [run["id"] for job in found["jobs"] for run in job["runs"] if run["state"] == "succeeded"]
    sources = DecisionSources(
        gate=GateReport.model_validate(get(api, f"{path}/gate")),
        policy=ExperimentSpec.model_validate(found["spec"]).policy,
        results=[RunResult.model_validate(get(api, f"/v1/runs/{run}")["result"]) for run in runs],
    )
    taken = [DecisionAnswer.model_validate(one) for one in get(api, f"{path}/decisions")]
    assert taken
    return {decision.stage: decision_differences(decision, sources) for decision in taken}


def waive(api: Api, experiment: str, check: str) -> None:
    body = {"check": check, "reason": REASON}
    answer = api.client.post(f"/v1/experiments/{experiment}/gate/waivers", json=body)
    assert answer.status_code == 202, answer.text


def forget_inputs(api: Api) -> None:
    """Make the decisions such as release 0.2.0 left them."""
    with api.database.begin() as session:
        session.execute(update(DecisionRow).values(WITHOUT_INPUTS))


@pytest.mark.parametrize("old", [False, True])
def test_a_waiver_after_the_decision_is_no_difference_and_one_before_it_is_known(api: Api, *, old: bool) -> None:
    experiment = api.experiment()
    api.trainers(WEAK).work()
    if old:
        forget_inputs(api)

    waive(api, experiment, "mean_f1_gnn")
    assert get(api, f"/v1/experiments/{experiment}/gate")["verdict"] == "fail"
    assert differences(api, experiment) == {"bases": []}

    waive(api, experiment, "mean_f1_transformer")
    api.trainers(WEAK).work()
    if old:
        forget_inputs(api)
    assert get(api, f"/v1/experiments/{experiment}/gate")["verdict"] == "pass"
    assert differences(api, experiment)["bases"] == []


def test_both_stages_verify_after_an_overruling_and_after_a_retry_of_fusion(api: Api) -> None:
    experiment = api.experiment()
    trainers = api.trainers(FUSED)
    trainers.failing = {(Cell.FUSION, 1): (FailureReason.DIVERGENCE, 6)}
    trainers.work()
    assert differences(api, experiment) == {"bases": [], "final": []}
    body = {"outcome": "ensemble", "reason": REASON}
    assert api.client.post(f"/v1/experiments/{experiment}/decision", json=body).status_code == 202
    assert differences(api, experiment) == {"bases": [], "final": []}

    (job,) = (job["id"] for job in get(api, f"/v1/experiments/{experiment}")["jobs"] if job["step"] == "53")
    assert api.client.post(f"/v1/jobs/{job}/retry").status_code == 202
    assert differences(api, experiment) == {"bases": []}
    trainers.failing = {}
    trainers.work()

    assert differences(api, experiment) == {"bases": [], "final": []}


def test_both_stages_verify_after_a_retry_of_a_base(api: Api) -> None:
    experiment = api.experiment()
    trainers = api.trainers(FUSED)
    trainers.failing = {(Cell.GNN, 1): (FailureReason.COLLAPSE, 5)}
    trainers.work()
    assert differences(api, experiment) == {"bases": []}
    trainers.failing = {}

    (job,) = (job["id"] for job in get(api, f"/v1/experiments/{experiment}")["jobs"] if job["step"] == "52")
    assert api.client.post(f"/v1/jobs/{job}/retry").status_code == 202
    trainers.work()

    assert differences(api, experiment) == {"bases": [], "final": []}


def _without_reason(gate: dict[str, Any]) -> dict[str, Any]:
    first, *others = gate["checks"]
    return {**gate, "checks": [{**first, "reason": "changed by hand"}, *others]}


def test_a_gate_that_was_changed_unlawfully_afterwards_is_named(api: Api) -> None:
    experiment = api.experiment()
    api.trainers(WEAK).work()
    with api.database.begin() as session:
        gate = get(api, f"/v1/experiments/{experiment}/gate")
        changed = update(ExperimentRow).where(ExperimentRow.id == experiment).values(gate=_without_reason(gate))
        session.execute(changed)

    assert differences(api, experiment) == {"bases": ["the gate's check seeds_complete is not as it knew it"]}
