"""The rows that are left out: counted by reason, and the first of each listed with their places."""

from collections import Counter
from dataclasses import dataclass, field

from cellgate.contract.errors import InputError
from cellgate.contract.inspection import MAX_PLACES, LeftOut, Reason

# Of a reason with more rows than these, a refusal lists so many.
MAX_REFUSED_PLACES = 5
MAX_REMEDIES = 3


@dataclass(frozen=True, kw_only=True)
class _Words:
    explanation: str
    expected: str
    fix: str


_WORDS: dict[Reason, _Words] = {
    Reason.MALFORMED: _Words(
        explanation="the row cannot be read",
        expected="one JSON object, or as many values as the header names",
        fix="repair the row",
    ),
    Reason.UNDECODABLE: _Words(
        explanation="the row is no text in UTF-8",
        expected="UTF-8 without NUL",
        fix="write the text in UTF-8, without NUL (iconv -f latin1 -t utf-8, where it is in Latin-1)",
    ),
    Reason.EMPTY: _Words(explanation="there is no source code", expected="source code", fix="remove or fill the row"),
    Reason.NO_TOKEN: _Words(
        explanation="there is nothing but comments", expected="source code", fix="remove or fill the row"
    ),
    Reason.NO_FUNCTION: _Words(
        explanation="the text is no function of C or C++ with a body",
        expected="a function with its body",
        fix="remove such rows; if they are of another language, name its column in fields.language",
    ),
    Reason.NOT_PARSED: _Words(
        explanation="the text does not parse as C or C++",
        expected="a function of C or C++",
        fix="remove such rows; if they are of another language, name its column in fields.language",
    ),
    Reason.NO_LABEL: _Words(explanation="there is no label", expected="a label", fix="remove or label the row"),
    Reason.WRONG_LABEL: _Words(
        explanation="the label's meaning is not known",
        expected="1, true, yes, vulnerable … or 0, false, no, safe …",
        fix="say what the value means: labels: {vulnerable: [VALUE], safe: [VALUE]}",
    ),
    Reason.WRONG_VALUE: _Words(
        explanation="a value is neither text nor a whole number",
        expected="text or a whole number",
        fix="write it as text, or read another column: fields: {NAME: COLUMN}",
    ),
    Reason.REPEATED_ID: _Words(
        explanation="the id is another function's too",
        expected="one id per function",
        fix="give each function its own id, or read another column: fields: {id: COLUMN}",
    ),
    Reason.TOO_LONG: _Words(
        explanation="the function is longer than max_function_chars",
        expected="functions within max_function_chars",
        fix="raise max_function_chars",
    ),
    Reason.OTHER_LANGUAGE: _Words(
        explanation="the language is none of `languages`",
        expected="a language of `languages`",
        fix="add the language to languages, or set languages: [] to keep all",
    ),
    Reason.NO_DIFFERENCE: _Words(
        explanation="no function is known to have been fixed",
        expected="a file before and after a fix, with a function that differs",
        fix="remove such files",
    ),
}


@dataclass(kw_only=True)
class LeftOutRows:
    """What was left out so far.

    Args:
        counts: Rows by reason.
        ids: Of the rows whose id could be read: graphs may be there for them.
    """

    counts: Counter[Reason] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    _first: dict[Reason, list[tuple[str, str]]] = field(default_factory=dict)
    _kinds: dict[Reason, Counter[str]] = field(default_factory=dict)

    def add(self, reason: Reason, where: str, found: str, *, row_id: str | None = None) -> None:
        """Note one row.

        Args:
            where: File and line or row.
            found: What it holds, short.
        """
        self.counts[reason] += 1
        first = self._first.setdefault(reason, [])
        if len(first) < MAX_PLACES:
            first.append((where, found))
        kinds = self._kinds.setdefault(reason, Counter())
        if found in kinds or len(kinds) < MAX_PLACES:
            kinds[found] += 1
        if row_id is not None:
            self.ids.add(row_id)

    @property
    def mistakes(self) -> int:
        """Rows that were left out by mistake, not because a setting says so."""
        return sum(count for reason, count in self.counts.items() if not reason.is_choice)

    def summaries(self) -> list[LeftOut]:
        """Return the counts, explanations and first places, by reason."""
        return [
            LeftOut(
                reason=reason,
                rows=self.counts[reason],
                counts=not reason.is_choice,
                explanation=_WORDS[reason].explanation,
                places=[f"{where}: {found}" for where, found in self._first[reason]],
            )
            for reason in Reason
            if self.counts[reason]
        ]

    def remedies(self) -> str:
        """Return what to do about the mistakes, those of most rows first."""
        by_rows = [reason for reason, _ in self.counts.most_common() if not reason.is_choice]
        return "; ".join(list(dict.fromkeys(_WORDS[reason].fix for reason in by_rows))[:MAX_REMEDIES])

    def problems(self, rows: int) -> list[InputError]:
        """Return every mistake for a refusal: one that all rows share, or many do, is said once.

        Args:
            rows: All rows that were read.
        """
        return [
            problem
            for reason in Reason
            if self.counts[reason] and not reason.is_choice
            for problem in self._problems_of(reason, rows)
        ]

    def _problems_of(self, reason: Reason, rows: int) -> list[InputError]:
        words, count = _WORDS[reason], self.counts[reason]
        kinds = ", ".join(f"{found} ({times} rows)" for found, times in self._kinds[reason].most_common(3))
        shown = self._first[reason]
        summary = InputError(
            where=f"all {rows} rows" if count == rows else f"{count} of {rows} rows",
            found=f"{words.explanation}: {kinds}",
            expected=words.expected,
            fix=words.fix,
        )
        if count == rows and count > 1:
            return [summary]
        listed = shown if count <= MAX_PLACES else shown[:MAX_REFUSED_PLACES]
        places = [
            InputError(where=where, found=found, expected=words.expected, fix=words.fix) for where, found in listed
        ]
        return places if count <= MAX_PLACES else [summary, *places]
