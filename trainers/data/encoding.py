"""All graphs of a data set in a few long arrays, built in parallel and in a fixed order."""

# Shapes: F functions, N nodes and E edges of all functions together, S strings.
import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from cellgate.contract.errors import OutOfMemoryError
from trainers.data.graphs.build import EDGE_TYPES, FEATURES, read_columns
from trainers.data.graphs.features import edges_of, node_features, node_tokens
from trainers.data.graphs.grammar import KINDS
from trainers.data.graphs.syntax import GraphQuality
from trainers.data.vocabulary import SPECIAL, Vocabulary, fit_strings

# Fixed, so that string numbers do not depend on how many processes share the work.
CHUNK_FUNCTIONS = 128
FEATURE_VOCAB_SIZES = {"api": 1_000, "data_type": 1_000, "literal": 1_000, "operator": 64}


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


def _chunks(sources: Sequence[str], max_nodes: int, workers: int) -> Iterator[RawGraphs]:
    parts = [sources[i : i + CHUNK_FUNCTIONS] for i in range(0, len(sources), CHUNK_FUNCTIONS)]
    if workers == 1 or len(parts) == 1:
        for part in parts:
            yield build_chunk(part, max_nodes)
        return
    yield from _chunks_of_processes(parts, max_nodes, min(workers, len(parts)))


def _send_chunks(connection: Connection, parts: Sequence[Sequence[str]], max_nodes: int) -> None:
    with connection:
        for part in parts:
            connection.send(build_chunk(part, max_nodes))


def _chunks_of_processes(parts: Sequence[Sequence[str]], max_nodes: int, workers: int) -> Iterator[RawGraphs]:
    """Yield the chunks in order, from processes that take turns.

    Each has a pipe of its own, so that its death is the end of a file: in a shared queue, as of a process pool, one
    that is killed half-way through a message leaves its reader waiting for ever.
    """
    # Forking a process that may have threads is not safe.
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        builders = []
        for first in range(workers):
            reader, writer = context.Pipe(duplex=False)
            process = context.Process(target=_send_chunks, args=(writer, parts[first::workers], max_nodes), daemon=True)
            process.start()
            writer.close()
            stack.callback(process.join)
            stack.callback(process.terminate)
            stack.callback(reader.close)
            builders.append((process, reader))
        for place in range(len(parts)):
            process, reader = builders[place % workers]
            try:
                chunk: RawGraphs = reader.recv()
            except (EOFError, OSError) as error:
                process.join()
                raise _ended_early(process.exitcode, workers) from error
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


def build_graphs(sources: Sequence[str], *, max_nodes: int, workers: int, progress: Callable[[int], None]) -> RawGraphs:
    """Build the graph of every function.

    Args:
        max_nodes: Nodes kept per function.
        workers: Processes; the outcome does not depend on it.
        progress: Called with the number of functions done so far.

    Raises:
        OutOfMemoryError: A process was killed while it built graphs.
    """
    numbers: dict[bytes, int] = {b"": 0}
    chunks: list[RawGraphs] = []
    done = 0
    for chunk in _chunks(sources, max_nodes, workers):
        renumber_S = np.array([numbers.setdefault(s, len(numbers)) for s in chunk.strings], dtype=np.int32)
        chunks.append(_renumbered(chunk, renumber_S))
        done += len(chunk.nodes_F)
        progress(done)
    return _joined(chunks, list(numbers))


def _renumbered(chunk: RawGraphs, renumber_S: np.ndarray) -> RawGraphs:
    return RawGraphs(
        **{
            **vars(chunk),
            "token_N": renumber_S[chunk.token_N],
            "features_N4": renumber_S[chunk.features_N4],
            "strings": [],
        }
    )


def _joined(chunks: Sequence[RawGraphs], strings: list[bytes]) -> RawGraphs:
    def join(name: str) -> np.ndarray:
        return np.concatenate([getattr(chunk, name) for chunk in chunks])

    arrays = [name for name, value in vars(chunks[0]).items() if isinstance(value, np.ndarray)]
    return RawGraphs(
        **{name: join(name) for name in arrays},
        truncated=sum(chunk.truncated for chunk in chunks),
        strings=strings,
        kinds=chunks[0].kinds,
        edge_types=chunks[0].edge_types,
    )


def _pointers(counts_F: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts_F)])


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Graphs as they are written: the arrays of graphs.safetensors, and their vocabulary."""

    arrays: dict[str, np.ndarray]
    vocabulary: Vocabulary


def encode_graphs(raw: RawGraphs, *, is_train_F: np.ndarray, token_vocab_size: int) -> Encoded:
    """Fit the vocabularies on train and number every graph with them.

    Args:
        is_train_F: Bool, True for the functions of train.
        token_vocab_size: Token values at most, the two special ones included.
    """
    strings = [string.decode(errors="replace") for string in raw.strings]
    in_train_N = np.repeat(is_train_F, raw.nodes_F)

    def fit(values_N: np.ndarray, size: int) -> tuple[tuple[str, ...], np.ndarray]:
        counts_S = np.bincount(values_N[in_train_N], minlength=len(strings))
        values, number_of_S = fit_strings(counts_S, strings, size=size)
        return values, number_of_S[values_N]

    tokens, token_N = fit(raw.token_N, token_vocab_size)
    fitted = {name: fit(raw.features_N4[:, k], FEATURE_VOCAB_SIZES[name]) for k, name in enumerate(FEATURES)}
    node_types, node_type_N = _node_types(raw, in_train_N)
    edge_types, edge_type_E = _edge_types(raw, np.repeat(is_train_F, raw.edges_F))
    kept_E = edge_type_E >= 0
    function_E = np.repeat(np.arange(len(raw.edges_F)), raw.edges_F)
    vocabulary = Vocabulary(
        node_types=node_types,
        tokens=tokens,
        features={name: values for name, (values, _) in fitted.items()},
        edge_types=edge_types,
    )
    arrays = {
        "node_ptr": _pointers(raw.nodes_F),
        "edge_ptr": _pointers(np.bincount(function_E[kept_E], minlength=len(raw.edges_F))),
        "node_type": node_type_N.astype(np.int16),
        "node_token": token_N.astype(np.int32),
        "node_features": np.stack([numbers_N for _, numbers_N in fitted.values()], axis=1).astype(np.int16),
        "node_statement": raw.statement_N,
        "edge_src": raw.source_E[kept_E],
        "edge_dst": raw.target_E[kept_E],
        "edge_type": edge_type_E[kept_E].astype(np.int8),
    }
    return Encoded(arrays=arrays, vocabulary=vocabulary)


def _node_types(raw: RawGraphs, in_train_N: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the node types and each node's number: the grammars' are fixed, those of imported graphs are fitted."""
    if raw.kinds == KINDS:
        return (*SPECIAL, *KINDS), raw.kind_N + len(SPECIAL)
    counts = np.bincount(raw.kind_N[in_train_N], minlength=len(raw.kinds))
    values, number_of = fit_strings(counts, raw.kinds, size=len(raw.kinds) + len(SPECIAL))
    return values, number_of[raw.kind_N]


def _edge_types(raw: RawGraphs, in_train_E: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the edge types and each edge's number; of imported graphs only those that train has, -1 for the others.

    A type that train lacks would have weights that nothing has trained.
    """
    if raw.edge_types == EDGE_TYPES:
        return EDGE_TYPES, raw.edge_type_E
    counts = np.bincount(raw.edge_type_E[in_train_E], minlength=len(raw.edge_types))
    known = sorted((name for name, count in zip(raw.edge_types, counts.tolist(), strict=True) if count), key=_our_first)
    number_of = np.array([known.index(name) if name in known else -1 for name in raw.edge_types], dtype=np.int64)
    return tuple(known), number_of[raw.edge_type_E]


def _our_first(edge_type: str) -> tuple[int, str]:
    return (EDGE_TYPES.index(edge_type) if edge_type in EDGE_TYPES else len(EDGE_TYPES)), edge_type


def quality_names(raw: RawGraphs) -> list[str]:
    """Return each function's graph quality in words: parsed, partial, token_chain or ready."""
    return [GraphQuality(value).name.lower() for value in raw.quality_F.tolist()]
