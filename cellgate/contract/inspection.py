"""How a source of labelled functions is read: what `inspect` finds, and what the report of a data set repeats.

Every guess stands here: a column, a label word or a split that was chosen by a rule. Where two readings are possible,
none is chosen: `refusals` says so, with the lines for the configuration that choose one.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from cellgate.contract.documents import Document

INSPECTION_NAME = "inspection.json"
# Rows shown as they are trained on, and places listed for each reason for which rows are left out.
SAMPLES = 3
MAX_PLACES = 20
MAX_EXCERPT_CHARS = 400
# Distinct label words, splits and languages that are listed; the rest is counted under OTHERS.
MAX_VALUES = 50
OTHERS = "…"

Count = Annotated[int, Field(ge=0)]


class Meaning(StrEnum):
    """What a label value says of its function."""

    VULNERABLE = "vulnerable"
    SAFE = "safe"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a row is left out."""

    MALFORMED = "malformed"
    UNDECODABLE = "undecodable"
    EMPTY = "empty"
    NO_TOKEN = "no_token"
    NO_FUNCTION = "no_function"
    NOT_PARSED = "not_parsed"
    NO_LABEL = "no_label"
    WRONG_LABEL = "wrong_label"
    WRONG_VALUE = "wrong_value"
    REPEATED_ID = "repeated_id"
    TOO_LONG = "too_long"
    OTHER_LANGUAGE = "other_language"
    NO_DIFFERENCE = "no_difference"

    @property
    def is_choice(self) -> bool:
        """Whether a setting asks for it or the set is so by its nature: such rows do not count as mistakes."""
        return self in (Reason.TOO_LONG, Reason.OTHER_LANGUAGE, Reason.NO_DIFFERENCE)


class SourceFile(Document):
    """One file of the source.

    Args:
        name: Relative to the source; empty where the source is this file.
        form: `JSONL`, `JSON array`, `CSV`, `Parquet` …
        rows: As they stand in the file; a row that holds a pair is one.
    """

    name: str
    form: str
    rows: Count


class FieldReading(Document):
    """What one of our fields is read from."""

    field: str = Field(description="Ours: func, target, before, after, id, split, project, commit, cwe, pair, date …")
    columns: list[str] = Field(description="Columns it is read from; several where files differ. Empty: from none.")
    why: str = Field(description="Why these: named in `fields`, the layout's, a known name, or where else it is from.")
    others: list[str] = Field(description="Other columns of the source whose names are known for this field.")
    rows: Count = Field(description="Functions for which it has a value.")


class LabelValue(Document):
    """One value of the label column, as it stands there."""

    value: str
    meaning: Meaning
    rows: Count


class PairReading(Document):
    """Vulnerable functions and their patched versions."""

    pairs: Count
    functions: Count = Field(description="Functions in pairs.")
    source: str = Field(description="What ties them: a column, two texts of one row, a paired file …; empty: none.")


class GroupReading(Document):
    """Functions that no split divides: by commit, pair or project, as `group_by` says; copies are not looked at."""

    groups: Count
    largest: Count = Field(description="Functions of the largest group.")
    largest_name: str = Field(description="What its functions share, e.g. commit 'None' in project 'p'.")


class DateReading(Document):
    """Dates of functions, ISO 8601."""

    rows: Count
    first: str | None
    last: str | None
    unreadable: Count


class SplitReading(Document):
    """Splits that the source states."""

    found: dict[str, Count] = Field(description="Functions by the source's split name; empty: it states none.")
    source: str = Field(description="The column, or `file names`.")
    used: bool
    how: str = Field(description="How functions are assigned to our splits, in one sentence.")


class LanguageReading(Document):
    """Functions of one programming language, as the source states it."""

    language: str
    rows: Count
    kept: bool


class LeftOut(Document):
    """Rows that are left out for one reason."""

    reason: Reason
    rows: Count
    counts: bool = Field(description="Whether they count towards `max_left_out_share`.")
    explanation: str
    places: list[str] = Field(description="The first ones: file and line or row, and what was found.")


class SampleRow(Document):
    """One function as it will be trained on; of its text the beginning, on several lines."""

    id: str
    where: str
    func: str
    target: Literal[0, 1]
    split: str | None
    project: str | None
    commit: str | None
    cwe: str | None
    pair: str | None
    date: str | None


class Refusal(Document):
    """A reason for which no data set is made, and the lines that change it.

    Args:
        config: Lines for the file of `--config` (YAML, also the fields of a request); alternatives stand in comments.
    """

    where: str
    found: str
    expected: str
    fix: str
    config: list[str]


class Inspection(Document):
    """The whole of inspection.json; `reading` in report.json."""

    schema_version: Literal[1] = 1
    layout: str | None = Field(description="The published set whose form it has, e.g. `PrimeVul`.")
    files: list[SourceFile]
    files_total: Count = Field(description="All files; `files` lists the first ones.")
    columns: list[str] = Field(description="Columns of the rows, in the order of their appearance.")
    fields: list[FieldReading]
    labels: list[LabelValue]
    pairs: PairReading
    groups: GroupReading
    dates: DateReading
    splits: SplitReading
    languages: list[LanguageReading]
    rows: Count = Field(description="Rows read; one that holds two texts is one.")
    functions: Count = Field(description="Functions that are left, before copies are dropped.")
    vulnerable: Count
    left_out: list[LeftOut]
    left_out_share: float = Field(ge=0, le=1, description="Of all rows, those left out by mistake.")
    samples: list[SampleRow]
    notes: list[str] = Field(description="What a user should know before trusting the set.")
    refusals: list[Refusal]

    @property
    def is_usable(self) -> bool:
        """Whether `prepare` would go on with it."""
        return not self.refusals
