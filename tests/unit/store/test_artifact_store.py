"""The artifact store in a local folder."""

import hashlib
from pathlib import Path

import pytest

from service.store.artifact_store import BadKey, LocalStore, StoredFile

KEY = "artifacts/runs/r/attempt-1/result.json"


def test_a_file_is_put_whole_listed_hashed_and_read_back(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    stored = store.put(KEY, [b"one", b"two"])

    assert stored == store.stat(KEY) == StoredFile(key=KEY, size_bytes=6)
    with store.open(KEY) as file:
        assert file.read() == b"onetwo"
    assert store.sha256(KEY) == f"sha256:{hashlib.sha256(b'onetwo').hexdigest()}"
    assert list(store.list("artifacts")) == list(store.list(KEY)) == [stored]
    assert (store.size("artifacts"), store.size("artifacts/runs/none")) == (6, 0)


def test_what_is_withdrawn_cannot_be_read_and_is_freed_by_purging_however_often(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(KEY, [b"one"])

    assert store.withdraw("artifacts/runs/r", "7")
    assert (store.stat(KEY), list(store.list("artifacts/runs"))) == (None, [])
    assert not store.withdraw("artifacts/runs/r", "7")
    store.put(KEY, [b"written again"])
    assert store.withdraw("artifacts/runs/r", "7")
    for _ in range(2):
        store.purge("7")

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "artifacts/../../x", "artifacts//x", "a\x00b", "artifacts/./x"]
)
def test_a_key_that_leads_elsewhere_is_refused(tmp_path: Path, key: str) -> None:
    store = LocalStore(tmp_path / "data")

    for call in (store.open, store.stat, lambda bad: store.withdraw(bad, "1"), lambda bad: store.put(bad, [])):
        with pytest.raises(BadKey):
            call(key)


def test_links_are_neither_followed_nor_listed_but_the_top_folder_may_be_one(tmp_path: Path) -> None:
    outside, disk = tmp_path / "outside", tmp_path / "disk"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "secret").write_text("secret")
    disk.mkdir()
    root = tmp_path / "data"
    root.mkdir()
    (root / "artifacts").symlink_to(disk)
    store = LocalStore(root)
    store.put(KEY, [b"one"])
    (disk / "runs" / "r" / "link").symlink_to(outside)
    (disk / "runs" / "r" / "file").symlink_to(outside / "deep" / "secret")

    assert [file.key for file in store.list("artifacts")] == [KEY]
    with pytest.raises(BadKey, match="through a link"):
        store.open("artifacts/runs/r/link/deep/secret")
    with pytest.raises(OSError, match="symbolic links"):
        store.open("artifacts/runs/r/file")
    assert store.withdraw("artifacts/runs/r", "1")
    store.purge("1")
    assert (outside / "deep" / "secret").read_text() == "secret"
    assert not (disk / "runs" / "r").exists()
