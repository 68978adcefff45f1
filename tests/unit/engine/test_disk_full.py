"""A disk without room is known by whatever the library that wrote to it says."""

import json
import subprocess
import sys

import pytest

# In processes of their own: a limit on the size of a file stands for a disk without room, and cannot be taken back.
# One imports what takes seconds, and each writer is a fork of it.
WRITE = """
import json, os, resource, sys
from pathlib import Path
import safetensors.torch, torch
from transformers import BertConfig, BertModel
from cellgate.contract.files import atomic_file, write_json
from cellgate.contract.errors import is_disk_full

torch.set_num_threads(1)
folder = Path(sys.argv[1])
weights = {"weight": torch.zeros(50_000)}
model = BertModel(BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8))

def torch_save():
    with atomic_file(folder / "x") as file:
        torch.save(weights, file)

writers = {
    "json": lambda: write_json(folder / "x", {"a": "a" * 50_000}),
    "torch": torch_save,
    "safetensors": lambda: safetensors.torch.save_file(weights, folder / "x"),
    "transformers": lambda: model.save_pretrained(folder),
}

def write(kind):
    said = "nothing went wrong"
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    try:
        writers[kind]()
    except Exception as error:
        said = [is_disk_full(error), is_disk_full(ValueError("no such label (os error 2)"))]
    print(json.dumps([kind, said]), flush=True)

for kind in writers:
    child = os.fork()
    if child == 0:
        try:
            write(kind)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bool]]:
    """Of each writer: whether the full disk was known, and whether another error was taken for one."""
    command = [sys.executable, "-c", WRITE, str(tmp_path_factory.mktemp("full"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("kind", ["json", "torch", "safetensors", "transformers"])
def test_no_room_is_known_from_every_writer(known: dict[str, list[bool]], kind: str) -> None:
    assert known[kind] == [True, False]
