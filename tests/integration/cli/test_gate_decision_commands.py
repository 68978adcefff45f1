"""`cellgate gate` and `cellgate decision`: waiving, overruling, verifying."""

from sqlalchemy import select, update

from service.store.tables import DecisionRow
from tests.integration.cli.conftest import Cellgate
from tests.live_server import LiveServer

REASON = "Known to be weak on this data set; agreed with the team."


def test_a_decision_is_verified_and_one_that_was_changed_ends_with_6_and_says_where(
    context: LiveServer, finished: str, cellgate: Cellgate
) -> None:
    verified = cellgate("decision", "verify", finished)
    assert verified.code == 0
    assert "The bases decision, ensemble, computed again is the same, byte for byte." in verified.out

    with context.database.begin() as session:
        body = session.scalars(select(DecisionRow.body).where(DecisionRow.experiment_id == finished)).one()
        changed = update(DecisionRow).where(DecisionRow.experiment_id == finished)
        session.execute(changed.values(body={**body, "confidence": "borderline"}))
    differs = cellgate("decision", "verify", finished)
    with context.database.begin() as session:
        session.execute(changed.values(body=body))

    assert differs.code == 6
    assert "confidence is borderline, computed again it is clear" in differs.out


def test_an_overruling_is_shown_beside_the_decision_which_can_still_be_verified(
    finished: str, cellgate: Cellgate
) -> None:
    assert cellgate("decision", "overrule", finished, "transformer", "--reason", REASON).code == 0
    shown = cellgate("decision", finished)
    assert "Decision: Ship the ensemble (clear)" in shown.out
    assert f"Overruled by local: transformer, because {REASON}" in shown.out
    assert cellgate("decision", "verify", finished).code == 0


def test_a_waiver_on_the_command_line_lets_the_gate_pass_and_the_new_decision_verifies(
    context: LiveServer, ready_dataset: str, cellgate: Cellgate
) -> None:
    weak = context.experiment(ready_dataset, "weak graphs")
    context.trainers({"transformer": [0.9, 0.9], "gnn": [0.5, 0.5], "ensemble": [0.93, 0.93]}).work()
    assert cellgate("gate", weak).code == 1

    waived = cellgate("gate", "waive", weak, "mean_f1_gnn", "--reason", REASON)

    assert waived.code == 0
    assert "waived: Mean F1 of 52 gnn" in waived.out
    assert REASON in cellgate("gate", weak).out
    assert "Ship the ensemble" in cellgate("decision", weak).out
    assert cellgate("decision", "verify", weak).code == 0
