"""Tensors that are written a part at a time make the file that the library makes of whole ones."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from trainers.data.streamed_tensors import write_tensors

ROWS = 7
RNG = np.random.default_rng(0)
WHOLE = {"edge_ptr": np.arange(3), "node_ptr": np.arange(5)}
PARTED = {
    "node_type": RNG.integers(-9, 9, ROWS).astype(np.int16),
    "node_features": RNG.integers(-9, 9, (ROWS, 4)).astype(np.int16),
    "edge_src": RNG.integers(-9, 9, ROWS).astype(np.int32),
    "edge_type": RNG.integers(-9, 9, ROWS).astype(np.int8),
}


@pytest.mark.parametrize("cuts", [[], [3], [0, 1, 1, 6, 7]], ids=["one part", "two parts", "empty parts"])
def test_the_bytes_are_those_of_the_library(tmp_path: Path, cuts: list[int]):
    bounds = [0, *cuts, ROWS]
    parts = ({name: array[start:stop] for name, array in PARTED.items()} for start, stop in itertools.pairwise(bounds))
    write_tensors(tmp_path / "ours", WHOLE, parts, lambda _: ROWS)
    save_file({**WHOLE, **PARTED}, tmp_path / "theirs")

    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_graphs_without_any_edge_are_a_file_too(tmp_path: Path):
    write_tensors(tmp_path / "ours", WHOLE, iter([{"edge_src": np.empty(0, dtype=np.int32)}]), lambda _: 0)

    assert load_file(tmp_path / "ours")["edge_src"].shape == (0,)
