"""A disk without room is known by whatever the library that wrote to it says."""

import subprocess
import sys

import pytest

# In a process of its own: a limit on the size of a file stands for a disk without room, and cannot be taken back.
WRITE = """
import resource, sys
from pathlib import Path
import safetensors.torch, torch
from transformers import BertConfig, BertModel
from cellgate.contract.files import atomic_file, write_json
from cellgate.contract.errors import is_disk_full

folder, kind = Path(sys.argv[1]), sys.argv[2]
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
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    writers[kind]()
except Exception as error:
    print(is_disk_full(error), is_disk_full(ValueError("no such label (os error 2)")))
"""


@pytest.mark.parametrize("kind", ["json", "torch", "safetensors", "transformers"])
def test_no_room_is_known_from_every_writer(tmp_path: object, kind: str) -> None:
    command = [sys.executable, "-c", WRITE, str(tmp_path), kind]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout.split() == ["True", "False"]
