"""How a source of functions is read, as a page for people: every guess, what is left out, and what is refused."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape

from cellgate.cli.tables import table
from cellgate.contract.inspection import Inspection, SampleRow
from cellgate.contract.visible import visible

SHOWN_FILES = 10
SHOWN_PLACES = 3
SHOWN_LINES = 8


def show_inspection(console: Console, found: Inspection) -> None:
    """Print an inspection; it is readable from 80 columns on."""
    _head(console, found)
    _fields(console, found)
    _labels(console, found)
    for line in _facts(found):
        _print(console, line)
    _left_out(console, found)
    for note in found.notes:
        _print(console, f"Note: {note}", style="yellow")
    for number, sample in enumerate(found.samples, start=1):
        _sample(console, number, sample)
    _refusals(console, found)


def _print(console: Console, text: str, *, style: str | None = None) -> None:
    console.print(escape(visible(text)), style=style, highlight=False)


def _head(console: Console, found: Inspection) -> None:
    console.print(f"[bold]{escape(visible(found.layout or 'No published layout'))}[/] is recognised.", highlight=False)
    _print(
        console,
        f"{found.rows:,} rows in {_count(found.files_total, 'file')}: {found.functions:,} functions, "
        f"{found.vulnerable:,} of them vulnerable.",
    )
    if found.files_total > 1:
        files = table("file", "form", "rows", numbers=("rows",))
        for file in found.files[:SHOWN_FILES]:
            files.add_row(escape(visible(file.name)), escape(file.form), f"{file.rows:,}")
        console.print(files)
        if found.files_total > SHOWN_FILES:
            _print(console, f"… and {found.files_total - SHOWN_FILES} more files")


def _fields(console: Console, found: Inspection) -> None:
    fields = table("field", "read from", "why", "not used", "functions", numbers=("functions",))
    for field in found.fields:
        fields.add_row(
            field.field,
            escape(visible(", ".join(field.columns) or "–")),
            escape(visible(field.why)),
            escape(visible(", ".join(field.others))),
            f"{field.rows:,}",
        )
    console.print(fields)


def _labels(console: Console, found: Inspection) -> None:
    if not found.labels:
        return
    labels = table("label", "means", "rows", numbers=("rows",))
    for label in found.labels:
        style = "red" if label.meaning == "unknown" else None
        labels.add_row(escape(visible(label.value)), label.meaning.value, f"{label.rows:,}", style=style)
    console.print(labels)


def _facts(found: Inspection) -> Iterator[str]:
    """Yield one line for each other thing that is read."""
    pairs = found.pairs
    yield f"Pairs: {pairs.pairs:,}" + (f" ({pairs.functions:,} functions), by {pairs.source}." if pairs.pairs else ".")
    groups = found.groups
    largest = f"; the largest has {_count(groups.largest, 'function')} ({groups.largest_name})" if groups.groups else ""
    yield f"Groups that no split divides: {groups.groups:,}{largest}."
    if found.dates.rows or found.dates.unreadable:
        unreadable = f"; {found.dates.unreadable:,} cannot be read" if found.dates.unreadable else ""
        yield f"Dates: {found.dates.rows:,}, from {found.dates.first} to {found.dates.last}{unreadable}."
    splits = found.splits
    if splits.found:
        counted = ", ".join(f"{name} {rows:,}" for name, rows in splits.found.items())
        yield f"Splits of the source ({splits.source}), {'used' if splits.used else 'NOT used'}: {counted}."
    else:
        yield "Splits of the source: none."
    yield f"Our splits: {splits.how}."
    if found.languages:
        counted = ", ".join(
            f"{one.language} {one.rows:,}{'' if one.kept else ' (left out)'}" for one in found.languages
        )
        yield f"Languages: {counted}."


def _left_out(console: Console, found: Inspection) -> None:
    if not found.left_out:
        _print(console, "No row is left out.")
        return
    total = sum(one.rows for one in found.left_out)
    _print(console, f"{_count(total, 'row')} left out; by mistake {found.left_out_share:.2%} of all rows:")
    for one in found.left_out:
        chosen = "" if one.counts else ", which is no mistake"
        _print(console, f"  {one.rows:,} {one.reason.value}{chosen}: {one.explanation}")
        for place in one.places[:SHOWN_PLACES]:
            _print(console, f"    {place}")
        if one.rows > SHOWN_PLACES:
            _print(console, f"    … and {one.rows - SHOWN_PLACES:,} more")


def _sample(console: Console, number: int, sample: SampleRow) -> None:
    known = {name: getattr(sample, name) for name in ("split", "project", "commit", "cwe", "pair", "date")}
    about = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
    label = "vulnerable" if sample.target else "not vulnerable"
    _print(console, f"Example {number} ({sample.where}), id {sample.id}, {label}{', ' + about if about else ''}:")
    lines = sample.func.splitlines()
    shown = [*lines[:SHOWN_LINES], *(["…"] if len(lines) > SHOWN_LINES else [])]
    for line in shown:
        _print(console, f"  {line}", style="dim")


def _refusals(console: Console, found: Inspection) -> None:
    if found.is_usable:
        _print(console, "A data set can be prepared from this.", style="green")
        return
    _print(console, f"Refused, for {_count(len(found.refusals), 'reason')}:", style="bold red")
    for refusal in found.refusals:
        text = f"{refusal.where}: found {refusal.found}, expected {refusal.expected}; {refusal.fix}"
        _print(console, text, style="red")
        for line in _indented(refusal.config):
            _print(console, line)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
