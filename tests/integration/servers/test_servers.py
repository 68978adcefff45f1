"""The servers that the other tests rely on are the real ones."""

import redis
from sqlalchemy import create_engine, text


def test_the_database_of_a_test_is_a_real_postgres_and_empty(empty_postgres_url: str) -> None:
    engine = create_engine(empty_postgres_url)
    with engine.connect() as connection:
        version = connection.execute(text("SELECT version()")).scalar_one()
        tables = connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar_one()
    engine.dispose()

    assert version.startswith("PostgreSQL")
    assert tables == 0


def test_the_broker_of_a_test_speaks_redis_and_is_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("key", "value")
        assert client.get("key") == b"value"
