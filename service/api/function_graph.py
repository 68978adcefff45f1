"""The graph of one function, built from its source as prepare builds it."""

from cellgate.contract.api.functions import FunctionGraph, FunctionSummary, GraphEdge, GraphNode

# Beyond these a page shows nothing that anybody could look at, and the work would hold up others.
MOST_NODES = 2_000
MOST_CHARACTERS = 100_000
# Of a node's text.
MOST_SHOWN = 80


def graph_of(function: FunctionSummary, source: str, *, max_nodes: int) -> tuple[FunctionGraph | None, str | None]:
    """Return a function's graph, or why there is none to show.

    Args:
        function: Of the data set.
        source: As the data set has it.
        max_nodes: Nodes that prepare has kept of each function.
    """
    if function.graph_quality == "ready":
        return None, "its graph was imported with the data set, and does not say where its nodes stand in the source"
    if len(source) > MOST_CHARACTERS:
        return None, f"the function has more than {MOST_CHARACTERS:,} characters"
    # The parser takes memory from every process that imports it, and few ask for a graph.
    from trainers.data.graphs.drawn import drawn_graph

    found = drawn_graph(source, max_nodes=min(max_nodes, MOST_NODES))
    nodes = [
        GraphNode(
            kind=node.kind,
            start_line=node.start_line,
            end_line=node.end_line,
            start=node.start,
            end=node.end,
            text=_shown(source, node.start, node.end),
        )
        for node in found.nodes
    ]
    edges = [GraphEdge.model_validate({"kind": kind, "from": begin, "to": end}) for kind, begin, end in found.edges]
    return FunctionGraph(nodes=nodes, edges=edges, truncated=found.truncated), None


def _shown(source: str, start: int, end: int) -> str:
    # White space within may be long: what is looked at is bounded before it is joined.
    return " ".join(source[start : min(end, start + 4 * MOST_SHOWN)].split())[:MOST_SHOWN]
