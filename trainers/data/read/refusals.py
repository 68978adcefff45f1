"""Why no data set may be made of what was read, and the lines of the configuration that change it."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.inspection import Meaning, Reason, Refusal
from trainers.data.read.error_collector import shown
from trainers.data.read.evidence import Evidence
from trainers.data.read.left_out import LeftOutRows

ADD = "add one of these lines to the configuration (--config)"


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{2,}")
# What older readers of YAML take for true, false or nothing.
_YAML_WORDS = frozenset({"yes", "off", "true", "false", "null", "nan"})


def fields_line(columns: Mapping[str, str]) -> str:
    """Return the line of a configuration that names columns, such as `fields: {func: func_before}`."""
    return f"fields: {{{', '.join(f'{name}: {_quoted(column)}' for name, column in columns.items())}}}"


def _quoted(word: str) -> str:
    is_plain = _PLAIN.fullmatch(word) is not None and word.lower() not in _YAML_WORDS
    return word if is_plain else json.dumps(word, ensure_ascii=False)


def merged(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Return the refusals with those of several files that say the same as one."""
    places: dict[tuple[str, ...], list[Refusal]] = {}
    for one in refusals:
        places.setdefault((one.found, one.expected, one.fix, *one.config), []).append(one)
    return [
        alike[0] if len(alike) == 1 else alike[0].model_copy(update={"where": _places(alike)})
        for alike in places.values()
    ]


def _places(alike: Sequence[Refusal]) -> str:
    listed = "; ".join(one.where for one in alike[:5])
    return listed if len(alike) <= 5 else f"{listed} and {len(alike) - 5} more"


def refusals_of(
    config: PrepareConfig, *, read: int, kept: int, left_out: LeftOutRows, evidence: Evidence, has_others: bool
) -> list[Refusal]:
    """Return what stands against making a data set.

    Args:
        read: Rows in all files.
        kept: Functions that are left.
        has_others: Whether something else stands against it: then a file without rows is no news.
    """
    return [
        *_differences(evidence),
        *_too_many_left_out(config, read, kept, left_out, evidence),
        *(() if has_others else _nothing_left(config, read, kept, left_out)),
    ]


def _differences(evidence: Evidence) -> Iterator[Refusal]:
    for compared, rows in evidence.differences.items():
        name, read, other = compared
        lines = [fields_line({name: column}) for column in (read, other)]
        if name == "func":
            lines += [fields_line({"before": other, "after": read})]
        what = "function's text" if name == "func" else "label"
        yield Refusal(
            where=f"{rows} rows, the first at {evidence.first_difference[compared]}",
            found=f"columns {shown(read)} and {shown(other)}, which may both hold the {what}, differ",
            expected=f"to know which one holds the {what}" + " that the label is about" * (name == "func"),
            fix=ADD,
            config=lines,
        )


def _too_many_left_out(
    config: PrepareConfig, read: int, kept: int, left_out: LeftOutRows, evidence: Evidence
) -> Iterator[Refusal]:
    mistakes = left_out.mistakes
    if not mistakes or mistakes <= config.max_left_out_share * read:
        return
    by_reason = ", ".join(
        f"{reason.value} {left_out.counts[reason]}"
        for reason in Reason
        if left_out.counts[reason] and not reason.is_choice
    )
    share = math.ceil(100 * mistakes / read) / 100
    going_on = [f"max_left_out_share: {share}"] if kept else []
    yield Refusal(
        where=f"{mistakes} of {read} rows",
        found=f"{mistakes / read:.1%} of the rows would be left out: {by_reason}",
        expected=f"at most {config.max_left_out_share:.1%}",
        fix=left_out.remedies() + "; or, to go on without these rows, add this line to it (--config)" * bool(going_on),
        config=[*_label_lines(left_out, evidence), *going_on],
    )


def _label_lines(left_out: LeftOutRows, evidence: Evidence) -> list[str]:
    """Return the line that says what label values mean, with those that are to be sorted into it."""
    if not left_out.counts[Reason.WRONG_LABEL]:
        return []
    unknown = [value for value, meaning in evidence.meanings.items() if meaning is Meaning.UNKNOWN]
    listed = ", ".join(json.dumps(value, ensure_ascii=False) for value in unknown[:10])
    return [f"labels: {{vulnerable: [], safe: []}}  # sort in: {listed}"]


def _nothing_left(config: PrepareConfig, read: int, kept: int, left_out: LeftOutRows) -> Iterator[Refusal]:
    if read == 0:
        yield Refusal(where="source", found="no rows", expected="one function per row", fix="check the file", config=[])
    elif not kept and not left_out.mistakes:
        too_long, other = left_out.counts[Reason.TOO_LONG], left_out.counts[Reason.OTHER_LANGUAGE]
        alike = left_out.counts[Reason.NO_DIFFERENCE]
        languages = ", ".join(config.languages)
        yield Refusal(
            where=f"all {read} rows",
            found=f"{too_long} longer than {config.max_function_chars} characters, {other} in other languages"
            + f", {alike} without a function that was fixed" * bool(alike),
            expected=f"functions within max_function_chars, in {languages or 'any language'}",
            fix="raise max_function_chars, or keep other languages",
            config=["languages: []"] if other else [f"max_function_chars: {config.max_function_chars * 10}"],
        )
