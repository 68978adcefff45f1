"""Which files `cellgate dataset add` sends, and which name the data set gets."""

from pathlib import Path
from typing import cast

import pytest

from cellgate.cli import sources
from cellgate.cli.sources import default_name, send, server_sources
from cellgate.client._sync.client import Client
from cellgate.contract.api.datasets import UploadAnswer
from cellgate.contract.exit_codes import UsageError


class Receiver:
    """Takes files as the service does, and remembers them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def upload(self, file: Path, name: str) -> UploadAnswer:
        """Remember a file."""
        self.sent.append((name, file.read_bytes()))
        return UploadAnswer.model_construct(source=f"/uploads/{len(self.sent)}/{name}")


def _file(path: Path, content: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def _send(*files: Path) -> tuple[str | list[str], list[str]]:
    receiver = Receiver()
    return send(cast(Client, receiver), files), [name for name, _ in receiver.sent]


def test_one_file_is_one_source(tmp_path: Path) -> None:
    assert _send(_file(tmp_path / "train (1).jsonl")) == ("/uploads/1/train-1.jsonl", ["train-1.jsonl"])


def test_folders_are_sent_file_by_file_with_the_folders_in_their_names(tmp_path: Path) -> None:
    for name in (
        "train/a.jsonl",
        "test/a.jsonl",
        "README.md",
        "dataset_info.json",
        ".cache/a.jsonl",
        "test/.hidden.jsonl",
    ):
        _file(tmp_path / "set" / name)

    paths, names = _send(tmp_path / "set", _file(tmp_path / "more.csv"))

    assert names == ["test-a.jsonl", "train-a.jsonl", "more.csv"]
    assert len(paths) == 3


def test_nothing_is_sent_if_one_thing_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    receiver = Receiver()

    with pytest.raises(UsageError) as caught:
        send(
            cast(Client, receiver),
            [_file(tmp_path / "a.jsonl"), tmp_path / "none.jsonl", tmp_path / "empty", _file(tmp_path / "a.txt")],
        )

    assert len(str(caught.value).splitlines()) == 3
    assert receiver.sent == []


def test_more_files_than_a_data_set_is_made_of_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_SOURCES", 1)

    with pytest.raises(UsageError, match="found 2 files; a data set is made of 1 at most"):
        _send(_file(tmp_path / "a.jsonl"), _file(tmp_path / "b.jsonl"))


def test_a_path_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = _file(tmp_path / "a.jsonl")

    assert server_sources([file, file]) == str(file.resolve())


@pytest.mark.parametrize(("path", "name"), [("a.b.jsonl", "a"), ("folder", "folder"), (".jsonl", "jsonl")])
def test_the_data_set_is_named_after_its_first_file(tmp_path: Path, path: str, name: str) -> None:
    assert default_name([tmp_path / path, tmp_path / "other.jsonl"]) == name
