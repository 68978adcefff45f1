"""A full disk is recognised by the error of each library that writes to it."""

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError
from transformers import BertConfig, BertModel

from cellgate.contract.files import atomic_file, write_json
from cellgate.contract.storage import is_disk_full

Write = Callable[[], object]


@pytest.fixture
def writers(tmp_path: Path) -> dict[str, Write]:
    """Each writes more than 8 KiB into a folder of the test's own."""
    file = tmp_path / "x"
    weights = {"weight": torch.zeros(50_000)}
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertModel(BertConfig(**size))

    def torch_save() -> None:
        with atomic_file(file) as opened:
            torch.save(weights, opened)

    return {
        "json": lambda: write_json(file, {"a": "a" * 50_000}),
        "torch": torch_save,
        "safetensors": lambda: safetensors.torch.save_file(weights, file),
        "transformers": lambda: model.save_pretrained(tmp_path),
    }


def _report(write: Write, results: Any) -> None:
    """Send whether the full disk was known, and whether another error was taken for one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    try:
        write()
    except (OSError, RuntimeError, SafetensorError) as error:
        results.put([is_disk_full(error), is_disk_full(ValueError("no such label (os error 2)"))])
    else:
        results.put("nothing went wrong")


@pytest.mark.parametrize("kind", ["json", "torch", "safetensors", "transformers"])
def test_no_room_is_known_from_every_writer(writers: dict[str, Write], kind: str) -> None:
    # In a process of its own: a limit on the size of a file stands for a disk without room, and cannot be taken back.
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    writer = fork.Process(target=_report, args=(writers[kind], results))

    writer.start()
    writer.join(60)

    assert writer.exitcode == 0
    assert results.get() == [True, False]
