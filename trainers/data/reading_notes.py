"""What a user should know of how a source was read, in sentences."""

import re
from collections import Counter
from collections.abc import Callable, Iterator

from cellgate.contract.configs import PrepareConfig, SplitBy
from cellgate.contract.inspection import Meaning, Reason
from trainers.data.read.crossvul import CROSSVUL
from trainers.data.read.rows import Reading

# Outside of a text no letter may follow a backslash.
_ESCAPED_LINE_END = re.compile(r"[{};] ?\\[nr]")
_ENTITY = re.compile(r"&(?:lt|gt|quot|#39);")
_NUMBERED_LINES = re.compile(r"\s*\d+[:.|)]?\s[^\n]*(?:\n\s*\d+[:.|)]?(?:\s[^\n]*)?)+")
_DIFF_LINES = re.compile(r"(?:[-+ ][^\n]*(?:\n|$))*")
_CLOSING_LINE = re.compile(r"^\}[ \t]*$", re.MULTILINE)


def _is_escaped_twice(func: str) -> bool:
    return "\n" not in func and _ESCAPED_LINE_END.search(func) is not None


def _is_in_html(func: str) -> bool:
    # With a sign of its own beside them they stand in a text of C.
    return "&" in func and not {"<", ">", '"'} & set(func) and _ENTITY.search(func) is not None


def _is_diff(func: str) -> bool:
    return func.startswith(("+", "-")) and "\n" in func and _DIFF_LINES.fullmatch(func) is not None


def _has_several(func: str) -> bool:
    return len(_CLOSING_LINE.findall(func)) > 1


_ODD_TEXTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (_is_escaped_twice, "hold \\n as two characters where a line ends: they were escaped twice"),
    (lambda func: func.startswith("```"), "stand between fences of Markdown (```)"),
    (_is_in_html, "hold &lt; or &quot; where < or a quote belongs: they were escaped for HTML"),
    (
        lambda func: func[:1].isdigit() and _NUMBERED_LINES.fullmatch(func) is not None,
        "have numbers before their lines",
    ),
    (_is_diff, "have + or - before their lines, as a diff has"),
    (_has_several, "close several blocks at the beginning of a line: they may be whole files, with one label for all"),
)


def notes_of(reading: Reading, config: PrepareConfig) -> list[str]:
    """Return every note."""
    return [
        *reading.notes,
        *split_notes(reading, config),
        *_label_notes(reading),
        *_column_notes(reading),
        *_name_notes(reading),
        *_text_notes(reading),
        *_value_notes(reading),
    ]


def split_notes(reading: Reading, config: PrepareConfig) -> Iterator[str]:
    """Yield what is to be known of splits: those of the source that are not used, and rows that lack a value."""
    rows = reading.rows
    stated = Counter(row.split for row in rows if row.split is not None)
    if stated and config.split_by is not SplitBy.PUBLISHED:
        listed = ", ".join(f"{name} {count}" for name, count in stated.most_common(6))
        yield (
            f"The source states splits ({listed}) that are not used: functions are assigned by "
            f"`split: {config.split}`. Add `split: published` to use them."
        )
    needed = {SplitBy.TIME: "date", SplitBy.PROJECT: "project"}.get(config.split_by)
    lacking = sum(getattr(row, needed) is None for row in rows) if needed is not None else 0
    if lacking and lacking < len(rows):
        where = "in train" if needed == "date" else "assigned one by one"
        yield f"{lacking} of {len(rows)} functions have no {needed} and are {where}."


def _label_notes(reading: Reading) -> Iterator[str]:
    meanings = {meaning for meaning in reading.evidence.meanings.values() if meaning is not Meaning.UNKNOWN}
    if len(meanings) == 1 and reading.rows and len({row.label for row in reading.rows}) == 1:
        yield f"All functions are labelled {meanings.pop()}: training needs both labels."


def _column_notes(reading: Reading) -> Iterator[str]:
    for (name, column, other), rows in reading.evidence.stood_in.items():
        what = "text" if name == "func" else "label"
        yield f"{rows} rows have no {column}: their {what} is read from {other}."


def _name_notes(reading: Reading) -> Iterator[str]:
    if reading.evidence.against_name:
        yield (
            f"{reading.evidence.against_name} rows have another label than their file's name states: the column "
            "counts. See that it means what its name says."
        )


def _text_notes(reading: Reading) -> Iterator[str]:
    # One pass: the texts are read from the disk.
    counts: Counter[str] = Counter()
    for row in reading.rows:
        func = row.func
        counts.update(what for looks_so, what in _ODD_TEXTS if looks_so(func))
    for _, what in _ODD_TEXTS:
        if counts[what]:
            yield f"{counts[what]} functions {what}; they are read as they stand."


def _value_notes(reading: Reading) -> Iterator[str]:
    evidence, counts = reading.evidence, reading.left_out.counts
    if evidence.unreadable_dates:
        yield (
            f"{evidence.unreadable_dates} dates cannot be read in one way only (expected YYYY-MM-DD, seconds since "
            "1970, or what git writes); these functions have none."
        )
    if evidence.single_texts:
        yield (
            f"{evidence.single_texts} of {evidence.single_texts + evidence.two_texts} rows that should hold two texts "
            "hold one; it is read alone."
        )
    if evidence.equal_texts:
        yield (
            f"{evidence.equal_texts} of {evidence.two_texts} rows hold the same text before and after the fix: nothing "
            "was fixed there, and as copies with contradictory labels both are dropped."
        )
    if counts[Reason.OTHER_LANGUAGE]:
        yield f"{counts[Reason.OTHER_LANGUAGE]} rows are in other languages than `languages` and were left out."
    if any(file.form == CROSSVUL for file in reading.files):
        yield "CrossVul: of the two files of a fix the functions that differ are read, as pairs; others have no label."
    if reading.rows and all(row.commit is None and row.pair is None for row in reading.rows):
        yield "No function has a commit or a pair: functions of one fix may be in train and in gate."
