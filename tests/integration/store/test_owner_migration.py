"""An upgrade gives everything that was there an owner, by the names that were all there was before."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, select, text

import migrations
from cellgate.contract.api.tokens import Scope
from service.domain.principals import FIXED, LOCAL
from service.store.database import Database, migrate, new_engine, schema_is_current
from service.store.tables import (
    BundleRow,
    DatasetRow,
    ExperimentRow,
    JobRow,
    PrincipalRow,
    RunRow,
    TokenRow,
)
from service.store.tokens import create_token, find_token, principal_of
from tests.statements import until_one_waits_for_a_lock

BEFORE = "0007"
SECRET_HASH = "0" * 64
ROWS = (
    "INSERT INTO datasets (id, name, state, source, spec, created_at, version)"
    " VALUES ('ds_1', 'd', 'ready', '/d', '{}', 1, 1), ('ds_2', 'd', 'ready', '/d', '{}', 1, 1)",
    "INSERT INTO experiments (id, name, dataset_id, state, autopilot, spec, owner, created_at, version)"
    " VALUES ('exp_1', 'e', 'ds_1', 'failed', true, '{}', 'alice', 1, 1)",
    "INSERT INTO jobs (id, dataset_id, cell, spec, seeds, priority, queue, owner, created_at, version)"
    " VALUES ('job_1', 'ds_1', 'prepare', '{}', '[0]', 0, 'cpu', 'alice', 1, 1),"
    " ('job_2', 'ds_1', 'pack', '{}', '[0]', 0, 'cpu', 'local', 1, 1),"
    " ('job_3', 'ds_2', 'prepare', '{}', '[0]', 0, 'cpu', NULL, 1, 1)",
    "INSERT INTO runs (id, job_id, cell, seed, state, priority, queue, owner, attempt, recoveries, created_at,"
    " queued_at, version) VALUES ('run_1', 'job_1', 'prepare', 0, 'failed', 0, 'cpu', 'alice', 0, 0, 1, 1, 1)",
    "INSERT INTO bundles (id, experiment_id, job_id, kind, created_at) VALUES ('bun_1', 'exp_1', 'job_2', 'single', 1)",
    "INSERT INTO tokens (id, name, prefix, hash, scope, created_at, revoked_at)"
    f" VALUES ('tok_1', 'alice', 'cg_a', '{SECRET_HASH}', 'submit', 1, 2),"
    f" ('tok_2', 'alice', 'cg_b', '{SECRET_HASH}', 'submit', 3, NULL),"
    f" ('tok_3', 'bob', 'cg_c', '{SECRET_HASH}', 'read', 3, NULL)",
)


def config_on(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config


def at_the_release_before(url: str) -> None:
    engine = new_engine(url)
    with engine.connect() as connection, connection.begin():
        command.upgrade(config_on(connection), BEFORE)
        for statement in ROWS:
            connection.execute(text(statement))
    engine.dispose()


def test_each_name_becomes_one_principal_that_owns_what_was_the_names(empty_database_url: str) -> None:
    at_the_release_before(empty_database_url)

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.read() as session:
        principals = {row.name: row.id for row in session.scalars(select(PrincipalRow))}
        owners = {
            row.id: (row.owner, row.owner_id)
            for table in (DatasetRow, ExperimentRow, JobRow, RunRow, BundleRow)
            for row in session.scalars(select(table))
        }
        tokens = {row.id: row.principal_id for row in session.scalars(select(TokenRow))}
    database.dispose()
    alice, bob = principals["alice"], principals["bob"]
    assert principals == {**{one.name: one.id for one in FIXED}, "alice": alice, "bob": bob}
    assert owners == {
        **dict.fromkeys(("ds_1", "exp_1", "job_1", "run_1"), ("alice", alice)),
        **dict.fromkeys(("job_2", "bun_1"), ("local", LOCAL.id)),
        **dict.fromkeys(("ds_2", "job_3"), (None, None)),
    }
    assert tokens == {"tok_1": alice, "tok_2": alice, "tok_3": bob}


def test_the_way_down_and_up_again_keeps_what_is_owned_by_name(empty_database_url: str) -> None:
    at_the_release_before(empty_database_url)
    migrate(empty_database_url)
    engine = new_engine(empty_database_url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Tables are rebuilt on the way.
            connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            command.downgrade(config_on(connection), BEFORE)
    engine.dispose()

    migrate(empty_database_url)

    database = Database(empty_database_url)
    with database.read() as session:
        assert session.scalar(select(ExperimentRow.owner)) == "alice"
        named = select(PrincipalRow.id).where(PrincipalRow.name == "alice")
        assert session.scalar(select(RunRow.owner_id)) == session.scalar(named)
    database.dispose()


def test_a_token_that_the_release_before_makes_meanwhile_gets_a_principal_when_it_is_used(database_url: str) -> None:
    database = Database(database_url)
    with database.begin() as session:
        secret = create_token(session, name="late", scope=Scope.SUBMIT).secret
        session.execute(text("UPDATE tokens SET principal_id = NULL"))

    found = []
    for _ in range(2):
        with database.begin() as session:
            row = find_token(session, secret)
            assert row is not None
            found.append(principal_of(session, row))

    assert found[0] == found[1]
    assert found[0].id.startswith("pri_")
    database.dispose()


def test_the_upgrade_waits_for_a_transaction_that_locks_runs_and_then_jobs(empty_postgres_url: str) -> None:
    at_the_release_before(empty_postgres_url)
    database = Database(empty_postgres_url)
    upgrade = threading.Thread(target=migrate, args=(empty_postgres_url,))

    with database.begin() as session:
        session.execute(text("UPDATE runs SET version = version + 1"))
        upgrade.start()
        until_one_waits_for_a_lock(database)
        # Raises where the upgrade holds the jobs and waits for the runs.
        session.execute(text("UPDATE jobs SET version = version + 1"))
    upgrade.join(60)

    assert not upgrade.is_alive()
    assert schema_is_current(database)
    database.dispose()
