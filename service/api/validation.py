"""Pydantic's errors as mistakes: each with a JSON pointer, the found value and the expected one.

Source:
    RFC 6901 (JSON pointers).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from cellgate.contract.api.datasets import ONE_PATH, PATHS
from cellgate.contract.broken_rules import BROKEN_RULE
from cellgate.contract.cells import SUBMITTED
from cellgate.contract.suggestions import did_you_mean, fields_at
from service.domain.errors import Mistake, escaped

SHOWN_CHARACTERS = 100
# Fields whose value no answer repeats: who sent it may show the answer to somebody else.
SECRETS = frozenset({"token"})
CELL_NUMBERS = tuple(entry.cell.value for entry in SUBMITTED)


def mistakes_of(errors: Sequence[Any], *, body: Any = None) -> list[Mistake]:
    """Return pydantic's errors as mistakes, each with a JSON pointer.

    Args:
        errors: As pydantic lists them.
        body: Type of the request's body, to say what may have been meant by a field that does not exist.
    """
    return [Mistake(pointer=_pointer(error["type"], error["loc"]), detail=_detail(error, body)) for error in errors]


def _pointer(kind: str, location: Sequence[str | int]) -> str:
    if kind == "json_invalid":
        return ""
    if kind.startswith("union_tag_"):
        return "/cell"
    place, parts = (location[0], list(location[1:])) if location else ("body", [])
    # pydantic names the member of a union it tried; that is no place in the body.
    steps = [escaped(str(part)) for part in parts if not _is_tag(part, parts)]
    path = "".join(f"/{step}" for step in steps)
    return path if place == "body" else f"#{place}{path}"


def _is_tag(part: str | int, parts: Sequence[str | int]) -> bool:
    # `cell` discriminates jobs: 51 to 54 come first in the location, as the tag.
    return part in (ONE_PATH, PATHS) or (bool(parts) and part is parts[0] and str(part) in CELL_NUMBERS)


def _detail(error: Any, body: Any) -> str:
    """Return the found value and the expectation as one sentence."""
    message = str(error["msg"]).removeprefix("Value error, ")
    kind = error["type"]
    if kind == "missing":
        return "this field is missing" if len(error["loc"]) > 1 else "there is no body, expected a JSON object"
    if kind.startswith("union_tag_"):
        return f"found {_shown(error['input'].get('cell'))}, expected one of the numbers {', '.join(CELL_NUMBERS)}"
    if kind.endswith("_attributes_type") or kind == "model_type":
        return f"found {_shown(error.get('input'))}, expected a JSON object"
    if kind == "extra_forbidden":
        return f"there is no such field; {_advice(error['loc'], body)}"
    if kind == "json_invalid":
        return f"{message}: {error.get('ctx', {}).get('error', '')}".rstrip(": ")
    if kind == BROKEN_RULE or (error["loc"] and error["loc"][-1] in SECRETS):
        return message
    # A rule over several fields names those that break it: all the others beside them say nothing.
    if kind == "value_error" and isinstance(error.get("input"), Mapping | BaseModel):
        return message
    return f"{message}; found {_shown(error.get('input'))}"


def _advice(location: Sequence[str | int], body: Any) -> str:
    _, *above, name = location
    return did_you_mean(str(name), fields_at(body, above)) or "GET /openapi.json lists those there are"


def _shown(found: Any) -> str:
    return shortened(repr(found), SHOWN_CHARACTERS)


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters, with `…` where it was cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def summary_of(count: int, *, method: str) -> str:
    """Return one sentence about this many mistakes."""
    return f"the request has {count} mistake{'s' if count != 1 else ''}{undone(method)}"


def undone(method: str) -> str:
    """Return what a refusal adds where the request would have changed something: that it did not."""
    return "" if method in ("GET", "HEAD") else "; nothing was done"
