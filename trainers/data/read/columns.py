"""Which columns of a file are read as what: named by the user, by the published set, or by known names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cellgate.contract.configs import FieldNames
from cellgate.contract.inspection import Refusal
from trainers.data.read.error_collector import shown
from trainers.data.read.files import SourcePath
from trainers.data.read.known_fields import ABOUT, KNOWN_FIELDS, is_code, named
from trainers.data.read.layouts import Layout, layout_of
from trainers.data.read.refusals import fields_line

Content = Mapping[str, object]
BY_CONFIG, BY_NAME = "named in `fields`", "a known name"
# What a column must be like to be proposed where none has a known name.
MIN_CODE_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What is read from which column of one file.

    Args:
        of: By our field the columns that are looked at, the first with a value counts; func, target, before and after
            have one at most.
        why: By our field.
        label: Of every row, where the file's name states it.
        compared: Pairs of columns that must not differ, for either may be meant: our field, the one read, the other.
        layout: The published set.
        present: All columns of the file.
    """

    of: Mapping[str, tuple[str, ...]]
    why: Mapping[str, str]
    present: tuple[str, ...]
    label: int | None = None
    compared: tuple[tuple[str, str, str], ...] = ()
    layout: Layout | None = None
    refusals: tuple[Refusal, ...] = field(default=())

    def one(self, name: str) -> str | None:
        """Return the column of a field that has one at most."""
        return next(iter(self.of.get(name, ())), None)

    @property
    def is_paired(self) -> bool:
        """Whether a row holds two texts."""
        return self.one("before") is not None and self.one("after") is not None


def choose(head: Sequence[Content], fields: FieldNames, file: SourcePath) -> Columns:
    """Return what is read from where, recognised from a file's first rows.

    Args:
        head: The first rows that could be read.
        fields: What the user named; nothing is guessed for these.
        file: Whose name may state the label.
    """
    present = tuple(dict.fromkeys(name for content in head for name in content))
    layout = layout_of(present, file.name)
    own = named(fields)
    if layout is not None and layout.instead and not own:
        refused = Refusal(
            where="all rows", found=layout.note, expected="a labelled function per row", fix=layout.instead, config=[]
        )
        return Columns(of={}, why={}, present=present, layout=layout, refusals=(refused,))
    chosen = _Choice(present, layout, own, head)
    chosen.choose_texts()
    chosen.choose_label(file)
    for name in (*ABOUT, "date", "language"):
        chosen.choose_about(name)
    return Columns(
        of=chosen.of,
        why=chosen.why,
        present=present,
        label=chosen.label,
        compared=tuple(chosen.compared),
        layout=layout,
        refusals=tuple(chosen.refusals),
    )


class _Choice:
    """The choice while it is made."""

    def __init__(
        self, present: tuple[str, ...], layout: Layout | None, own: Mapping[str, str], head: Sequence[Content]
    ) -> None:
        self._present, self._layout, self._own, self._head = present, layout, own, head
        self._by_lower_case: dict[str, list[str]] = {}
        for column in present:
            self._by_lower_case.setdefault(column.casefold(), []).append(column)
        self.of: dict[str, tuple[str, ...]] = {}
        self.why: dict[str, str] = {}
        self.label: int | None = None
        self.compared: list[tuple[str, str, str]] = []
        self.refusals: list[Refusal] = []

    def choose_texts(self) -> None:
        """Choose func, or before and after."""
        if any(name in self._own for name in ("func", "before", "after")):
            self._take_own_texts()
            return
        layout = self._layout.fields if self._layout is not None else {}
        texts = {name: column for name, column in layout.items() if name in ("func", "before", "after")}
        if texts:
            for name, column in texts.items():
                self._take(name, column, self._by_layout())
            return
        known = {name: self._known(name) for name in ("func", "before", "after")}
        has_label = bool(self._own.get("target") or self._known("target"))
        if known["before"] and known["after"] and not has_label:
            for name in ("before", "after"):
                self._take(name, known[name][0], BY_NAME)
            return
        self._choose_one_text(known)

    def _choose_one_text(self, known: Mapping[str, Sequence[str]]) -> None:
        candidates = list(dict.fromkeys((*known["func"], *known["before"])))
        if not candidates:
            self._refuse_missing("func", "fields: {before: …, after: …} where a row holds both texts")
            return
        first = candidates[0]
        self._take("func", first, BY_NAME)
        self.compared += [("func", first, other) for other in candidates[1:]]
        if first in known["before"] and known["after"]:
            after = known["after"][0]
            self.refusals.append(
                Refusal(
                    where=f"columns {first} and {after}",
                    found="the text before a fix and the one after it, with a label of one of them",
                    expected="to know whether the fixed texts are to be read too",
                    fix="add one of these lines to the configuration (--config)",
                    config=[fields_line({"func": first}), fields_line({"before": first, "after": after})],
                )
            )

    def _take_own_texts(self) -> None:
        for name in ("func", "before", "after"):
            if name in self._own:
                self._take_own(name)
        for name, other in (("before", "after"), ("after", "before")):
            if name in self._own and other not in self._own:
                known = [column for column in self._known(other) if column != self._own[name]]
                if known:
                    self._take(other, known[0], BY_NAME)
                else:
                    self._refuse_missing(other, "")

    def choose_label(self, file: SourcePath) -> None:
        """Choose the label's column, or what stands for it."""
        if "target" in self._own:
            self._take_own("target")
            return
        by_layout = self._layout.fields.get("target") if self._layout is not None else None
        known = self._known("target")
        if by_layout is not None:
            self._take("target", by_layout, self._by_layout())
        elif known:
            self._take("target", known[0], BY_NAME)
            self.compared += [("target", known[0], other) for other in known[1:]]
        elif "before" in self.of and "after" in self.of:
            self.why["target"] = "the text before the fix is vulnerable, the one after it safe"
        elif file.label is not None:
            self.label = file.label
            self.why["target"] = "the file's name"
        else:
            self._refuse_missing("target", "or give files named vulnerable… and non-vulnerable…")

    def choose_about(self, name: str) -> None:
        """Choose the columns of a field that may be missing."""
        if name in self._own:
            self._take_own(name)
            return
        by_layout = self._layout.fields.get(name) if self._layout is not None else None
        if by_layout is not None and by_layout in self._present:
            self._take(name, by_layout, self._by_layout())
        elif known := self._known(name):
            self.of[name] = tuple(known)
            self.why[name] = BY_NAME

    def _known(self, name: str) -> list[str]:
        return list(dict.fromkeys(column for known in KNOWN_FIELDS[name] for column in self._like(known)))

    def _like(self, known: str) -> list[str]:
        """Return the columns of a known name: the one that is equal, and those that differ in case alone."""
        return sorted(self._by_lower_case.get(known.casefold(), ()), key=lambda one: one != known)

    def _by_layout(self) -> str:
        return f"as {self._layout.name} has it" if self._layout is not None else ""

    def _take(self, name: str, column: str, why: str) -> None:
        self.of[name] = (column,)
        self.why[name] = why

    def _take_own(self, name: str) -> None:
        column = self._own[name]
        if column not in self._present:
            self._refuse_missing(name, "", wanted=column)
        self._take(name, column, BY_CONFIG)

    def _refuse_missing(self, name: str, advice: str, *, wanted: str | None = None) -> None:
        proposed = self._proposal(name)
        nested = [column for column in self._present if any(isinstance(one.get(column), dict) for one in self._head)]
        if nested and proposed is None:
            advice = f"write what the objects in {', '.join(nested[:3])} hold beside them, as columns"
        names = [wanted] if wanted is not None else KNOWN_FIELDS[name]
        self.refusals.append(
            Refusal(
                where="all rows",
                found=f"no column {' or '.join(names)} among {', '.join(map(shown, self._present[:30])) or 'none'}",
                expected=f"a column that holds {_MEANING[name]}",
                fix=f"name it in the configuration (--config){', or ' * bool(advice)}{advice.removeprefix('or ')}",
                config=[fields_line({name: proposed or "COLUMN"}), *(self._pair_line() if name == "func" else ())],
            )
        )

    def _proposal(self, name: str) -> str | None:
        """Return the column that looks most like what is missed."""
        taken = {column for columns in self.of.values() for column in columns}
        free = [column for column in self._present if column not in taken]
        if name in ("func", "before", "after"):
            codes = {column: self._code_share(column) for column in free}
            best = max(codes, key=lambda column: codes[column], default=None)
            return best if best is not None and codes[best] >= MIN_CODE_SHARE else None
        if name == "target":
            return next((column for column in free if 1 < len(self._values(column)) < 4), None)
        return None

    def _pair_line(self) -> list[str]:
        """Return the line that reads two columns as a pair, where two hold code and none a label."""
        codes = [column for column in self._present if self._code_share(column) >= MIN_CODE_SHARE]
        has_label = "target" in self._own or bool(self._known("target"))
        return [fields_line({"before": codes[0], "after": codes[1]})] if len(codes) == 2 and not has_label else []

    def _code_share(self, column: str) -> float:
        return sum(is_code(content.get(column)) for content in self._head) / max(len(self._head), 1)

    def _values(self, column: str) -> set[str]:
        return {shown(content.get(column)) for content in self._head}


_MEANING = {
    "func": "a function's text",
    "before": "a function's text before the fix",
    "after": "a function's text after the fix",
    "target": "the label",
    "id": "an id",
    "split": "a split",
    "project": "a project",
    "commit": "a commit",
    "cwe": "a weakness",
    "pair": "what ties a pair together",
    "date": "a date",
    "language": "a language",
}
