"""PUT /v1/uploads/{name}: a file comes whole, or not at all."""

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import update

from service.domain.principals import LOCAL
from service.settings import Settings
from service.store.tables import UploadRow
from tests.api_client import FUNCTIONS, Api, assert_refused, running_api

CONTENT = "".join(json.dumps(row) + "\n" for row in FUNCTIONS).encode()
LIMIT_BYTES = 2048


class Usage(NamedTuple):
    """The result of `shutil.disk_usage`."""

    total: int
    used: int
    free: int


@pytest.fixture
def small(settings: Settings) -> Iterator[Api]:
    """The app, taking small files only."""
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "max_upload_bytes": LIMIT_BYTES})) as app:
        yield app


def digest_of(content: bytes) -> dict[str, str]:
    return {"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"}


def kept(api: Api) -> list[Path]:
    return [path for path in (api.data / "uploads").rglob("*") if path.is_file()]


def test_what_was_sent_can_be_prepared_at_once(api: Api) -> None:
    answer = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT, headers=digest_of(CONTENT))

    assert answer.status_code == 201
    sent = answer.json()
    assert sent["size_bytes"] == len(CONTENT)
    assert sent["owner_id"] == LOCAL.id
    assert sent["sha256"] == f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    assert Path(sent["source"]).read_bytes() == CONTENT
    prepared = api.client.post("/v1/datasets", json={"name": "sent", "source": sent["source"]})
    assert (prepared.status_code, prepared.json()["source"]) == (202, sent["source"])


def test_the_same_file_comes_to_the_same_place_and_another_one_does_not_touch_it(api: Api) -> None:
    first, again, other = (
        api.client.put("/v1/uploads/functions.jsonl", content=content).json()
        for content in (CONTENT, CONTENT, CONTENT * 2)
    )

    assert first == again
    assert first["source"] != other["source"]
    assert Path(first["source"]).read_bytes() == CONTENT
    assert len(kept(api)) == 2


def test_a_file_of_several_buffers_arrives_as_it_was_sent(api: Api) -> None:
    content = bytes(range(256)) * 14_000

    answer = api.client.put("/v1/uploads/large.csv", content=iter([content[:1_000_000], content[1_000_000:]]))

    assert Path(answer.json()["source"]).read_bytes() == content


@pytest.mark.parametrize(
    ("headers", "recorded"),
    [
        (digest_of(b"another file"), "is not what was announced"),
        ({"Content-Digest": "md5=:abc:"}, "expected sha-256"),
        ({"Content-Digest": "sha-256=:a:"}, "not base64"),
    ],
)
def test_a_file_that_is_not_the_announced_one_is_not_kept(api: Api, headers: dict[str, str], recorded: str) -> None:
    answer = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT, headers=headers)

    problem = assert_refused(answer, status=422, code="invalid_spec", pointers=["#header/Content-Digest"])
    assert recorded in problem["detail"]
    assert kept(api) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_beyond_the_limit_is_refused_whether_it_says_so_or_not(small: Api, announced: bool) -> None:
    content = b"x" * (LIMIT_BYTES + 1)

    answer = small.client.put("/v1/uploads/functions.jsonl", content=content if announced else iter([content]))

    assert_refused(answer, status=413, code="body_too_large", pointers=[])
    assert kept(small) == []
    assert small.client.put("/v1/uploads/functions.jsonl", content=content[:-1]).status_code == 201


def test_a_disk_that_is_nearly_full_takes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total=10**10, used=9 * 10**9, free=10**9))

    answer = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT)

    assert_refused(answer, status=507, code="storage_full", pointers=[])
    assert kept(api) == []


@pytest.mark.parametrize(
    "name", ["functions.txt", ".jsonl", "a%2Fb.jsonl", "..%2Fa.jsonl", "a..jsonl", "-.jsonl", "a.gz"]
)
def test_a_name_that_is_none_is_refused(api: Api, name: str) -> None:
    answer: Any = api.client.put(f"/v1/uploads/{name}", content=CONTENT)

    assert answer.status_code in (404, 422)
    assert kept(api) == []


def test_without_the_token_nothing_is_kept(settings: Settings) -> None:
    token = "correct-horse-battery-staple-and-cart"
    with running_api(Settings.model_validate({"data_dir": settings.data_dir, "token": token})) as api:
        answer = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT)

        assert_refused(answer, status=401, code="unauthorized", pointers=[])
        assert kept(api) == []


def test_another_file_whose_hash_begins_alike_does_not_replace_the_one_that_is_there(api: Api) -> None:
    first = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT).json()
    with api.database.begin() as session:
        session.execute(update(UploadRow).values(sha256="sha256:" + "0" * 64))
    written = Path(first["source"]).stat().st_ino

    answer = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT)

    assert_refused(answer, status=409, code="conflict", pointers=[])
    assert Path(first["source"]).stat().st_ino == written


def test_only_the_file_itself_is_streamed_past_the_limits_of_bodies(api: Api) -> None:
    upload = api.client.put("/v1/uploads/functions.jsonl", content=CONTENT).json()["id"]
    path, headers = f"/v1/uploads/{upload}", {"Content-Type": "application/merge-patch+json"}

    large = api.client.patch(path, content=b" " * ((1 << 20) + 1), headers=headers)
    nul = api.client.patch(path, json={"note": "a\x00b"})

    assert_refused(large, status=413, code="body_too_large", pointers=[])
    assert nul.status_code == 422
