"""Labelled functions from files: what can be trained on, what was left out and why, and what could be meant twice."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.errors import DataError, InputError
from cellgate.contract.inspection import Meaning, Reason, Refusal, SourceFile
from trainers.data.read.columns import Columns, Content, choose
from trainers.data.read.evidence import Evidence
from trainers.data.read.files import SourcePath, files_of
from trainers.data.read.forms import opened
from trainers.data.read.identity import Identities
from trainers.data.read.left_out import LeftOutRows
from trainers.data.read.pairing import PAIRED_WORD, keep_real_pairs, pair_neighbours
from trainers.data.read.raw_rows import RawRow, RawRows
from trainers.data.read.refusals import merged, refusals_of
from trainers.data.read.row import Row
from trainers.data.read.row_reader import Ledger, RowReader
from trainers.data.read.texts import Text
from trainers.data.read.values import MINUS_ONE, label_key

# Rows that are looked at to recognise a file's columns, and characters of them: a row may have 64 MiB.
HEAD_ROWS = 200
HEAD_CHARS = 16 << 20
# What any value counts, for what it takes in memory: a row may have a hundred thousand that are empty.
VALUE_CHARS = 64
# Files that a note names.
MAX_LISTED_FILES = 5


@dataclass(frozen=True, kw_only=True)
class FileReading:
    """How one file was read."""

    source: SourcePath
    form: str
    rows: int
    columns: Columns | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the files hold.

    Args:
        rows: The functions, in the files' order.
        read: Rows in the files; one that holds two texts is one.
        refusals: Why no data set may be made of it; empty: one may.
        notes: What a user should know.
    """

    rows: list[Row]
    read: int
    files: list[FileReading]
    left_out: LeftOutRows
    evidence: Evidence
    refusals: list[Refusal]
    notes: list[str]

    @property
    def layouts(self) -> list[str]:
        """The published sets whose form was recognised."""
        found = [file.columns.layout.name for file in self.files if file.columns is not None and file.columns.layout]
        trees = [file.form.partition(",")[0] for file in self.files if file.source.path.is_dir()]
        return list(dict.fromkeys((*found, *trees)))

    def source_files(self) -> list[SourceFile]:
        """Return the files as reports show them."""
        return [
            # A lone file's name is no part of what it holds: the same content gives the same report.
            SourceFile(name="" if file.source.is_alone else file.source.name, form=file.form, rows=file.rows)
            for file in self.files
        ]


def read_rows(sources: Sequence[Path], config: PrepareConfig, keep: Callable[[str], Text] = str) -> Reading:
    """Read files, and all files of folders; what cannot be read or used is in the reading's `refusals`.

    Args:
        keep: Takes each function's text, and returns it as its row has it; by default in memory.
    """
    return _Reader(config, keep).read(sources)


def usable_rows(sources: Sequence[Path], config: PrepareConfig, keep: Callable[[str], Text] = str) -> Reading:
    """Return a reading of which a data set may be made.

    Args:
        keep: As of `read_rows`.

    Raises:
        DataError: None may be made; all reasons are listed.
    """
    reading = read_rows(sources, config, keep)
    too_many = reading.left_out.mistakes > config.max_left_out_share * reading.read
    listed = reading.left_out.problems(reading.read) if too_many else []
    refuse(reading.refusals, f"{', '.join(map(str, sources[:3]))}: no data set can be made of it", listed)
    return reading


def refuse(refusals: Sequence[Refusal], message: str, more: Sequence[InputError] = ()) -> None:
    """Raise refusals together, if there are any.

    Args:
        more: Mistakes that explain them.

    Raises:
        DataError: There is at least one.
    """
    if refusals:
        problems = [
            InputError(where=one.where, found=one.found, expected=one.expected, fix=_with_lines(one))
            for one in refusals
        ]
        raise DataError(message, [*problems, *more])


def _with_lines(refusal: Refusal) -> str:
    return ": ".join(part for part in (refusal.fix, " | ".join(refusal.config)) if part)


class _Reader:
    def __init__(self, config: PrepareConfig, keep: Callable[[str], Text]) -> None:
        self._config = config
        self._ledger = Ledger(left_out=LeftOutRows(), evidence=Evidence(), identities=Identities(), keep=keep)
        self._rows: list[Row] = []
        self._files: list[FileReading] = []
        self._refusals: list[Refusal] = []
        self._without_functions: list[tuple[SourcePath, list[Refusal]]] = []
        self._notes: list[str] = []

    def read(self, sources: Sequence[Path]) -> Reading:
        try:
            files, self._notes = files_of(sources)
        except (DataError, OSError) as error:
            self._refuse(error, "")
            files = []
        for file in files:
            self._read_file(file)
        self._drop_minus_ones()
        self._tell_of_other_files()
        read = sum(file.rows for file in self._files)
        refusals = merged(self._refusals)
        return Reading(
            rows=self._rows,
            read=read,
            files=self._files,
            left_out=self._ledger.left_out,
            evidence=self._ledger.evidence,
            refusals=[
                *refusals,
                *refusals_of(
                    self._config,
                    read=read,
                    kept=len(self._rows),
                    left_out=self._ledger.left_out,
                    evidence=self._ledger.evidence,
                    has_others=bool(refusals),
                ),
            ],
            notes=self._notes,
        )

    def _read_file(self, file: SourcePath) -> None:
        counted = _Counted()
        form, columns = "", None
        try:
            with opened(file.path) as (form, raw):
                columns = self._read_rows(file, counted.all_of(raw), counted)
        except DataError as error:
            self._refuse(error, file.prefix)
        if columns is not None and columns.layout is not None and columns.layout.note:
            note = f"{columns.layout.name}: {columns.layout.note}"
            self._notes += [note] if note not in self._notes else []
        if not any(file is other for other, _ in self._without_functions):
            self._files.append(FileReading(source=file, form=form, rows=counted.rows, columns=columns))

    def _read_rows(self, file: SourcePath, raw: RawRows, counted: "_Counted") -> Columns | None:
        """Read the rows as the first of them show; return what is read from where."""
        head = _head(raw)
        contents = _contents(head)
        columns = choose(contents, self._config.fields, file) if contents else None
        raw = itertools.chain(head, raw)
        if columns is not None and columns.refusals:
            # Nothing is read as anything: the rows are counted.
            for _ in raw:
                pass
            refusals = [_in_file(refusal, counted.rows, file) for refusal in columns.refusals]
            if file.is_of_folder and not file.is_alone and columns.is_without_code(contents):
                self._without_functions.append((file, refusals))
            else:
                self._refusals += refusals
        else:
            self._take(file, columns or Columns(of={}, why={}, present=()), raw)
        return columns

    def _take(self, file: SourcePath, columns: Columns, raw: RawRows) -> None:
        self._ledger.identities.begin(file.name)
        reader = RowReader(file, columns, self._config, self._ledger)
        rows = [row for one in raw for row in reader.read(one)]
        if PAIRED_WORD in file.name:
            rows = pair_neighbours(rows)
        if columns.layout is not None and columns.layout.pair_of:
            rows = keep_real_pairs(rows)
        self._rows += rows

    def _tell_of_other_files(self) -> None:
        """Say which files have no rows, and which of a folder hold no functions; if none holds any, refuse all."""
        empty = [file.source.name for file in self._files if not file.rows and file.form]
        if empty and len(empty) < len(self._files):
            self._notes.append(f"{_listed(empty)}: no rows.")
        others = [file.name for file, _ in self._without_functions]
        if others and self._rows:
            self._notes.append(f"{_listed(others)}: no column of functions and no source code; not read.")
        elif others:
            self._refusals += [refusal for _, refusals in self._without_functions for refusal in refusals]

    def _refuse(self, error: DataError | OSError, prefix: str) -> None:
        problems = error.problems if isinstance(error, DataError) else ()
        for problem in problems or (InputError(where="source", found=str(error), expected="a readable source"),):
            is_named = "/" in problem.where or problem.where.startswith(prefix.removesuffix(", ") or "/")
            where = problem.where if is_named else f"{prefix}{problem.where}"
            self._refusals.append(
                Refusal(where=where, found=problem.found, expected=problem.expected, fix=problem.fix, config=[])
            )

    def _drop_minus_ones(self) -> None:
        """Leave out the rows labelled -1 where another value means safe: then it may mean that nobody knows."""
        evidence = self._ledger.evidence
        own = {label_key(word) for word in (*self._config.labels.safe, *self._config.labels.vulnerable)}
        others = [
            value for value, meaning in evidence.meanings.items() if meaning is Meaning.SAFE and value != MINUS_ONE
        ]
        if MINUS_ONE not in evidence.labels or MINUS_ONE in own or not others:
            return
        evidence.meanings[MINUS_ONE] = Meaning.UNKNOWN
        kept = []
        for row in self._rows:
            if row.where in self._ledger.minus_ones:
                found = f"-1, where {others[0]} is the other label"
                self._ledger.left_out.add(Reason.WRONG_LABEL, row.where, found, row_id=row.id)
            else:
                kept.append(row)
        self._rows = kept


class _Counted:
    """Counts the rows that pass."""

    def __init__(self) -> None:
        self.rows = 0

    def all_of(self, raw: RawRows) -> RawRows:
        for one in raw:
            self.rows += 1
            yield one


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED_FILES} more files" if len(names) > MAX_LISTED_FILES else ""
    return f"{', '.join(names[:MAX_LISTED_FILES])}{more}"


def _head(raw: Iterator[RawRow]) -> list[RawRow]:
    head: list[RawRow] = []
    characters = 0
    for one in itertools.islice(raw, HEAD_ROWS):
        head.append(one)
        characters += _characters(one.content)
        if characters > HEAD_CHARS:
            break
    return head


def _characters(content: object) -> int:
    """Return how long all values of a row are, also those in its lists and objects, however deep these are."""
    waiting, total = [content], 0
    while waiting:
        value = waiting.pop()
        total += VALUE_CHARS
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, Mapping | list):
            waiting += value.values() if isinstance(value, Mapping) else value
    return total


def _contents(head: Sequence[RawRow]) -> list[Content]:
    return [one.content for one in head if isinstance(one.content, Mapping)]


def _in_file(refusal: Refusal, rows: int, file: SourcePath) -> Refusal:
    where = refusal.where.replace("all rows", f"all {rows} rows")
    return refusal.model_copy(update={"where": f"{where} of {file.name}" if file.prefix else where})
