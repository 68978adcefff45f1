"""Which columns of a file are read as what: named by the user, by the published set, or by known names."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cellgate.contract.configs import FieldNames, LabelWords
from cellgate.contract.inspection import Refusal
from trainers.data.read.column_names import ColumnNames, parents
from trainers.data.read.error_collector import shown
from trainers.data.read.files import SourcePath
from trainers.data.read.first_rows import FirstRows
from trainers.data.read.known_fields import ABOUT, KNOWN_FIELDS, MEANING, named
from trainers.data.read.layouts import Layout, layout_of
from trainers.data.read.nested import holds_only_objects, is_list_of_objects, names_in, value_at
from trainers.data.read.refusals import fields_line
from trainers.data.read.values import label_key, meanings_of

Content = Mapping[str, object]
BY_CONFIG, BY_NAME, BY_PATH = "named in `fields`", "a known name", "a known name within an object"
# What a column must be like to be proposed where none has a known name, and how many are.
MIN_CODE_SHARE = 0.5
MAX_PROPOSED = 4
# Of an object anywhere in a row these would be anything's.
_ONLY_BESIDE = frozenset({"id", "language"})


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What is read from which column of one file.

    Args:
        of: By our field the columns that are looked at, the first with a value counts; func, target, before and after
            have one at most.
        why: By our field.
        label: Of every row, where the file's name states it.
        compared: Pairs of columns that must not differ, for either may be meant: our field, the one read, the other,
            which is read where that has no value.
        layout: The published set.
        present: All columns of the file; of a column of objects, the paths of its values.
    """

    of: Mapping[str, tuple[str, ...]]
    why: Mapping[str, str]
    present: tuple[str, ...]
    label: int | None = None
    compared: tuple[tuple[str, str, str], ...] = ()
    layout: Layout | None = None
    refusals: tuple[Refusal, ...] = field(default=())

    def stand_ins(self, name: str) -> Iterator[str]:
        """Yield the columns that are read where a field's own has no value."""
        return (other for field, _, other in self.compared if field == name)

    def one(self, name: str) -> str | None:
        """Return the column of a field that has one at most."""
        return next(iter(self.of.get(name, ())), None)

    @property
    def is_paired(self) -> bool:
        """Whether a row holds two texts."""
        return self.one("before") is not None and self.one("after") is not None

    def is_without_code(self, head: Sequence[Content]) -> bool:
        """Return whether a file has no column of functions, and nothing in its first rows looks like one."""
        rows = FirstRows(head, self.present)
        return not {"func", "before", "after"} & self.of.keys() and not any(map(rows.code_share, self.present))


def choose(head: Sequence[Content], fields: FieldNames, file: SourcePath) -> Columns:
    """Return what is read from where, recognised from a file's first rows.

    Args:
        head: The first rows that could be read.
        fields: What the user named; nothing is guessed for these.
        file: Whose name may state the label.
    """
    columns, paths = names_in(head)
    present = (*columns, *paths)
    layout = layout_of(columns, file.name)
    own = named(fields)
    if layout is not None and layout.instead and not own:
        refused = Refusal(
            where="all rows", found=layout.note, expected="a labelled function per row", fix=layout.instead, config=[]
        )
        return Columns(of={}, why={}, present=present, layout=layout, refusals=(refused,))
    chosen = _Choice(ColumnNames(columns, paths), present, layout, own, head)
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
        self,
        names: ColumnNames,
        present: tuple[str, ...],
        layout: Layout | None,
        own: Mapping[str, str],
        head: Sequence[Content],
    ) -> None:
        self._names, self._present, self._layout, self._own, self._head = names, present, layout, own, head
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
            if "func" in texts:
                self._compare_unlisted("func", texts["func"], (*self._known("func"), *self._known("before")))
            return
        known = {name: self._known(name) for name in ("func", "before", "after")}
        has_label = bool(self._own.get("target") or self._known("target"))
        if known["before"] and known["after"] and not has_label:
            for name in ("before", "after"):
                self._take(name, known[name][0], self._by_name(known[name][0]))
            return
        self._choose_one_text(known)

    def _choose_one_text(self, known: Mapping[str, Sequence[str]]) -> None:
        candidates = list(dict.fromkeys((*known["func"], *known["before"])))
        if not candidates:
            self._refuse_missing("func", "fields: {before: …, after: …} where a row holds both texts")
            return
        first = candidates[0]
        self._take("func", first, self._by_name(first))
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
                    self._take(other, known[0], self._by_name(known[0]))
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
            self._compare_unlisted("target", by_layout, known)
        elif known:
            self._take("target", known[0], self._by_name(known[0]))
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
        elif known := self._names.known(name) or self._about_in_objects(name):
            self.of[name] = tuple(known)
            self.why[name] = self._by_name(known[0])

    def _about_in_objects(self, name: str) -> list[str]:
        """Return the path that is beside the text or the label; or the only one, where its name says enough."""
        paths = self._names.known_paths(name)
        beside = parents([column for columns in self.of.values() for column in columns])
        near = [path for path in paths if parents([path]) <= beside]
        return near or (paths if len(paths) == 1 and name not in _ONLY_BESIDE else [])

    def _known(self, name: str) -> list[str]:
        """Return the columns of a text or a label that have a known name; where there are none, the paths."""
        columns = [column for column in self._names.known(name) if not holds_only_objects(self._head, column)]
        return columns or [path for path in self._names.known_paths(name) if self._is_plain(path)]

    def _is_plain(self, path: str) -> bool:
        return not any(isinstance(value_at(content, path), list | dict) for content in self._head)

    def _compare_unlisted(self, name: str, column: str, known: Sequence[str]) -> None:
        """Compare a published set's column with those that the set does not have: somebody added them."""
        listed = self._layout.columns if self._layout is not None else frozenset()
        self.compared += [(name, column, other) for other in dict.fromkeys(known) if other not in (column, *listed)]

    def _by_name(self, column: str) -> str:
        return BY_NAME if any(column in content for content in self._head) else BY_PATH

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
        proposed = self._proposals(name)
        lists = [column for column in self._present if any(map(is_list_of_objects, self._first.values(column)))]
        if lists and not proposed:
            advice = f"write what the objects in {', '.join(lists[:3])} hold as rows, one for each"
        names = [wanted] if wanted is not None else KNOWN_FIELDS[name]
        lines = [fields_line({name: column}) for column in proposed or ["COLUMN"]]
        self.refusals.append(
            Refusal(
                where="all rows",
                found=f"no column {' or '.join(names)} among {', '.join(map(shown, self._present[:30])) or 'none'}",
                expected=f"a column that holds {MEANING[name]}",
                fix=f"name it in the configuration (--config){', or ' * bool(advice)}{advice.removeprefix('or ')}",
                config=[*lines, *(self._pair_line() if name == "func" else ())],
            )
        )

    def _proposals(self, name: str) -> list[str]:
        """Return the columns that look like what is missed, the likeliest first."""
        taken = {column for columns in self.of.values() for column in columns}
        free = [column for column in self._present if column not in taken]
        if name in ("func", "before", "after"):
            codes = {column: self._first.code_share(column) for column in free}
            likely = [column for column in free if codes[column] >= MIN_CODE_SHARE]
            return sorted(likely, key=lambda column: -codes[column])[:MAX_PROPOSED]
        if name == "target":
            meanings = meanings_of(LabelWords())
            few = [column for column in free if 1 < len(self._first.distinct(column)) < 4]
            return ([column for column in few if self._are_labels(column, meanings)] or few)[:MAX_PROPOSED]
        return []

    def _are_labels(self, column: str, known: Collection[str]) -> bool:
        """Return whether a column holds nothing but known words for labels."""
        return all(label_key(value) in known for value in self._first.values(column) if value is not None)

    def _pair_line(self) -> list[str]:
        """Return the line that reads two columns as a pair, where two hold code and none a label."""
        codes = [column for column in self._present if self._first.code_share(column) >= MIN_CODE_SHARE]
        has_label = "target" in self._own or bool(self._known("target"))
        return [fields_line({"before": codes[0], "after": codes[1]})] if len(codes) == 2 and not has_label else []

    @cached_property
    def _first(self) -> FirstRows:
        return FirstRows(self._head, self._present)
