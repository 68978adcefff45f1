"""Output is measured in bytes by SQL, which each kind of database does in its own way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from service.store.logs import output_versions
from service.store.recorder import record_log
from tests.api_client import Api, begin, running_api

TEXTS = ["loading…\n", "", "Größe: 3\n", "🦉 done\n"]
WHOLE = "".join(TEXTS).encode()


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """The app over a migrated database, once SQLite and once PostgreSQL."""
    settings = Settings.model_validate({"data_dir": tmp_path / "var", "database_url": database_url})
    with running_api(settings) as app:
        yield app


def test_output_is_read_alike_on_each_database(api: Api) -> None:
    api.dataset()
    claim = begin(api)
    versions = []
    for number, text in enumerate(TEXTS, start=1):
        with api.database.begin() as session:
            record_log(session, run_id=claim.run_id, attempt=claim.attempt, number=number, text=text)
            versions.append(output_versions(session, [claim.run_id])[claim.run_id])
    path = f"/v1/runs/{claim.run_id}/logs"

    slices = [api.client.get(path, headers={"Range": f"bytes={at}-{at}"}).content for at in range(len(WHOLE))]
    pieces = api.client.get(f"{path}?after=1.2", headers={"Accept": "application/json"}).json()

    assert b"".join(slices) == WHOLE
    assert [chunk["text"] for chunk in pieces["chunks"]] == TEXTS[2:]
    assert versions == sorted(set(versions))
