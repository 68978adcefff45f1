"""Imported graphs from a folder of PyG `<id>.pt` files, read so that no file can run code.

What is read of a graph: `edge_index` (2, E), and `edge_type` as whole numbers (E,) or texts; the kinds of its nodes as
`node_type`, whole numbers (N,) or texts; their source text as `code`, texts, or a number for each as `x`, (N,) or
(N, 1); and `y`, the label, which must be the function's. `num_nodes` and `id` may stand there; nothing else may.
"""

# Shapes: N nodes and E edges of one function.
import pickle
import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.imported_graphs.graph import ImportedGraph, check_range
from trainers.data.read.error_collector import ErrorCollector, shown

SUFFIX = ".pt"
# Of one function's graph, unpacked: a million nodes with ten edges each have 200 MB.
MAX_GRAPH_BYTES = 256 << 20
READ = frozenset({"edge_index", "edge_type", "node_type", "code", "x", "y"})
IGNORED = frozenset({"num_nodes", "id"})
# For graphs without types: all edges are of one kind, and so are all nodes.
UNTYPED_EDGE, UNTYPED_NODE = "edge", "node"
UNREADABLE = (
    pickle.UnpicklingError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)


class GraphFileReader:
    """Reads graphs one by one; imports torch and PyG, which takes seconds, when it is made."""

    def __init__(self, problems: ErrorCollector) -> None:
        import torch
        from torch_geometric.data import Data
        from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
        from torch_geometric.data.storage import GlobalStorage

        self._torch = torch
        self._problems = problems
        self._data, self._storage = Data, GlobalStorage
        self._allowed = [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]

    def read(self, path: Path, label: int) -> ImportedGraph | None:
        """Return a file's graph, or None, with every mistake noted, when it is not one.

        Args:
            label: The function's, which the graph's must not contradict.
        """
        before = self._problems.total
        if path.is_symlink():
            # It may lead to what the folder's owner was not given to read.
            self._problems.add(path.name, found="a symbolic link", expected="a file", fix="put the file itself there")
            return None
        values = self._values(path)
        if values is None:
            return None
        place = path.name
        self._check_names(place, values)
        nodes = self._nodes(place, values)
        edges_2E = self._edge_index(place, values)
        labels = self._kinds(place, "node_type", values, nodes, UNTYPED_NODE)
        edge_count = 0 if edges_2E is None else edges_2E.shape[1]
        kinds = self._kinds(place, "edge_type", values, edge_count, UNTYPED_EDGE)
        codes = self._texts(place, "code", values, nodes) if "code" in values else [""] * nodes
        tokens = self._tokens(place, values, nodes)
        self._check_label(place, values, label)
        if edges_2E is not None and nodes:
            check_range(place, edges_2E, nodes, self._problems)
        if self._problems.total != before or edges_2E is None:
            return None
        return ImportedGraph(
            labels=labels, codes=codes, tokens=tokens, source_E=edges_2E[0], target_E=edges_2E[1], kinds=kinds
        )

    def _values(self, path: Path) -> dict[str, Any] | None:
        try:
            _check_size(path)
            with warnings.catch_warnings(), _only_these(self._torch, self._allowed):
                # An old way of saving is no mistake.
                warnings.simplefilter("ignore")
                loaded = self._torch.load(path, map_location="cpu", weights_only=True)
        except UNREADABLE as error:
            self._problems.add(
                path.name,
                found=_reason(error),
                expected="a torch_geometric.data.Data of plain tensors and texts",
                fix="save the graph with torch.save, with nothing else in it",
            )
            return None
        # Read past the object's own look-up, which what was loaded might have changed.
        storage = vars(loaded).get("_store") if type(loaded) is self._data else None
        values = vars(storage).get("_mapping") if type(storage) is self._storage else None
        if type(values) is dict and all(isinstance(name, str) for name in values):
            return {name: value for name, value in values.items() if value is not None}
        self._problems.add(
            path.name,
            found=f"a {type(loaded).__name__}",
            expected="a torch_geometric.data.Data",
            fix="save one Data per function",
        )
        return None

    def _check_names(self, place: str, values: dict[str, Any]) -> None:
        for name in sorted(set(values) - READ - IGNORED):
            self._problems.add(
                f"{place}, {name}",
                found="an attribute that has no meaning here",
                expected=f"of {', '.join(sorted(READ))}",
                fix="rename it to what it is, or remove it before saving",
            )

    def _nodes(self, place: str, values: dict[str, Any]) -> int:
        """Return how many nodes there are: as many as kinds, texts or numbers, whichever stands first."""
        for name in ("node_type", "code", "x"):
            value = values.get(name)
            if isinstance(value, list):
                return len(value)
            if isinstance(value, self._torch.Tensor) and value.ndim:
                return len(value) if _is_stored(value) else self._refuse_view(place, name, value)
        self._problems.add(
            place,
            found=f"no nodes among {shown(sorted(values))}",
            expected="node_type, code or x",
            fix="give each node a kind, its source text or a number",
        )
        return 0

    def _refuse_view(self, place: str, name: str, value: Any) -> int:
        self._problems.add(
            f"{place}, {name}",
            found=f"a view of shape {tuple(value.shape)} over fewer values",
            expected="a tensor that holds all of its values",
            fix="save it after .contiguous()",
        )
        return 0

    def _edge_index(self, place: str, values: dict[str, Any]) -> NDArray[np.int64] | None:
        if "edge_index" not in values:
            self._problems.add(
                f"{place}, edge_index", found="no such attribute", expected="(2, E)", fix="give the graph its edges"
            )
            return None
        return self._whole(place, "edge_index", values["edge_index"], (2, None))

    def _whole(self, place: str, name: str, value: Any, shape: tuple[int | None, ...]) -> NDArray[np.int64] | None:
        """Return a tensor of whole numbers as an array, or None when it is something else."""
        torch = self._torch
        expected = f"whole numbers of shape ({', '.join('E' if n is None else str(n) for n in shape)})"
        fits = (
            type(value) is torch.Tensor
            and value.layout is torch.strided
            and not value.is_quantized
            and value.device.type == "cpu"
            and value.dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
            and value.ndim == len(shape)
            and all(want is None or size == want for size, want in zip(value.shape, shape, strict=True))
            and _is_stored(value)
        )
        if fits:
            array: NDArray[np.int64] = value.numpy().astype(np.int64)
            return array
        found = shown(value)
        if isinstance(value, torch.Tensor):
            found = f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
        fix = "give whole numbers in a plain tensor"
        if name == "x":
            fix = "give each node one number, or its kind as node_type and its text as code: the model learns its own"
        self._problems.add(f"{place}, {name}", found=found, expected=expected, fix=fix)
        return None

    def _texts(self, place: str, name: str, values: dict[str, Any], count: int) -> list[str]:
        value = values[name]
        if isinstance(value, list) and len(value) == count and all(isinstance(text, str) for text in value):
            return value
        found = f"{len(value)} values" if isinstance(value, list) else shown(type(value).__name__)
        self._problems.add(
            f"{place}, {name}", found=found, expected=f"{count} texts", fix="give a list with one text for each"
        )
        return [""] * count

    def _kinds(self, place: str, name: str, values: dict[str, Any], count: int, default: str) -> list[str]:
        if name not in values:
            return [default] * count
        if isinstance(values[name], list):
            return self._texts(place, name, values, count)
        numbers = self._whole(place, name, values[name], (count,))
        return [] if numbers is None else [f"{default} {number}" for number in numbers.tolist()]

    def _tokens(self, place: str, values: dict[str, Any], nodes: int) -> list[str]:
        if "x" not in values:
            return [""] * nodes
        columns = getattr(values["x"], "ndim", 1)
        numbers = self._whole(place, "x", values["x"], (nodes, 1) if columns > 1 else (nodes,))
        return [] if numbers is None else [f"#{number}" for number in numbers.ravel().tolist()]

    def _check_label(self, place: str, values: dict[str, Any], label: int) -> None:
        value = values.get("y", label)
        found = value.ravel().tolist() if isinstance(value, self._torch.Tensor) and value.numel() == 1 else [value]
        if found != [label]:
            self._problems.add(
                f"{place}, y", found=shown(value), expected=f"{label}, the function's label", fix="correct one of them"
            )


def _check_size(path: Path) -> None:
    """Return if a file holds no more than a graph may, unpacked.

    Raises:
        ValueError: It holds more.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if size <= MAX_GRAPH_BYTES and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_GRAPH_BYTES:
        raise ValueError(f"{size} bytes, unpacked; a graph has at most {MAX_GRAPH_BYTES}")


def _is_stored(value: Any) -> bool:
    """Return whether a tensor holds all of its values: a view may claim any size over a few bytes."""
    is_plain = str(value.layout) == "torch.strided"
    return is_plain and bool(value.numel() * value.element_size() <= value.untyped_storage().nbytes())


@contextmanager
def _only_these(torch: Any, allowed: list[type]) -> Iterator[None]:
    """Make these the only classes that a file may name, beside plain tensors; other packages add theirs on import."""
    others = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(allowed)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(others)


def _reason(error: Exception) -> str:
    """Return why torch refuses a file, without its advice to trust the file."""
    words = " ".join(str(error).split())
    for mark in ("Unsupported global: GLOBAL ", "Trying to load unsupported GLOBAL "):
        if mark in words:
            return f"{words.split(mark)[1].split()[0]}, which a graph does not need: the file was not opened further"
    _, _, detail = words.partition("WeightsUnpickler error: ")
    if detail:
        return f"a pickle that is no graph's ({detail.partition(' Check the documentation')[0]})"
    return shown(words or type(error).__name__)
