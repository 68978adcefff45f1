"""From a file of labelled functions to an immutable data set: read, de-duplicate, group, split, build graphs, write."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from cellgate.contract.artifacts import (
    DATASET_FOLDER,
    DATASET_MANIFEST_NAME,
    DATASET_REPORT_NAME,
    FUNCTION_INDEX_NAME,
    FUNCTIONS_NAME,
    GRAPHS_NAME,
    VOCABULARY_NAME,
)
from cellgate.contract.configs import PrepareConfig, Split
from cellgate.contract.dataset import FILE_NAMES, SCHEMA_VERSION, Manifest, dataset_id, file_entry
from cellgate.contract.errors import DataError
from cellgate.contract.events import EventKind, EventWriter
from cellgate.contract.files import sha256_of_file
from cellgate.contract.results import DatasetChanges, DatasetSummary
from cellgate.contract.specs import PrepareSpec
from trainers.data.changes import compare_versions
from trainers.data.clean.assignment import assign, largest_group_name, split_refusals
from trainers.data.clean.composition import compose
from trainers.data.clean.cross_split import compare_splits
from trainers.data.clean.duplicates import Deduplication, deduplicate, kept_rows
from trainers.data.clean.near_duplicates import NearPairs, find_near_pairs
from trainers.data.clean.probes import run_probes
from trainers.data.clean.splits import check_splits, group_rows
from trainers.data.clean.token_file import TokenFile
from trainers.data.dataset_report import QUALITIES, Material, make_dataset_report, split_summaries, warnings_of
from trainers.data.encoding import GraphSet, quality_names
from trainers.data.function_index import write_function_index
from trainers.data.graph_numbers import encode_graphs
from trainers.data.graphs.build import FEATURES
from trainers.data.imported_graphs.collect import ImportedGraphs, read_ready_graphs
from trainers.data.imported_graphs.mix import fill_up
from trainers.data.inspect import inspection_of
from trainers.data.read.error_collector import ErrorCollector
from trainers.data.read.row import Row
from trainers.data.read.rows import refuse, usable_rows
from trainers.data.read.texts import TextFile
from trainers.data.writing import replaced_folder, write_document, write_functions, write_graphs

PROGRESS_EVERY_S = 0.5
# Of the configuration and of `fields`, not in the first version.
LATER_SETTINGS = ("labels", "languages", "split", "evaluation")
LATER_FIELD_NAMES = ("before", "after", "date", "language")


@dataclass(frozen=True, kw_only=True)
class PrepareResult:
    """What `prepare` made.

    Args:
        summary: For `result.json`.
        timings_s: Seconds per phase; `graphs` is the building of all graphs.
        artifacts: Hash of each file, by path relative to the output folder.
    """

    summary: DatasetSummary
    timings_s: dict[str, float]
    artifacts: dict[str, str]


class _Phases:
    """Announces each phase and takes its time."""

    def __init__(self, events: EventWriter) -> None:
        self._events = events
        self.timings_s: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._events.write(EventKind.PHASE, phase=name)
        begun = time.monotonic()
        yield
        self.timings_s[name] = time.monotonic() - begun


class _GraphProgress:
    """Reports the progress of building graphs, at most twice a second."""

    def __init__(self, events: EventWriter, total: int) -> None:
        self._events = events
        self._total = total
        self._begun = self._said = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self._said < PROGRESS_EVERY_S and done < self._total:
            return
        self._said = now
        eta_s = (now - self._begun) / done * (self._total - done)
        self._events.write(EventKind.PROGRESS, done=done, total=self._total, eta_s=round(eta_s, 1))


def prepare(spec: PrepareSpec, out: Path, events: EventWriter) -> PrepareResult:
    """Prepare the data set of `spec` in `out`/dataset; the same file and settings give the same bytes and id.

    Args:
        out: The output folder; the data set appears in it whole or not at all.

    Raises:
        DataError: The file or the imported graphs have mistakes (all are listed), or too little is left to split.
        OutOfMemoryError: A process was killed while it built graphs.
    """
    # On the disk that the data set goes to; without a name, so that nothing stays behind.
    with TemporaryFile(dir=out) as texts, TemporaryFile(dir=out) as tokens, TemporaryFile(dir=out) as graphs:
        return _prepare(spec, out, events, texts=TextFile(texts), tokens=TokenFile(tokens), graph_file=graphs)


def _prepare(
    spec: PrepareSpec, out: Path, events: EventWriter, *, texts: TextFile, tokens: TokenFile, graph_file: IO[bytes]
) -> PrepareResult:
    phases = _Phases(events)
    with phases.phase("read"):
        reading = usable_rows(spec.sources, spec, texts.keep)
    with phases.phase("deduplicate"):
        duplicates = deduplicate(reading.rows, tokens)
        rows = kept_rows(reading.rows, duplicates)
        _refuse_if_none_is_left(reading.rows, rows)
    with phases.phase("compare"):
        kept_tokens = tokens.chunks(duplicates.kept)
        near = find_near_pairs(kept_tokens, similarity=spec.near_duplicate_similarity, folder=out)
    with phases.phase("split"):
        ties = _ties(near, duplicates) if spec.near_duplicates == "group" else ()
        all_groups = group_rows(reading.rows, duplicates.copies, spec.tied_by, ties)
        groups = [all_groups[place] for place in duplicates.kept]
        _check_ids(rows)
        refuse(split_refusals(rows, groups, spec), "the functions cannot be assigned to splits")
        assignment = assign(rows, groups, spec)
        check_splits(assignment.splits, [row.label for row in rows], used=spec.used_splits)
    with phases.phase("graphs"):
        left_out = frozenset((*reading.left_out.ids, *(row.id for row in reading.rows)))
        graphs = _graphs(spec, rows, left_out, _GraphProgress(events, len(rows)), graph_file)
    with phases.phase("probe"):
        # They are fitted on train.
        probes = None if spec.evaluation else run_probes(rows, tokens.chunks(duplicates.kept), assignment.splits)
    material = Material(
        reading=reading,
        inspection=inspection_of(reading, spec),
        deduplication=duplicates,
        rows=rows,
        groups=groups,
        largest_group=largest_group_name(rows, groups, spec.tied_by),
        assignment=assignment,
        tokens_F=tokens.sizes(duplicates.kept),
        names_F=tokens.names(duplicates.kept),
        graphs=graphs,
        cross_split=compare_splits(near, rows, assignment.splits, similarity=spec.near_duplicate_similarity),
        composition=compose(rows, assignment.splits),
        probes=probes,
    )
    with phases.phase("write"):
        manifest = _write(material, spec, out / DATASET_FOLDER)
    changes, unknown = _changes(spec, material)
    warnings = [*warnings_of(material), *unknown]
    for warning in warnings:
        events.write(EventKind.WARNING, code="dataset", message=warning)
    events.write(
        EventKind.METRIC,
        step=0,
        values={
            "graphs/functions_per_s": len(rows) / max(phases.timings_s["graphs"], 1e-9),
            **{f"{baseline.name}/gate_f1": baseline.f1 for baseline in (probes.baselines() if probes else ())},
        },
    )
    summary = _summary(material, spec, manifest, warnings=warnings, changes=changes)
    return PrepareResult(summary=summary, timings_s=phases.timings_s, artifacts=_artifacts(manifest, out))


def _changes(spec: PrepareSpec, material: Material) -> tuple[DatasetChanges | None, list[str]]:
    """Return what changed against the version before, or why that is not known."""
    if spec.previous is None:
        return None, []
    try:
        return compare_versions(spec.previous, material.rows, material.assignment.splits, _settings(spec)), []
    except DataError as error:
        return None, [f"What changed against version {spec.previous.version} is not known: {error.message}."]


def _graphs(
    spec: PrepareSpec, rows: Sequence[Row], left_out: frozenset[str], progress: Callable[[int], None], file: IO[bytes]
) -> GraphSet:
    ready = ImportedGraphs(places=[], raw=None)
    if spec.graphs is not None:
        ready = read_ready_graphs(spec.graphs, rows, left_out=left_out, max_nodes=spec.max_nodes, progress=progress)
    return fill_up(ready, rows, max_nodes=spec.max_nodes, workers=spec.workers, progress=progress, file=file)


def _refuse_if_none_is_left(read: Sequence[Row], kept: Sequence[Row]) -> None:
    """Refuse functions that are all copies of others with the other label.

    Raises:
        DataError: None is kept.
    """
    problems = ErrorCollector()
    if read and not kept:
        problems.add(
            f"all {len(read)} functions",
            found="copies of each other with contradictory labels, of which none stays",
            expected="functions with one label each",
            fix="see with `cellgate dataset inspect` what is read as text and label; name others in `fields`",
        )
    problems.raise_if_any("no function is left")


def _ties(near: NearPairs, duplicates: Deduplication) -> list[tuple[int, int]]:
    """Return the places, among all rows read, of functions that are nearly the same."""
    kept = duplicates.kept
    return [(kept[a], kept[b]) for a, b in zip(near.first_P.tolist(), near.second_P.tolist(), strict=True)]


def _check_ids(rows: Sequence[Row]) -> None:
    """Refuse two functions with one id: only copies of one function may share it, and of them one is left."""
    places: dict[str, str] = {}
    problems = ErrorCollector()
    for row in rows:
        first = places.setdefault(row.id, row.where)
        if first != row.where:
            problems.add(
                f"{row.where}, id",
                found=f"{row.id!r}, as in {first}",
                expected="one id per function",
                fix="give each function its own id",
            )
    problems.raise_if_any("ids are not unique")


def _settings(spec: PrepareSpec) -> dict[str, object]:
    """Return the fields of the spec that shape the data set: neither the file's path nor the number of workers.

    Fields of later versions stand there where they are set, so that a data set of before keeps its id.
    """
    settings = spec.model_dump(mode="json", include=set(PrepareConfig.model_fields) - {"max_left_out_share"})
    chosen = spec.model_dump(mode="json", exclude_defaults=True)
    fields = {
        name: value for name, value in settings["fields"].items() if value is not None or name not in LATER_FIELD_NAMES
    }
    later = {name for name in LATER_SETTINGS if name not in chosen}
    return {**{name: value for name, value in settings.items() if name not in later}, "fields": fields}


def _write(material: Material, spec: PrepareSpec, folder: Path) -> Manifest:
    splits = material.assignment.splits
    is_train_F = np.array([split is Split.TRAIN for split in splits])
    encoded = encode_graphs(material.graphs, is_train_F=is_train_F, token_vocab_size=spec.token_vocab_size)
    with replaced_folder(folder) as temporary:
        write_functions(
            temporary / FUNCTIONS_NAME,
            material.rows,
            splits=splits,
            groups=material.groups,
            qualities=quality_names(material.graphs),
        )
        write_function_index(temporary / FUNCTION_INDEX_NAME, material)
        write_graphs(temporary / GRAPHS_NAME, encoded)
        write_document(temporary / VOCABULARY_NAME, encoded.vocabulary.to_json())
        write_document(temporary / DATASET_REPORT_NAME, make_dataset_report(material))
        files = {name: file_entry(temporary / name) for name in FILE_NAMES}
        settings = _settings(spec)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            id=dataset_id(files, settings),
            rows=len(material.rows),
            splits=split_summaries(material.rows, splits),
            files=files,
            edge_types=list(encoded.vocabulary.edge_types),
            feature_names=list(FEATURES),
            prepare=settings,
        )
        write_document(temporary / DATASET_MANIFEST_NAME, manifest.model_dump(mode="json"))
    return manifest


def _quality_counts(graphs: GraphSet) -> dict[str, int]:
    names = quality_names(graphs)
    counts = {name: names.count(name) for name in QUALITIES}
    # Most data sets have no imported graphs, and need no column for them.
    return {name: count for name, count in counts.items() if count or name != "ready"}


def _artifacts(manifest: Manifest, out: Path) -> dict[str, str]:
    hashes = {f"{DATASET_FOLDER}/{name}": entry.sha256 for name, entry in manifest.files.items()}
    # The index follows from the content, so the manifest does not vouch for it.
    others = (f"{DATASET_FOLDER}/{name}" for name in (DATASET_MANIFEST_NAME, FUNCTION_INDEX_NAME))
    return {**hashes, **{name: sha256_of_file(out / name) for name in others}}


def _summary(
    material: Material, spec: PrepareSpec, manifest: Manifest, *, warnings: list[str], changes: DatasetChanges | None
) -> DatasetSummary:
    probes = material.probes
    return DatasetSummary(
        id=manifest.id,
        path=DATASET_FOLDER,
        rows=manifest.rows,
        splits={split.value: summary for split, summary in manifest.splits.items()},
        warnings=warnings,
        bag_of_tokens_f1=probes and probes.bag_of_tokens.f1,
        probes=probes.baselines() if probes else [],
        near_duplicates={split.value: n for split, n in material.cross_split.counts["either"].items()},
        composition={split.value: found for split, found in material.composition.items()},
        graph_quality=_quality_counts(material.graphs),
        evaluation=spec.evaluation,
        changes=changes,
    )
