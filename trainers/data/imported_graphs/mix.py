"""The graphs of a data set of which some functions, or all, came with theirs."""

# Shapes: F functions, N nodes and E edges of all functions together.
from collections.abc import Callable, Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from trainers.data.encoding import GraphSet, RawGraphs, build_graphs
from trainers.data.imported_graphs.collect import ImportedGraphs
from trainers.data.read.row import Row


def fill_up(
    ready: ImportedGraphs,
    rows: Sequence[Row],
    *,
    max_nodes: int,
    workers: int,
    progress: Callable[[int], None],
    file: IO[bytes],
) -> GraphSet:
    """Return the graphs of all functions, in order: the ready ones, and ours for those that have none.

    Args:
        progress: Called with the number of functions done so far.
        file: Empty; takes ours, and must stay open for as long as they are used.
    """
    has_one = set(ready.places)
    others = [place for place in range(len(rows)) if place not in has_one]
    if ready.raw is not None and not others:
        return GraphSet.of(ready.raw)
    ours = build_graphs(
        (rows[place].func for place in others),
        max_nodes=max_nodes,
        workers=workers,
        progress=lambda done: progress(len(ready.places) + done),
        file=file,
    )
    if ready.raw is None:
        return ours
    order_F = np.argsort([*ready.places, *others], kind="stable")
    return GraphSet.of(_reordered(_joined(ready.raw, ours.in_memory()), order_F))


def _numbered(first: Sequence[str] | Sequence[bytes], second: Sequence[str] | Sequence[bytes]) -> NDArray[np.int32]:
    number = {value: place for place, value in enumerate(first)}
    return np.array([number.setdefault(value, len(number)) for value in second], dtype=np.int32)


def _joined(first: RawGraphs, second: RawGraphs) -> RawGraphs:
    """Lay the second graphs behind the first, with one numbering for both."""
    string, kind, edge_type = (
        _numbered(first.strings, second.strings),
        _numbered(first.kinds, second.kinds),
        _numbered(first.edge_types, second.edge_types),
    )

    def both(name: str, numbers: NDArray[np.int32] | None = None) -> np.ndarray:
        mine, other = getattr(first, name), getattr(second, name)
        return np.concatenate([mine, other if numbers is None else numbers[other].astype(mine.dtype)])

    return RawGraphs(
        nodes_F=both("nodes_F"),
        edges_F=both("edges_F"),
        quality_F=both("quality_F"),
        truncated=first.truncated + second.truncated,
        kind_N=both("kind_N", kind),
        token_N=both("token_N", string),
        features_N4=both("features_N4", string),
        statement_N=both("statement_N"),
        source_E=both("source_E"),
        target_E=both("target_E"),
        edge_type_E=both("edge_type_E", edge_type),
        strings=list(dict.fromkeys([*first.strings, *second.strings])),
        kinds=tuple(dict.fromkeys([*first.kinds, *second.kinds])),
        edge_types=tuple(dict.fromkeys([*first.edge_types, *second.edge_types])),
    )


def _reordered(raw: RawGraphs, order_F: NDArray[np.int64]) -> RawGraphs:
    node_N, edge_E = _gathered(raw.nodes_F, order_F), _gathered(raw.edges_F, order_F)
    per_function = {name: getattr(raw, name)[order_F] for name in ("nodes_F", "edges_F", "quality_F")}
    per_node = {name: getattr(raw, name)[node_N] for name in ("kind_N", "token_N", "features_N4", "statement_N")}
    per_edge = {name: getattr(raw, name)[edge_E] for name in ("source_E", "target_E", "edge_type_E")}
    return RawGraphs(**{**vars(raw), **per_function, **per_node, **per_edge})


def _gathered(counts_F: NDArray[np.int64], order_F: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the entries of each function lie, function after function in the new order."""
    start_F = np.cumsum(counts_F) - counts_F
    sizes_F = counts_F[order_F]
    within = np.arange(int(sizes_F.sum())) - np.repeat(np.cumsum(sizes_F) - sizes_F, sizes_F)
    places: NDArray[np.int64] = np.repeat(start_F[order_F], sizes_F) + within
    return places
