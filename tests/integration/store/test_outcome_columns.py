"""Overrulings and conclusions of the release before survive the upgrade, on both databases."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

import migrations
from cellgate.contract.configs import PrepareConfig
from cellgate.contract.experiment import ExperimentSpec
from service.store.conclusions import conclusions_of, decided_outcomes
from service.store.database import Database, migrate, new_engine
from service.store.datasets import create_dataset
from service.store.experiments import create_experiment, get_experiment
from service.store.filters import Filters, PageOf, page_of_experiments
from service.store.gate_decision import overrule
from service.store.tables import DecisionRow
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


def test_a_list_filtered_by_outcome_reads_the_index_on_postgresql(postgres_url: str) -> None:
    database = Database(postgres_url)
    chosen = page_of_experiments(PageOf(limit=5), Filters(outcomes=["broken"]))
    with database.begin() as session:
        statement = str(chosen.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        # A table without rows is read whole otherwise.
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join(session.scalars(text(f"EXPLAIN {statement}")).all())
    database.dispose()

    assert "ix_experiments_outcome" in plan
