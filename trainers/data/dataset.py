"""A prepared data set, open for reading: memory-mapped, so that opening is cheap and pages are shared."""

# Shapes: R requested rows, N nodes and E edges of one function.
import json
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cellgate.contract.artifacts import FUNCTIONS_NAME, GRAPHS_NAME, VOCABULARY_NAME
from cellgate.contract.configs import Split
from cellgate.contract.dataset import Manifest, check_files, read_manifest
from cellgate.contract.errors import DataError, InputError
from trainers.data.vocabulary import Vocabulary

RowNumbers = NDArray[np.int64] | Sequence[int]
_DTYPES: dict[str, np.dtype[Any]] = {
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
}
_HEADER_LENGTH_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One function's graph: views into the file, not to be written to.

    Args:
        node_type_N: Place in `vocab.node_types`, int16.
        node_token_N: Place in `vocab.tokens`, int32.
        node_features_N4: Places in the four feature vocabularies, int16.
        node_statement_N: The node of the statement that owns it, int32.
        edge_src_E: int32.
        edge_dst_E: int32.
        edge_type_E: Place in `vocab.edge_types`, int8; reverse edges are not stored.
    """

    node_type_N: np.ndarray
    node_token_N: np.ndarray
    node_features_N4: np.ndarray
    node_statement_N: np.ndarray
    edge_src_E: np.ndarray
    edge_dst_E: np.ndarray
    edge_type_E: np.ndarray


@dataclass(frozen=True, kw_only=True)
class GraphArrays:
    """The graphs of all functions, one after another; function i has nodes node_ptr[i] to node_ptr[i + 1]."""

    node_ptr: np.ndarray
    edge_ptr: np.ndarray
    node_type: np.ndarray
    node_token: np.ndarray
    node_features: np.ndarray
    node_statement: np.ndarray
    edge_src: np.ndarray
    edge_dst: np.ndarray
    edge_type: np.ndarray


class Dataset:
    """A prepared data set; rows are numbered from 0 in the order of the file.

    Use `Dataset.open`.
    """

    def __init__(self, *, manifest: Manifest, vocab: Vocabulary, functions: Any, graphs: GraphArrays) -> None:
        self.manifest = manifest
        self.vocab = vocab
        self.graphs = graphs
        self._functions = functions
        self._labels = functions["label"].to_numpy()
        self._split = functions["split"].to_numpy(zero_copy_only=False)

    @classmethod
    def open(cls, path: Path, *, verify: bool = False) -> Self:
        """Open the data set in a folder (the one that holds dataset.json).

        Args:
            verify: Hash every file first; else only sizes are compared.

        Raises:
            DataError: It is missing, damaged, or not as it was prepared.
        """
        manifest = read_manifest(path)
        check_files(path, manifest, verify=verify)
        try:
            functions = pa.ipc.open_file(pa.memory_map(str(path / FUNCTIONS_NAME))).read_all().combine_chunks()
            graphs = _map_graphs(path / GRAPHS_NAME)
            vocab = _read_vocabulary(path / VOCABULARY_NAME)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise DataError.unreadable(
                path,
                "the data set is damaged",
                error,
                expected="files as they were prepared",
                fix="restore the folder, or prepare the data set again",
            ) from error
        dataset = cls(manifest=manifest, vocab=vocab, functions=functions, graphs=graphs)
        dataset._check_counts(path)
        return dataset

    def _check_counts(self, path: Path) -> None:
        counts = {FUNCTIONS_NAME: len(self._functions), GRAPHS_NAME: len(self.graphs.node_ptr) - 1}
        problems = [
            InputError(where=name, found=f"{count} functions", expected=f"{self.manifest.rows}")
            for name, count in counts.items()
            if count != self.manifest.rows
        ]
        if problems:
            raise DataError(f"{path}: text and graphs do not belong together", problems)

    @property
    def id(self) -> str:
        """The data set's id, `sha256:` and 64 hex digits."""
        return self.manifest.id

    def __len__(self) -> int:
        return self.manifest.rows

    def rows(self, split: Split | str) -> NDArray[np.int64]:
        """Return the rows of a split, ascending.

        Raises:
            ValueError: There is no such split.
        """
        return np.flatnonzero(self._split == Split(split).value).astype(np.int64)

    def ids(self, rows: RowNumbers) -> list[str]:
        """Return the functions' ids."""
        return self._texts("id", rows)

    def labels(self, rows: RowNumbers) -> NDArray[np.int64]:
        """Return 0 (not vulnerable) or 1 for each row, (R,)."""
        return self._labels[np.asarray(rows, dtype=np.int64)].astype(np.int64)  # type: ignore[no-any-return]

    def sources(self, rows: RowNumbers) -> list[str]:
        """Return the functions' source text."""
        return self._texts("func", rows)

    def groups(self, rows: RowNumbers) -> list[str]:
        """Return each row's group; no group is in two splits."""
        return self._texts("group", rows)

    def pairs(self, rows: RowNumbers) -> list[str | None]:
        """Return the pair (vulnerable and patched version) that each row belongs to, if any."""
        return self._column("pair", rows)

    def all_pairs(self) -> list[str | None]:
        """Return the pair of every row, in the order of rows."""
        return self.pairs(np.arange(len(self)))

    def cwes(self, rows: RowNumbers) -> list[str | None]:
        """Return each row's weaknesses, if known; several are joined by commas."""
        return self._column("cwe", rows)

    def projects(self, rows: RowNumbers) -> list[str | None]:
        """Return each row's project, if known."""
        return self._column("project", rows)

    def commits(self, rows: RowNumbers) -> list[str | None]:
        """Return each row's commit, if known."""
        return self._column("commit", rows)

    def dates(self, rows: RowNumbers) -> list[str | None]:
        """Return each row's date, YYYY-MM-DD, if known; most sets have no such column."""
        return self._column("date", rows) if "date" in self._functions.column_names else [None] * len(rows)

    def graph_qualities(self, rows: RowNumbers) -> list[str]:
        """Return parsed, partial, token_chain or ready for each row."""
        return self._texts("graph_quality", rows)

    def graph(self, row: int) -> Graph:
        """Return one function's graph."""
        arrays = self.graphs
        nodes = slice(int(arrays.node_ptr[row]), int(arrays.node_ptr[row + 1]))
        edges = slice(int(arrays.edge_ptr[row]), int(arrays.edge_ptr[row + 1]))
        return Graph(
            node_type_N=arrays.node_type[nodes],
            node_token_N=arrays.node_token[nodes],
            node_features_N4=arrays.node_features[nodes],
            node_statement_N=arrays.node_statement[nodes],
            edge_src_E=arrays.edge_src[edges],
            edge_dst_E=arrays.edge_dst[edges],
            edge_type_E=arrays.edge_type[edges],
        )

    def graph_sizes(self, rows: RowNumbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of nodes and of stored edges of each row, (R,) each."""
        chosen = np.asarray(rows, dtype=np.int64)
        nodes = self.graphs.node_ptr[chosen + 1] - self.graphs.node_ptr[chosen]
        edges = self.graphs.edge_ptr[chosen + 1] - self.graphs.edge_ptr[chosen]
        return nodes, edges

    def _column(self, name: str, rows: RowNumbers) -> list[Any]:
        chosen = pa.array(np.asarray(rows, dtype=np.int64))
        return self._functions[name].take(chosen).to_pylist()  # type: ignore[no-any-return]

    def _texts(self, name: str, rows: RowNumbers) -> list[str]:
        return self._column(name, rows)


def _map_graphs(path: Path) -> GraphArrays:
    """Map a safetensors file without copying it.

    Source:
        safetensors format: 8 bytes little-endian header length, JSON header, then the arrays.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    header_length = int.from_bytes(mapped[:_HEADER_LENGTH_BYTES], "little")
    data_start = _HEADER_LENGTH_BYTES + header_length
    header = json.loads(mapped[_HEADER_LENGTH_BYTES:data_start])
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        dtype = _DTYPES[entry["dtype"]]
        flat = np.frombuffer(mapped, dtype, (last - first) // dtype.itemsize, data_start + first)
        arrays[name] = flat.reshape(entry["shape"])
    return GraphArrays(**arrays)


def _read_vocabulary(path: Path) -> Vocabulary:
    content = json.loads(path.read_bytes())
    return Vocabulary(
        node_types=tuple(content["node_types"]),
        tokens=tuple(content["tokens"]),
        features={feature["name"]: tuple(feature["values"]) for feature in content["features"]},
        edge_types=tuple(content["edge_types"]),
    )
