"""Imported graphs from a JSONL file: nodes with label and code, edges with source, target and kind, as in Joern."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from trainers.data.imported_graphs.graph import MAX_LISTED_EDGES, ImportedGraph, check_range
from trainers.data.read.error_collector import ErrorCollector, shown
from trainers.data.read.json_rows import read_lines

NODE_PARTS = 2
EDGE_PARTS = 3


def read_graph_lines(path: Path, problems: ErrorCollector) -> Iterator[tuple[str, str, ImportedGraph]]:
    """Yield id, place and graph of every good line; mistakes in the others are noted.

    Args:
        path: A .jsonl file, compressed or not.
    """
    for number, line in read_lines(path):
        place = f"{path.name}, line {number}"
        record = _decode(place, line, problems)
        if record is None:
            continue
        graph_id = record.get("id")
        if not isinstance(graph_id, str | int) or isinstance(graph_id, bool) or graph_id == "":
            problems.add(
                f"{place}, id", found=shown(graph_id), expected="the function's id", fix="name each graph by its id"
            )
            continue
        place = f"{place}, {graph_id}"
        graph = _graph(place, record, problems)
        if graph is not None:
            yield str(graph_id), place, graph


def _decode(place: str, line: bytes, problems: ErrorCollector) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        problems.add(place, found=f"invalid JSON ({error})", expected="one JSON object", fix="repair the line")
        return None
    if not isinstance(record, dict):
        problems.add(place, found=shown(record), expected="a JSON object", fix="write one graph per line")
        return None
    return record


def _graph(place: str, record: dict[str, object], problems: ErrorCollector) -> ImportedGraph | None:
    before = problems.total
    nodes = _listed(place, "nodes", record, problems)
    edges = _listed(place, "edges", record, problems)
    if nodes is not None and not nodes:
        problems.add(f"{place}, nodes", found="none", expected="at least one", fix="leave the graph out, or fill it")
    wrong = [n for n, node in enumerate(nodes or []) if not _is_node(node)]
    for node in wrong[:MAX_LISTED_EDGES]:
        problems.add(
            f"{place}, node {node}",
            found=shown((nodes or [])[node]),
            expected="[label, code], both texts",
            fix="give each node a label and its source text, which may be empty",
        )
    wrong = [e for e, edge in enumerate(edges or []) if not _is_edge(edge)]
    for edge in wrong[:MAX_LISTED_EDGES]:
        problems.add(
            f"{place}, edge {edge}",
            found=shown((edges or [])[edge]),
            expected="[source, target, kind]: two whole numbers and a text",
            fix="give each edge two nodes and a kind",
        )
    if problems.total != before or nodes is None or edges is None:
        return None
    labels, codes = zip(*cast("list[list[str]]", nodes), strict=True)
    ends_2E = np.array([[edge[0], edge[1]] for edge in cast("list[list[int]]", edges)], dtype=object).reshape(-1, 2).T
    if not check_range(place, ends_2E, len(nodes), problems):
        return None
    return ImportedGraph(
        labels=list(labels),
        codes=list(codes),
        tokens=[""] * len(nodes),
        source_E=ends_2E[0].astype(np.int64),
        target_E=ends_2E[1].astype(np.int64),
        kinds=[edge[2] for edge in cast("list[list[str]]", edges)],
    )


def _listed(place: str, name: str, record: dict[str, object], problems: ErrorCollector) -> list[object] | None:
    value = record.get(name)
    if isinstance(value, list):
        return value
    found = f"no such field among {shown(sorted(record))}" if name not in record else shown(value)
    problems.add(f"{place}, {name}", found=found, expected="a list", fix=f"give the graph's {name}")
    return None


def _is_node(node: object) -> bool:
    return isinstance(node, list) and len(node) == NODE_PARTS and all(isinstance(part, str) for part in node)


def _is_edge(edge: object) -> bool:
    return (
        isinstance(edge, list)
        and len(edge) == EDGE_PARTS
        and all(isinstance(end, int) and not isinstance(end, bool) for end in edge[:2])
        and isinstance(edge[2], str)
    )
