"""The graphs of many functions in a few long arrays, built in parallel and in a fixed order."""

# Shapes: F functions, N nodes and E edges of all functions together, S strings.
import gc
import itertools
import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import IO, Self, cast

import numpy as np

from cellgate.contract.errors import OutOfMemoryError
from trainers.data.graphs.build import EDGE_TYPES, read_columns
from trainers.data.graphs.features import edges_of, node_features, node_tokens
from trainers.data.graphs.grammar import KINDS
from trainers.data.graphs.syntax import GraphQuality

# Fixed, so that string numbers do not depend on how many processes share the work.
CHUNK_FUNCTIONS = 128


@dataclass(frozen=True, kw_only=True)
class RawGraphs:
    """Many graphs one after another; `strings` decodes the numbers in `token_N` and `features_N4`.

    `kinds` and `edge_types` decode `kind_N` and `edge_type_E`; imported graphs have their own.
    """

    nodes_F: np.ndarray
    edges_F: np.ndarray
    quality_F: np.ndarray
    truncated: int
    kind_N: np.ndarray
    token_N: np.ndarray
    features_N4: np.ndarray
    statement_N: np.ndarray
    source_E: np.ndarray
    target_E: np.ndarray
    edge_type_E: np.ndarray
    strings: list[bytes]
    kinds: tuple[str, ...] = KINDS
    edge_types: tuple[str, ...] = EDGE_TYPES


@dataclass(frozen=True, kw_only=True)
class GraphSet:
    """All graphs of a data set: in memory what is known of each function, and the rest in parts that may lie on disk.

    `strings`, `kinds` and `edge_types` decode all parts.

    Args:
        parts: Yields the graphs in order, some at a time, as often as it is called; their `strings` are empty.
    """

    nodes_F: np.ndarray
    edges_F: np.ndarray
    quality_F: np.ndarray
    truncated: int
    strings: list[bytes]
    kinds: tuple[str, ...]
    edge_types: tuple[str, ...]
    parts: Callable[[], Iterator[RawGraphs]]

    @classmethod
    def of(cls, raw: RawGraphs) -> Self:
        """Return graphs that lie in memory as one part."""
        names = ("nodes_F", "edges_F", "quality_F", "truncated", "strings", "kinds", "edge_types")
        return cls(**{name: getattr(raw, name) for name in names}, parts=lambda: iter((raw,)))

    def in_memory(self) -> RawGraphs:
        """Return all parts as one."""
        parts = list(self.parts())
        arrays = [name for name, value in vars(parts[0]).items() if isinstance(value, np.ndarray)]
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays}
        return RawGraphs(**{**vars(parts[0]), **joined, "truncated": self.truncated, "strings": self.strings})


def build_chunk(sources: Sequence[str], max_nodes: int) -> RawGraphs:
    """Build the graphs of a few functions; their strings are numbered by first appearance."""
    with _no_collection():
        columns = read_columns(sources, max_nodes)
    edges_F, source_E, target_E, edge_type_E = edges_of(columns)
    token_N, features_N4 = node_tokens(columns), node_features(columns)
    used_S, renumber_S = _used(token_N, features_N4, strings=len(columns.table))
    return RawGraphs(
        nodes_F=columns.nodes_F,
        edges_F=edges_F,
        quality_F=columns.quality_F,
        truncated=columns.truncated,
        kind_N=columns.code_N,
        token_N=renumber_S[token_N],
        features_N4=renumber_S[features_N4],
        statement_N=(columns.owner_N - columns.first_F[columns.function_N]).astype(np.int32),
        source_E=source_E.astype(np.int32),
        target_E=target_E.astype(np.int32),
        edge_type_E=edge_type_E.astype(np.int8),
        strings=[columns.table.words[number] for number in used_S.tolist()],
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector of cycles away: reading makes none, and its looking for them took a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _used(*numbers: np.ndarray, strings: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which strings are used, and for each string its place among those; the empty string is always one."""
    is_used_S = np.zeros(strings, dtype=bool)
    is_used_S[0] = True
    for array in numbers:
        is_used_S[array] = True
    return np.flatnonzero(is_used_S), (np.cumsum(is_used_S) - 1).astype(np.int32)


def _parts(sources: Iterable[str]) -> Iterator[list[str]]:
    left = iter(sources)
    while part := list(itertools.islice(left, CHUNK_FUNCTIONS)):
        yield part


def _chunks(sources: Iterable[str], max_nodes: int, workers: int) -> Iterator[RawGraphs]:
    parts = _parts(sources)
    first = list(itertools.islice(parts, workers))
    if len(first) > 1:
        yield from _chunks_of_processes(first, parts, max_nodes)
        return
    for part in itertools.chain(first, parts):
        yield build_chunk(part, max_nodes)


def _answer_parts(connection: Connection, max_nodes: int) -> None:
    """Send back the graphs of each part that comes, until an empty one does."""
    with connection:
        while part := connection.recv():
            connection.send(build_chunk(part, max_nodes))


class _Builder:
    """A process that builds graphs.

    It has a pipe of its own, so that its death is the end of a file: in a shared queue, as of a process pool, one that
    is killed half-way through a message leaves its reader waiting for ever. Nor do its arguments hold any source: who
    starts a process that dies before it has read them waits for ever, too.

    Args:
        workers: How many there are.
    """

    def __init__(self, max_nodes: int, workers: int) -> None:
        # Forking a process that may have threads is not safe.
        context = multiprocessing.get_context("spawn")
        self._workers = workers
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_answer_parts, args=(there, max_nodes), daemon=True)
        self._process.start()
        there.close()

    def give(self, part: Sequence[str]) -> None:
        """Have the graphs of some functions built; of none, end the process."""
        with self._alive():
            self._connection.send(part)

    def take(self) -> RawGraphs:
        """Return the graphs of the functions that it was given last."""
        with self._alive():
            return cast(RawGraphs, self._connection.recv())

    def stop(self) -> None:
        """End the process, wherever it is."""
        self._process.terminate()
        self._process.join()
        self._connection.close()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            self._process.join()
            raise _ended_early(self._process.exitcode, self._workers) from error


def _chunks_of_processes(
    first: Sequence[Sequence[str]], parts: Iterator[Sequence[str]], max_nodes: int
) -> Iterator[RawGraphs]:
    """Yield the chunks in order, from processes that take turns, one for each of the first parts.

    Each gets another part for the graphs of the one before, so that memory never holds the sources of more.
    """
    with ExitStack() as stack:
        builders: deque[_Builder] = deque()
        for _ in first:
            builders.append(_Builder(max_nodes, len(first)))
            stack.callback(builders[-1].stop)
        # When all have been started: a part waits for its reader.
        for builder, part in zip(builders, first, strict=True):
            builder.give(part)
        while builders:
            builder = builders.popleft()
            chunk = builder.take()
            another = next(parts, ())
            builder.give(another)
            if another:
                builders.append(builder)
            yield chunk


def _ended_early(exit_code: int | None, workers: int) -> Exception:
    if exit_code == -signal.SIGKILL:
        return OutOfMemoryError(
            f"SIGKILL ended one of {workers} processes that build graphs, and nothing here sends it: the kernel does"
            " when memory runs out, and its log tells; prepare with fewer workers or a smaller max_nodes"
        )
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return RuntimeError(f"{name} ended one of {workers} processes that build graphs; its output stands above")
    return RuntimeError(f"a process that builds graphs ended with exit code {exit_code}; its output stands above")


def build_graphs(
    sources: Iterable[str], *, max_nodes: int, workers: int, progress: Callable[[int], None], file: IO[bytes]
) -> GraphSet:
    """Build the graph of every function.

    Args:
        sources: Taken as they are needed.
        max_nodes: Nodes kept per function.
        workers: Processes; the outcome does not depend on it.
        progress: Called with the number of functions done so far.
        file: Empty; takes the graphs, and must stay open for as long as they are used.

    Raises:
        OutOfMemoryError: A process was killed while it built graphs.
    """
    numbers: dict[bytes, int] = {b"": 0}
    nodes, edges, qualities = [], [], []
    truncated = done = 0
    for chunk in _chunks(sources, max_nodes, workers):
        renumber_S = np.array([numbers.setdefault(s, len(numbers)) for s in chunk.strings], dtype=np.int32)
        pickle.dump(_renumbered(chunk, renumber_S), file, protocol=pickle.HIGHEST_PROTOCOL)
        nodes.append(chunk.nodes_F)
        edges.append(chunk.edges_F)
        qualities.append(chunk.quality_F)
        truncated += chunk.truncated
        done += len(chunk.nodes_F)
        progress(done)
    return GraphSet(
        nodes_F=np.concatenate(nodes),
        edges_F=np.concatenate(edges),
        quality_F=np.concatenate(qualities),
        truncated=truncated,
        strings=list(numbers),
        kinds=KINDS,
        edge_types=EDGE_TYPES,
        parts=partial(_read_back, file, len(nodes)),
    )


def _read_back(file: IO[bytes], parts: int) -> Iterator[RawGraphs]:
    place = 0
    for _ in range(parts):
        # Another reader may be at another part.
        file.seek(place)
        part = cast(RawGraphs, pickle.load(file))  # noqa: S301 - nobody else ever had this file, which has no name
        place = file.tell()
        yield part


def _renumbered(chunk: RawGraphs, renumber_S: np.ndarray) -> RawGraphs:
    return replace(chunk, token_N=renumber_S[chunk.token_N], features_N4=renumber_S[chunk.features_N4], strings=[])


def quality_names(graphs: RawGraphs | GraphSet) -> list[str]:
    """Return each function's graph quality in words: parsed, partial, token_chain or ready."""
    return [GraphQuality(value).name.lower() for value in graphs.quality_F.tolist()]
