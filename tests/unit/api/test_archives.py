"""A folder is sent as one tar stream that any tar reads, of a length that is known before."""

import io
import tarfile
from pathlib import Path

from service.api.archive import Archive

FILES = {"bundle.json": b"{}", "seed-0/model.safetensors": bytes(range(256)) * 10_000, "empty.txt": b""}


def test_every_file_arrives_with_its_bytes_and_in_the_announced_length(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "not vouched for").write_bytes(b"no")
    archive = Archive(folder=tmp_path, root="bun_1", names=list(FILES))

    sent = b"".join(archive.stream())

    assert len(sent) == archive.size_bytes
    assert sent == b"".join(archive.stream())
    with tarfile.open(fileobj=io.BytesIO(sent)) as read:
        files = {member.name: read.extractfile(member) for member in read}
        assert {name: file and file.read() for name, file in files.items()} == {
            f"bun_1/{name}": content for name, content in FILES.items()
        }
