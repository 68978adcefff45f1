"""How a source of labelled functions is read, before anything is made of it; the report of a data set repeats it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cellgate.contract.configs import PrepareConfig, SplitBy
from cellgate.contract.inspection import (
    MAX_EXCERPT_CHARS,
    MAX_VALUES,
    SAMPLES,
    DateReading,
    FieldReading,
    GroupReading,
    Inspection,
    LabelValue,
    LanguageReading,
    Meaning,
    PairReading,
    SampleRow,
    SplitReading,
)
from cellgate.contract.visible import visible
from trainers.data.clean.assignment import largest_group_name, split_refusals
from trainers.data.clean.splits import group_rows
from trainers.data.read.column_names import ColumnNames
from trainers.data.read.columns import Columns
from trainers.data.read.known_fields import ABOUT, KNOWN_FIELDS
from trainers.data.read.pairing import PAIRED_WORD, count_pairs
from trainers.data.read.row import Row
from trainers.data.read.rows import Reading, read_rows
from trainers.data.read.values import language_of
from trainers.data.reading_notes import notes_of

# Files and columns that are listed.
MAX_LISTED = 200
_FROM_ELSEWHERE = {
    "id": "the row's place",
    "split": "the files' names",
    "pair": "no column; see pairs",
    "project": "the link to the commit",
}
_HOW = {
    SplitBy.RANDOM: "whole groups by a seeded hash, with the shares of `splits`",
    SplitBy.PUBLISHED: "whole groups as the source states it",
    SplitBy.TIME: "whole groups from the oldest in train to the newest in test",
    SplitBy.PROJECT: "whole projects by a seeded hash, with shares near those of `splits`",
}


def inspect_source(config: PrepareConfig, sources: Sequence[Path]) -> Inspection:
    """Return how `prepare` would read files and folders with this configuration; nothing is written.

    A source that cannot be read or used is no error here: `refusals` says why, and what to do.
    """
    return inspection_of(read_rows(sources, config), config)


def inspection_of(reading: Reading, config: PrepareConfig) -> Inspection:
    """Return a reading as reports show it."""
    rows = reading.rows
    groups = group_rows(rows, range(len(rows)), config.tied_by)
    sizes = Counter(groups)
    files = reading.source_files()
    columns = dict.fromkeys(name for file in reading.files if file.columns for name in file.columns.present)
    refusals = [*reading.refusals, *split_refusals(rows, groups, config)]
    found = Inspection(
        layout=", ".join(reading.layouts) or None,
        files=files[:MAX_LISTED],
        files_total=len(files),
        columns=list(columns)[:MAX_LISTED],
        fields=_fields(reading),
        labels=_labels(reading),
        pairs=_pairs(reading),
        groups=GroupReading(
            groups=len(sizes),
            largest=max(sizes.values(), default=0),
            largest_name=largest_group_name(rows, groups, config.tied_by),
        ),
        dates=_dates(reading),
        splits=_splits(reading, config),
        languages=_languages(reading, config),
        rows=reading.read,
        functions=len(rows),
        vulnerable=sum(row.label for row in rows),
        left_out=reading.left_out.summaries(),
        left_out_share=min(1.0, reading.left_out.mistakes / max(reading.read, 1)),
        samples=[_sample(row) for row in _chosen(rows)],
        notes=notes_of(reading, config),
        refusals=refusals,
    )
    # Names and values of strangers: JSON takes any of them, a database and a terminal do not.
    return Inspection.model_validate(_shown(found.model_dump(mode="json")))


def _shown(value: object) -> object:
    match value:
        case str():
            return visible(value)
        case list():
            return [_shown(part) for part in value]
        case dict():
            return {visible(str(key)): _shown(part) for key, part in value.items()}
    return value


def _fields(reading: Reading) -> list[FieldReading]:
    of_files = [file.columns for file in reading.files if file.columns is not None]
    return [found for name in KNOWN_FIELDS if (found := _field(name, reading, of_files)) is not None]


def _field(name: str, reading: Reading, of_files: Sequence[Columns]) -> FieldReading | None:
    stood_in = (other for field, _, other in reading.evidence.stood_in if field == name)
    used = list(dict.fromkeys((*(one for columns in of_files for one in columns.of.get(name, ())), *stood_in)))
    why = list(dict.fromkeys(columns.why[name] for columns in of_files if name in columns.why))
    known = (column for columns in of_files for column in ColumnNames(columns.present).known(name))
    others = [column for column in dict.fromkeys(known) if column not in used]
    rows = _with_value(name, reading)
    if not used and not why and rows and name in _FROM_ELSEWHERE:
        why = [_FROM_ELSEWHERE[name]]
    if not used and not why and not others:
        return None
    return FieldReading(field=name, columns=used, why="; ".join(why), others=others, rows=rows)


def _with_value(name: str, reading: Reading) -> int:
    """Return how many functions have a value for one of our fields."""
    if name in (*ABOUT, "date"):
        return sum(getattr(row, name) is not None for row in reading.rows)
    if name == "language":
        return reading.evidence.languages.total()
    is_paired = any(file.columns is not None and file.columns.is_paired for file in reading.files)
    if name in ("before", "after"):
        return sum(row.label == (name == "before") for row in reading.rows) if is_paired else 0
    return 0 if name == "func" and is_paired else len(reading.rows)


def _labels(reading: Reading) -> list[LabelValue]:
    evidence = reading.evidence
    return [
        LabelValue(value=value, meaning=evidence.meanings.get(value, Meaning.UNKNOWN), rows=rows)
        for value, rows in evidence.labels.most_common(MAX_VALUES + 1)
    ]


def _pairs(reading: Reading) -> PairReading:
    pairs, functions = count_pairs(reading.rows)
    source = "; ".join(dict.fromkeys(_pair_sources(reading))) if pairs else ""
    return PairReading(pairs=pairs, functions=functions, source=source)


def _pair_sources(reading: Reading) -> Iterator[str]:
    """Yield what ties pairs together, file by file."""
    for file in reading.files:
        columns = file.columns
        if columns is None:
            continue
        if file.source.path.is_dir():
            yield "the files' names"
        elif named := columns.of.get("pair"):
            yield f"column {' or '.join(named)}"
        if columns.is_paired:
            yield "the two texts of a row"
        if columns.layout is not None and columns.layout.pair_of:
            yield f"columns {' and '.join(columns.layout.pair_of)}"
        if PAIRED_WORD in file.source.name:
            yield "neighbouring rows of a paired file"


def _dates(reading: Reading) -> DateReading:
    dates = [row.date for row in reading.rows if row.date is not None]
    return DateReading(
        rows=len(dates),
        first=min(dates, default=None),
        last=max(dates, default=None),
        unreadable=reading.evidence.unreadable_dates,
    )


def _splits(reading: Reading, config: PrepareConfig) -> SplitReading:
    found = Counter(row.split for row in reading.rows if row.split is not None)
    columns = [file.columns.of.get("split", ()) for file in reading.files if file.columns is not None]
    listed = dict(found.most_common(MAX_VALUES))
    source = next((f"column {names[0]}" for names in columns if names), "file names") if found else ""
    is_used = config.split_by is SplitBy.PUBLISHED
    return SplitReading(found=listed, source=source, used=is_used and bool(found), how=_how(config))


def _how(config: PrepareConfig) -> str:
    if config.evaluation is None:
        return _HOW[config.split_by]
    names = " and ".join(split.value for split in config.used_splits)
    return f"every function in {names}, for evaluation only"


def _languages(reading: Reading, config: PrepareConfig) -> list[LanguageReading]:
    kept = {language_of(word) for word in config.languages}
    return [
        LanguageReading(language=language, rows=rows, kept=not kept or language in kept)
        for language, rows in reading.evidence.languages.most_common(MAX_VALUES + 1)
    ]


def _chosen(rows: Sequence[Row]) -> list[Row]:
    """Return a few rows of both labels."""
    if len(rows) <= SAMPLES:
        return list(rows)
    other = next((row for row in rows if row.label != rows[0].label), rows[1])
    third = rows[len(rows) // 2]
    return [rows[0], other, third] if third not in (rows[0], other) else [rows[0], other, rows[-1]]


def _sample(row: Row) -> SampleRow:
    cut = row.func[:MAX_EXCERPT_CHARS]
    return SampleRow(
        id=row.id,
        where=row.where,
        func=cut if len(cut) == len(row.text) else f"{cut}…",
        target=1 if row.label else 0,
        split=row.split,
        project=row.project,
        commit=row.commit,
        cwe=row.cwe,
        pair=row.pair,
        date=row.date,
    )
