"""The files that a run has left: listed, whole or by ranges, and nothing else of the disk."""

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.api.run_files import Hashes, open_file
from service.domain.errors import NotFound
from tests.api_client import Api, assert_refused, begin, get

CONTENT = bytes(range(256)) * 600
SECRET = "of nobody's business"


@pytest.fixture
def folder(api: Api) -> Path:
    """The folder of a running run's attempt."""
    api.dataset()
    claim = begin(api)
    path = api.settings.artifacts / claim.path
    (path / "model" / "deep").mkdir(parents=True)
    (path / "checkpoint").mkdir()
    (path / "model" / "weights.safetensors").write_bytes(CONTENT)
    (path / "result.json").write_text("{}")
    (path / "events.jsonl").write_text("")
    (path / "checkpoint" / "state.json").write_text(SECRET)
    (path / ".result.json.x.tmp").write_text(SECRET)
    return path


@pytest.fixture
def url(folder: Path) -> str:
    """Where the artifacts are read."""
    return f"/v1/runs/{folder.parent.name}/artifacts"


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_the_list_names_every_file_with_its_hash(api: Api, url: str) -> None:
    empty, weights, result = (hashlib.sha256(content).hexdigest() for content in (b"", CONTENT, b"{}"))

    assert get(api, url) == [
        {"name": "events.jsonl", "size": 0, "sha256": empty, "media_type": "application/jsonl"},
        {
            "name": "model/weights.safetensors",
            "size": len(CONTENT),
            "sha256": weights,
            "media_type": "application/octet-stream",
        },
        {"name": "result.json", "size": 2, "sha256": result, "media_type": "application/json"},
    ]


def test_a_run_that_has_not_begun_has_left_nothing(api: Api) -> None:
    api.dataset()
    run = get(api, "/v1/runs")["items"][0]["id"]

    assert get(api, f"/v1/runs/{run}/artifacts") == []
    assert_refused(api.client.get(f"/v1/runs/{run}/artifacts/result.json"), status=404, code="not_found", pointers=[])


def test_a_file_comes_whole_as_a_download_named_by_its_hash(api: Api, url: str) -> None:
    answer = api.client.get(f"{url}/model/weights.safetensors")
    tag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'

    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (200, CONTENT, tag)
    assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''weights.safetensors"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    head = api.client.head(f"{url}/model/weights.safetensors")
    assert (head.content, head.headers["ETag"], head.headers["Content-Length"]) == (b"", tag, str(len(CONTENT)))
    held = api.client.get(f"{url}/model/weights.safetensors", headers={"If-None-Match": tag})
    assert (held.status_code, held.content) == (304, b"")


@pytest.mark.parametrize(
    ("byte_range", "part"), [("0-0", CONTENT[:1]), ("100-", CONTENT[100:]), ("-7", CONTENT[-7:]), ("65530-70000", None)]
)
def test_a_range_of_a_file_is_a_slice_of_it(api: Api, url: str, byte_range: str, part: bytes | None) -> None:
    answer = api.client.get(f"{url}/model/weights.safetensors", headers={"Range": f"bytes={byte_range}"})

    assert (answer.status_code, answer.content) == (206, CONTENT[65530:70001] if part is None else part)


def test_a_range_is_given_only_of_the_file_that_the_caller_holds(api: Api, url: str) -> None:
    path = f"{url}/model/weights.safetensors"
    tag = api.client.head(path).headers["ETag"]

    same = api.client.get(path, headers={"Range": "bytes=5-6", "If-Range": tag})
    other = api.client.get(path, headers={"Range": "bytes=5-6", "If-Range": '"other"'})
    beyond = api.client.get(path, headers={"Range": f"bytes={len(CONTENT)}-"})

    assert (same.status_code, same.content) == (206, CONTENT[5:7])
    assert (other.status_code, other.content) == (200, CONTENT)
    assert_refused(beyond, status=416, code="range_not_satisfiable", pointers=[])


def test_a_file_that_changes_is_another_one(api: Api, folder: Path, url: str) -> None:
    before = api.client.head(f"{url}/result.json").headers["ETag"]
    (folder / "new").write_text("[]")
    (folder / "new").replace(folder / "result.json")

    assert api.client.head(f"{url}/result.json").headers["ETag"] != before


def test_no_file_stays_open_whatever_was_answered(api: Api, url: str) -> None:
    path = f"{url}/model/weights.safetensors"
    tag = api.client.get(path).headers["ETag"]
    before = open_descriptors()

    for headers in ({}, {"If-None-Match": tag}, {"Range": "bytes=1-2"}, {"Range": "bytes=999999-"}):
        for _ in range(5):
            api.client.get(path, headers=headers)
            api.client.head(path, headers=headers)
    api.client.get(url)
    api.client.get(f"{url}/model")

    assert open_descriptors() == before


@pytest.fixture
def traps(folder: Path) -> Iterator[Path]:
    """The folder with everything in it that must not be followed."""
    outside = folder.parent.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text(SECRET)
    (folder / "link").symlink_to(outside / "secret")
    (folder / "linked").symlink_to(outside)
    (folder / "inner").symlink_to(folder / "result.json")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(folder, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        yield folder


BAD_NAMES = [
    "../../../outside/secret",
    "model/../result.json",
    "./result.json",
    "/etc/passwd",
    "//etc/passwd",
    "model//weights.safetensors",
    "model",
    "model/",
    "link",
    "linked/secret",
    "inner",
    "pipe",
    "socket",
    "checkpoint/state.json",
    ".result.json.x.tmp",
    "result.json/x",
    "nul\x00",
    "x" * 300,
    "",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_nothing_but_a_plain_file_of_the_run_is_opened(traps: Path, name: str) -> None:
    before = open_descriptors()

    with pytest.raises(NotFound):
        open_file(traps, name, Hashes())

    assert open_descriptors() == before


@pytest.mark.parametrize("name", [name for name in BAD_NAMES if name])
def test_nothing_but_a_plain_file_of_the_run_is_served(api: Api, traps: Path, name: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in name.encode())

    answer = api.client.get(f"/v1/runs/{traps.parent.name}/artifacts/{escaped}")

    assert answer.status_code == 404
    assert SECRET not in answer.text


def test_what_must_not_be_followed_is_not_listed(api: Api, traps: Path) -> None:
    listed = [file["name"] for file in get(api, f"/v1/runs/{traps.parent.name}/artifacts")]

    assert listed == ["events.jsonl", "model/weights.safetensors", "result.json"]
