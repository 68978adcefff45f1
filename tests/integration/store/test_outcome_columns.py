"""Overrulings and conclusions of the release before survive the upgrade, on both databases."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import select

import migrations
from cellgate.contract.cells import Cell
from cellgate.contract.configs import GnnConfig, PrepareConfig, TransformerConfig
from cellgate.contract.experiment import ExperimentSpec
from service.store.conclusions import conclusions_of, decided_outcomes
from service.store.database import Database, migrate, new_engine
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment, create_experiment_job, get_experiment
from service.store.gate_decision import overrule
from service.store.tables import DecisionRow, ExperimentRow, RunRow
from tests.fakes import FakeTrainers

BEFORE = "0011"


def move(url: str, revision: str) -> None:
    engine = new_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
    engine.dispose()


def test_an_overruled_experiment_of_the_release_before_has_its_last_word_after_the_upgrade(
    database_url: str, tmp_path: Path
) -> None:
    database = Database(database_url)
    trainers = FakeTrainers(database, tmp_path / "artifacts")
    with database.begin() as session:
        dataset_id = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig()).id
    trainers.work()
    with database.begin() as session:
        experiment = create_experiment(session, name="q", dataset_id=dataset_id, spec=ExperimentSpec(seeds=[0])).id
    trainers.work()
    with database.begin() as session:
        overrule(session, experiment, outcome="single", option="gnn", reason="We have no text model.", by="anna")
    database.dispose()

    move(database_url, BEFORE)
    migrate(database_url)

    database = Database(database_url)
    with database.read() as session:
        row = get_experiment(session, experiment)
        (conclusion,) = conclusions_of(session, [row]).values()
        assert (row.outcome, session.scalars(select(DecisionRow.known)).all()) == (None, [None])
        assert decided_outcomes(session, [experiment]) == {experiment: "single"}
    database.dispose()
    assert conclusion.text == "ships graph network, overruled by anna"
    assert conclusion.computed.text == "ships ensemble"


def sorted_by(database: Database) -> dict[str, Any]:
    """What lists sort by, of every experiment, and the F1 of every run: trainers made by hand measure no time."""
    with database.read() as session:
        experiments = session.execute(
            select(ExperimentRow.id, ExperimentRow.best, ExperimentRow.best_f1, ExperimentRow.took_s)
        )
        runs = session.execute(select(RunRow.id, RunRow.f1))
        return {row[0]: tuple(row[1:]) for row in (*experiments, *runs)}


def test_an_upgrade_fills_what_lists_are_sorted_by(database_url: str, tmp_path: Path) -> None:
    # given one that was decided, one whose bases alone have finished, and one that waits
    database = Database(database_url)
    trainers = FakeTrainers(database, tmp_path / "artifacts")
    with database.begin() as session:
        dataset_id = create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig()).id
    trainers.work()
    ids = []
    for autopilot in (True, False, True):
        spec = ExperimentSpec(seeds=[0, 1], autopilot=autopilot)
        with database.begin() as session:
            ids.append(create_experiment(session, name="q", dataset_id=dataset_id, spec=spec).id)
            for cell, config in ((Cell.TRANSFORMER, TransformerConfig()), (Cell.GNN, GnnConfig())):
                if not autopilot:
                    values = config.model_dump(mode="json")
                    create_experiment_job(
                        session, experiment_id=ids[-1], cell=cell, config=values, artifacts=tmp_path / "artifacts"
                    )
        if len(ids) < 3:
            trainers.work()
    before = sorted_by(database)
    assert [None if before[row_id][0] is None else before[row_id][0]["option"] for row_id in ids] == [
        "ensemble",
        "transformer",
        None,
    ]
    database.dispose()

    # when the release before comes and goes
    move(database_url, "0017")
    migrate(database_url)

    # then every one has what it had
    database = Database(database_url)
    after = sorted_by(database)
    database.dispose()
    assert after == before
