"""How fast graphs are built, and how much of the source is understood.

`python -m bench.graphs FILE.jsonl[.gz] [--functions N] [--max-nodes 2000]`

Builds the graphs of a labelled file, or of N functions drawn from it, in one process on one core, and prints the
functions per second of CPU time, how much of that tree-sitter's own parsing takes, and the graphs' qualities.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tree_sitter import Parser

from cellgate.contract.configs import PrepareConfig
from trainers.data.encoding import CHUNK_FUNCTIONS, build_chunk, quality_names
from trainers.data.graphs.grammar import LANGUAGES, Grammar
from trainers.data.read.rows import read_rows

DRAW_SEED = 0
MAX_FUNCTION_CHARS = 50_000


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--functions", type=int, help="draw so many at random; default all")
    parser.add_argument("--max-nodes", type=int, default=2_000)
    given = parser.parse_args()
    rows = read_rows([given.source], PrepareConfig(max_function_chars=MAX_FUNCTION_CHARS)).rows
    sources = [row.func for row in rows]
    if given.functions is not None:
        sources = random.Random(DRAW_SEED).sample(sources, min(given.functions, len(sources)))
    parsing_s = seconds_of(parse, sources)
    nodes, edges, truncated, qualities = 0, 0, 0, Counter[str]()

    def build(chunk: Sequence[str]) -> None:
        nonlocal nodes, edges, truncated
        graphs = build_chunk(chunk, given.max_nodes)
        nodes, edges = nodes + len(graphs.kind_N), edges + len(graphs.source_E)
        truncated += graphs.truncated
        qualities.update(quality_names(graphs))

    building_s = seconds_of(build, sources)
    print_table(
        {
            "functions": f"{len(sources):,}",
            "functions per second, one core": f"{len(sources) / building_s:,.0f}",
            "milliseconds per function": f"{1_000 * building_s / len(sources):.2f}",
            "of which tree-sitter's parsing": f"{parsing_s / building_s:.0%}",
            "nodes per function": f"{nodes / len(sources):,.0f}",
            "edges per function": f"{edges / len(sources):,.0f}",
            "cut off at the limit of nodes": f"{truncated / len(sources):.2%}",
            **{name: f"{count / len(sources):.2%}" for name, count in qualities.most_common()},
        }
    )


def seconds_of(work: Callable[[Sequence[str]], None], sources: Sequence[str]) -> float:
    """Return the CPU time of some work on all functions, chunk by chunk."""
    begun = time.process_time()
    for start in range(0, len(sources), CHUNK_FUNCTIONS):
        work(sources[start : start + CHUNK_FUNCTIONS])
    return time.process_time() - begun


def parse(sources: Sequence[str]) -> None:
    """Parse as building does: as C, and as C++ where C leaves errors."""
    c, cpp = (Parser(LANGUAGES[grammar]) for grammar in (Grammar.C, Grammar.CPP))
    for source in sources:
        encoded = source.encode()
        if c.parse(encoded).root_node.has_error:
            cpp.parse(encoded)


def print_table(lines: dict[str, str]) -> None:
    """Print a table in Markdown."""
    print("| what | value |\n|---|---:|")
    for name, value in lines.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
