"""The published sets whose form is recognised, and how each is read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The form of a published set.

    Args:
        name: As its authors call it.
        columns: All of which a file of it has.
        lacks: Columns that it has not, where another set's form holds all of its own.
        file_word: What its files' names begin with, where the columns alone are anybody's.
        fields: Our fields and the columns that are read for them, where the names alone do not say it.
        pair_of: Columns whose equal values make two rows of different labels a pair.
        note: What a user should know.
        instead: What to give in place of a form that holds no labelled functions.
    """

    name: str
    columns: frozenset[str]
    lacks: frozenset[str] = frozenset()
    file_word: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    pair_of: tuple[str, ...] = ()
    note: str = ""
    instead: str = ""


def _set(*columns: str) -> frozenset[str]:
    return frozenset(columns)


# The first one that fits is it: those with more columns stand before those with fewer.
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        name="MegaVul",
        columns=_set("func_before", "func", "is_vul"),
        fields={"before": "func_before", "after": "func", "target": "is_vul"},
        note="Of a vulnerable row, func_before is the vulnerable text and func the fixed one: both are read, as a "
        "pair. Of any other row func is read.",
    ),
    Layout(
        name="Big-Vul as LineVul has it",
        columns=_set("processed_func", "target", "func_before", "vul"),
        fields={"func": "processed_func", "target": "target"},
        note="processed_func is read with target; func_before and func_after are not.",
    ),
    Layout(
        name="Big-Vul",
        columns=_set("func_before", "func_after", "vul", "CWE ID"),
        fields={"func": "func_before", "target": "vul"},
        note="func_before is read, with vul as its label; func_after is not. To read both texts of a vulnerable row as "
        "a pair, add `fields: {before: func_before, after: func_after}`.",
    ),
    Layout(
        name="Big-Vul",
        columns=_set("func_before", "vul", "CWE ID"),
        fields={"func": "func_before", "target": "vul"},
    ),
    Layout(
        name="SVEN",
        columns=_set("func_src_before", "func_src_after", "vul_type"),
        fields={"before": "func_src_before", "after": "func_src_after"},
    ),
    Layout(
        name="CleanVul",
        columns=_set("func_before", "func_after", "vulnerability_score"),
        lacks=_set("vul", "target", "label"),
        fields={"before": "func_before", "after": "func_after"},
        note="Rows of all vulnerability scores are read; give the file of the score that you want.",
    ),
    Layout(
        name="BenchVul",
        columns=_set("func_before", "func_after", "cwe_id", "programming_language"),
        lacks=_set("vul", "target", "label"),
        fields={"before": "func_before", "after": "func_after"},
    ),
    Layout(
        name="TitanVul",
        columns=_set("func_before", "func_after", "cwe_id", "cve_id", "extension"),
        lacks=_set("vul", "target", "label"),
        fields={"before": "func_before", "after": "func_after"},
    ),
    Layout(
        name="CVEfixes",
        columns=_set("method_change_id", "code", "before_change"),
        fields={"func": "code", "target": "before_change", "id": "method_change_id"},
        pair_of=("file_change_id", "signature"),
        note="before_change says that a method stands before the fix: such a one is read as vulnerable, any other as "
        "safe.",
    ),
    Layout(
        name="CVEfixes",
        columns=_set("code", "before_change"),
        fields={"func": "code", "target": "before_change"},
        note="before_change says that a method stands before the fix: such a one is read as vulnerable, any other as "
        "safe.",
    ),
    Layout(
        name="CVEfixes",
        columns=_set("file_change_id", "code_before", "code_after"),
        note="A row holds two whole files, not one labelled function.",
        instead="give the table method_change",
    ),
    Layout(
        name="PrimeVul",
        columns=_set("func", "target", "project", "commit_id", "cwe", "func_hash"),
        fields={"func": "func", "target": "target"},
    ),
    Layout(
        name="PrimeVul",
        columns=_set("func", "target", "project", "commit_id", "cwe", "cve", "hash"),
        fields={"func": "func", "target": "target"},
    ),
    Layout(
        name="DiverseVul",
        columns=_set("func", "target", "cwe", "project", "commit_id", "hash", "message"),
        fields={"func": "func", "target": "target"},
    ),
    Layout(
        name="D2A",
        columns=_set("label", "label_source", "functions"),
        note="A row holds a trace over several functions, not one labelled function.",
        instead="give the CSV files of the leaderboard's function task (d2a_lbv1_function_….csv)",
    ),
    Layout(
        name="D2A",
        columns=_set("label", "code"),
        file_word="d2a",
        fields={"func": "code", "target": "label"},
    ),
    Layout(
        name="CodeXGLUE",
        columns=_set("project", "commit_id", "target", "func", "idx"),
        lacks=_set("cwe"),
        fields={"func": "func", "target": "target"},
    ),
    Layout(
        name="Devign",
        columns=_set("project", "commit_id", "target", "func"),
        lacks=_set("cwe", "hash", "idx", "id"),
        fields={"func": "func", "target": "target"},
    ),
    Layout(
        name="ReVeal",
        columns=_set("code", "hash", "project", "size"),
        lacks=_set("target", "label", "vul"),
        fields={"func": "code"},
        note="The name of a file says the label of its functions: vulnerables or non-vulnerables.",
    ),
)


def layout_of(columns: Collection[str], file_name: str) -> Layout | None:
    """Return the published set that a file with these columns is of, if its form is known."""
    present = set(columns)
    begun = file_name.rpartition("/")[2].casefold()
    return next(
        (
            one
            for one in LAYOUTS
            if one.columns <= present and not one.lacks & present and begun.startswith(one.file_word)
        ),
        None,
    )
