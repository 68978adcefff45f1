"""Reads a spec from a file and reports every mistake in it at once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cellgate.contract.broken_rules import told_apart
from cellgate.contract.cells import ANY_SPEC, ENTRY_OF, Cell
from cellgate.contract.errors import InputError, SpecError, json_excerpt
from cellgate.contract.specs import AnySpec


def read_spec(path: Path, cell: Cell) -> AnySpec:
    """Return the spec in a file, checked against the cell that is to run it.

    A spec without `cell` is one of that cell.

    Raises:
        SpecError: It cannot be read, is not JSON, belongs to another cell, or has mistakes; all are listed.
    """
    content = _read_json(path)
    if not isinstance(content, dict):
        raise _refusal(path, "", found=type(content).__name__, expected="a JSON object", fix="")
    named = content.setdefault("cell", ENTRY_OF[cell].json)
    if str(named) != cell.value:
        raise _refusal(
            path,
            "/cell",
            found=json.dumps(named),
            expected=cell.value,
            fix="run the cell that the spec names, or give the right spec",
        )
    try:
        # From JSON text, as strings there may be paths and enums.
        return ANY_SPEC.validate_json(json.dumps(content))
    except ValidationError as error:
        raise SpecError(f"{path}: the spec has mistakes", problems_of(error)) from error


def problems_of(error: ValidationError) -> list[InputError]:
    """Return each mistake with its JSON pointer (RFC 6901), what was found and what was expected."""
    return [
        InputError(
            where=_pointer(mistake["loc"][1:]),
            found="nothing" if mistake["type"] == "missing" else json_excerpt(mistake["input"]),
            expected=mistake["msg"],
            fix=_fix(mistake["type"]),
        )
        for mistake in told_apart(error.errors(include_url=False))
    ]


def _pointer(location: Sequence[str | int]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def _fix(kind: str) -> str:
    match kind:
        case "missing":
            return "add the field"
        case "extra_forbidden":
            return "remove the field, or check its spelling"
        case _:
            return "correct the value; `cellgate trainers schema spec` lists all fields"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise _refusal(
            path, "", found=error.strerror or str(error), expected="a readable file", fix="check --spec"
        ) from error
    except ValueError as error:
        raise _refusal(path, "", found=f"{error}", expected="JSON in UTF-8", fix="correct the file") from error


def _refusal(path: Path, where: str, *, found: str, expected: str, fix: str) -> SpecError:
    return SpecError(
        f"{path}: not a usable spec", [InputError(where=where or str(path), found=found, expected=expected, fix=fix)]
    )
