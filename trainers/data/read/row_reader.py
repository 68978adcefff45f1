"""From the rows of one file to functions: every value is read as its columns say, and what is no function is noted."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.inspection import Meaning, Reason
from trainers.data.read.columns import Columns
from trainers.data.read.dates import iso_date
from trainers.data.read.error_collector import shown
from trainers.data.read.evidence import Evidence
from trainers.data.read.files import SourcePath
from trainers.data.read.function_check import check_function
from trainers.data.read.identity import Identities
from trainers.data.read.known_fields import ABOUT
from trainers.data.read.languages import LanguageColumns
from trainers.data.read.left_out import LeftOutRows
from trainers.data.read.nested import SEPARATOR, is_twofold, value_at
from trainers.data.read.raw_rows import Defect, RawRow
from trainers.data.read.row import Row, normalise
from trainers.data.read.texts import Text
from trainers.data.read.values import (
    LABEL_OF,
    MINUS_ONE,
    commit_of,
    defect_of_text,
    is_missing,
    label_key,
    meanings_of,
    project_of,
)
from trainers.data.read.weaknesses import weaknesses_of

Content = Mapping[str, object]
BEFORE, AFTER = "before", "after"
KEY_BYTES = 16


class _LeftOut(Exception):
    """The row is left out; the reason is in `defect`."""

    def __init__(self, reason: Reason, found: str) -> None:
        super().__init__(found)
        self.defect = Defect(reason=reason, found=found)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What all files write into.

    Args:
        keep: Takes a function's text, and returns it as its row has it.
        minus_ones: Places of the rows labelled -1, which means safe, or that nobody knows.
    """

    left_out: LeftOutRows
    evidence: Evidence
    identities: Identities
    keep: Callable[[str], Text] = str
    minus_ones: set[str] = field(default_factory=set)


class RowReader:
    """Reads the rows of one file.

    Args:
        file: Whose rows they are.
        columns: What is read from where.
        config: With the limits, the words for labels and the languages.
        ledger: Of all files.
    """

    def __init__(self, file: SourcePath, columns: Columns, config: PrepareConfig, ledger: Ledger) -> None:
        self._file, self._columns, self._ledger = file, columns, ledger
        self._max_chars = config.max_function_chars
        labels = [column for name, *both in columns.compared if name == "target" for column in both]
        self._meanings = {
            column: meanings_of(config.labels, column) for column in (*columns.of.get("target", ()), *labels)
        }
        languages = ledger.evidence.languages
        self._languages = LanguageColumns(columns.of.get("language", ()), config.languages, languages)
        # Whether the row that is read says that it is C or C++.
        self._is_stated = False
        self._dotted = [column for of_field in columns.of.values() for column in of_field if SEPARATOR in column]
        self._key_columns = columns.layout.pair_of if columns.layout is not None else ()

    def read(self, raw: RawRow) -> list[Row]:
        """Return the functions of one row: one, two where it holds a pair, none where it is left out."""
        where = f"{self._file.prefix}{raw.place}"
        if isinstance(raw.content, Defect):
            self._ledger.left_out.add(raw.content.reason, where, raw.content.found)
            return []
        row_id = None
        try:
            stated = self._languages.read(raw.content)
            self._is_stated = stated.is_c
            if stated.unwanted is not None:
                raise _LeftOut(Reason.OTHER_LANGUAGE, stated.unwanted)
            for column in self._dotted:
                if is_twofold(raw.content, column):
                    raise _LeftOut(Reason.MALFORMED, f"two values of {shown(column)}, by its name and by its path")
            self._compare(raw.content, where)
            about = {name: self._text(raw.content, name) for name in ABOUT}
            row_id = about.pop("id") or where.replace(", ", "-").replace(" ", "-")
            return self._functions(raw, where, row_id, about)
        except _LeftOut as left:
            self._ledger.left_out.add(left.defect.reason, where, left.defect.found, row_id=row_id)
            return []

    def _functions(self, raw: RawRow, where: str, row_id: str, about: dict[str, str | None]) -> list[Row]:
        content = raw.content
        if isinstance(content, Defect):
            return []
        label = self._label(content, where)
        texts = self._texts(content, label)
        unique = self._ledger.identities.claim(row_id, _key(texts))
        if unique is None:
            raise _LeftOut(Reason.REPEATED_ID, f"{shown(row_id)}, which an earlier row has for another function")
        split = about.pop("split") or raw.split or self._file.split
        pair = about.pop("pair") or (unique if len(texts) > 1 else self._key(content))
        date = self._date(content)
        project = about.pop("project") or self._project_of_link(content)
        return [
            Row(
                line=raw.number,
                where=where,
                id=f"{unique}{suffix}",
                text=self._ledger.keep(func),
                label=of_text,
                split=split,
                pair=pair,
                date=date,
                project=project,
                **about,
            )
            for suffix, of_text, func in texts
        ]

    def _label(self, content: Content, where: str) -> int | None:
        """Return the label; None where the row holds both texts and nothing else says it."""
        if self._columns.label is not None:
            stated = Meaning.VULNERABLE if self._columns.label else Meaning.SAFE
            self._note_label(f"{stated}, by the file's name", stated)
            return self._columns.label
        column = self._columns.one("target")
        if column is None:
            return None
        value, column = self._first_value(content, "target", column)
        key = label_key(value) if value is not None else ""
        meaning = self._meanings[column].get(key)
        if meaning is not None or key:
            # A word for nothing is shown too: in a column of weaknesses, `none` means safe.
            self._note_label(key, meaning or Meaning.UNKNOWN)
        if meaning is None and is_missing(value):
            raise _LeftOut(Reason.NO_LABEL, f"{column} {shown(value)}" if key else f"no {column}")
        if key == MINUS_ONE:
            self._ledger.minus_ones.add(where)
        if meaning is None:
            raise _LeftOut(Reason.WRONG_LABEL, f"{column} {shown(value)}")
        label = LABEL_OF[meaning]
        self._ledger.evidence.against_name += self._file.label not in (None, label)
        return label

    def _note_label(self, value: str, meaning: Meaning) -> None:
        self._ledger.evidence.labels.add(value)
        self._ledger.evidence.meanings.setdefault(value, meaning)

    def _texts(self, content: Content, label: int | None) -> list[tuple[str, int, str]]:
        """Return suffix of the id, label and text of each function of the row."""
        if not self._columns.is_paired:
            column = self._columns.one("func")
            value, column = self._first_value(content, "func", column or "func")
            return [("", label or 0, self._func(value, column))]
        before, after = (self._side(content, name) for name in (BEFORE, AFTER))
        if label == 0:
            # Nothing was fixed: both texts, where there are two, are the same function.
            value, column = after if not is_missing(after[0]) else before
            return [("", 0, self._func(value, column))]
        sides = [
            (f"-{name}", int(name == BEFORE), value, column)
            for name, (value, column) in ((BEFORE, before), (AFTER, after))
            if not is_missing(value)
        ]
        if not sides:
            raise _LeftOut(Reason.EMPTY, f"neither {before[1]} nor {after[1]}")
        self._ledger.evidence.two_texts += len(sides) == 2
        self._ledger.evidence.single_texts += len(sides) == 1
        texts = [(suffix, of_side, self._func(value, column)) for suffix, of_side, value, column in sides]
        self._ledger.evidence.equal_texts += len(texts) == 2 and texts[0][2] == texts[1][2]
        return texts

    def _first_value(self, content: Content, name: str, column: str) -> tuple[object, str]:
        """Return a field's value and its column; where that says nothing, of the first column that may be meant too."""
        value = value_at(content, column)
        if is_missing(value):
            for other in self._columns.stand_ins(name):
                instead = value_at(content, other)
                if not is_missing(instead):
                    self._ledger.evidence.stood_in[name, column, other] += 1
                    return instead, other
        return value, column

    def _side(self, content: Content, name: str) -> tuple[object, str]:
        column = self._columns.one(name) or name
        return value_at(content, column), column

    def _func(self, value: object, column: str) -> str:
        if is_missing(value):
            raise _LeftOut(Reason.EMPTY, f"no {column}" if value is None else f"{column} {shown(value)}")
        if not isinstance(value, str):
            raise _LeftOut(Reason.WRONG_VALUE, f"{column} {shown(value)}, which is no text")
        func = normalise(value)
        if not func:
            raise _LeftOut(Reason.EMPTY, f"{column} {shown(value)}")
        _check_text(func, column)
        if len(func) > self._max_chars:
            raise _LeftOut(Reason.TOO_LONG, f"{len(func)} characters")
        defect = check_function(func, is_stated=self._is_stated)
        if defect is not None:
            raise _LeftOut(defect.reason, defect.found)
        return func

    def _value(self, content: Content, name: str) -> tuple[object, str]:
        for column in self._columns.of.get(name, ()):
            value = value_at(content, column)
            if not is_missing(value):
                return value, column
        return None, name

    def _text(self, content: Content, name: str) -> str | None:
        value, column = self._value(content, name)
        # What cannot be read as a weakness costs no function.
        if name == "cwe":
            value = weaknesses_of(value)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = ",".join(part for part in value if not is_missing(part))
        # A column of whole numbers with a gap.
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(value, bool | float | list | dict) or not isinstance(value, str | int):
            raise _LeftOut(Reason.WRONG_VALUE, f"{column} {shown(value)}")
        text = value.strip() if isinstance(value, str) else shown(value)
        _check_text(text, column)
        read = _READ_AS[name](text) if name in _READ_AS else text
        # A link may end with a word for nothing.
        return None if is_missing(read) else read

    def _project_of_link(self, content: Content) -> str | None:
        value, _ = self._value(content, "commit")
        return project_of(value) if isinstance(value, str) and "/commit/" in value and "://" in value else None

    def _key(self, content: Content) -> str | None:
        values = [value_at(content, column) for column in self._key_columns]
        return ":".join(map(str, values)) if values and not any(map(is_missing, values)) else None

    def _date(self, content: Content) -> str | None:
        value, _ = self._value(content, "date")
        if value is None:
            return None
        found = iso_date(value)
        self._ledger.evidence.unreadable_dates += found is None
        return found

    def _compare(self, content: Content, where: str) -> None:
        for compared in self._columns.compared:
            _, read, other = compared
            one, two = value_at(content, read), value_at(content, other)
            if is_missing(one) or is_missing(two) or one == two:
                continue
            if self._differ(compared, one, two):
                self._ledger.evidence.note_difference(compared, where)

    def _differ(self, compared: tuple[str, str, str], one: object, two: object) -> bool:
        name, read, other = compared
        if name == "target":
            meanings = [self._meanings[column].get(label_key(value)) for column, value in ((read, one), (other, two))]
            # What is no label at all, such as a name, is no other reading.
            return None not in meanings and meanings[0] is not meanings[1]
        return not (isinstance(one, str) and isinstance(two, str) and normalise(one) == normalise(two))


_READ_AS = {"commit": commit_of, "project": project_of}


def _key(texts: Sequence[tuple[str, int, str]]) -> bytes:
    """Return what tells the functions of a row from those of another."""
    return hashlib.blake2b("\0".join(func for _, _, func in texts).encode(), digest_size=KEY_BYTES).digest()


def _check_text(text: str, column: str) -> None:
    """Refuse text that cannot be stored or shown as text.

    Raises:
        _LeftOut: It holds half of a surrogate pair, bytes that were no UTF-8, or NUL.
    """
    defect = defect_of_text(text, column)
    if defect is not None:
        raise _LeftOut(defect.reason, defect.found)
