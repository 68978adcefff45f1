"""Graphs keep their bytes: stored data sets, caches and models rest on them."""

import hashlib

import numpy as np

from tests.hostile_sources import SHAPES
from trainers.data.encoding import build_chunk
from trainers.demo_data.generator import generate

FUNCTIONS = 200
# A change of this is a change of every data set: it needs a new schema version, and new models.
GRAPHS = "6ff03176fb92c931e7b10e02f5a79679738ee26a5fadc1b252e5403688c0d15f"


def test_graphs_of_generated_and_of_hostile_functions_have_the_bytes_of_before():
    sources = [str(row["func"]) for row in generate(functions=FUNCTIONS, seed=1)]
    sources += [shape(4) for shape in SHAPES.values()]

    graphs = build_chunk(sources, 300)

    digest = hashlib.sha256(repr((graphs.truncated, graphs.strings, graphs.kinds, graphs.edge_types)).encode())
    for name, array in sorted(vars(graphs).items()):
        if isinstance(array, np.ndarray):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    assert digest.hexdigest() == GRAPHS
