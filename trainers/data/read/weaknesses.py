"""Weaknesses as sets write them: text, a number, lists and objects of them, or such a list as text."""

import ast
import json
import re
from collections.abc import Iterator, Mapping

from trainers.data.read.error_collector import shown
from trainers.data.read.values import is_missing

# Of a value that somebody wrote; a function has a handful.
MAX_PARTS = 50
MAX_DEPTH = 3
MAX_LIST_CHARS = 10_000
_CWE = re.compile(r"\bcwe[-_ ]?0*(\d{1,6})\b", re.IGNORECASE)
_NUMBERS = re.compile(r"[\s,;|]*(?:\d{1,4}(?:\.0)?(?:[\s,;|]+|$))+")


def weaknesses_of(value: object) -> str | None:
    """Return a weakness, or several, as `CWE-79,CWE-89`; other text as it is; None where nothing is said.

    A number in a column of weaknesses is that of one.
    """
    found: dict[str, None] = {}
    for part in _parts(value, MAX_DEPTH):
        if not is_missing(part):
            found |= dict.fromkeys(_named(part if isinstance(part, str) else shown(part)))
        if len(found) >= MAX_PARTS:
            break
    return ",".join(found) or None


def _parts(value: object, depth: int) -> Iterator[object]:
    """Yield what lists and objects hold; of an object only what is a weakness by its form: it may hold links too."""
    listed = _literal(value) if isinstance(value, str) else value
    if not isinstance(listed, list | tuple | Mapping):
        yield value
    elif depth:
        is_object = isinstance(listed, Mapping)
        for inner in listed.values() if isinstance(listed, Mapping) else listed:
            for part in _parts(inner, depth - 1):
                if not is_object or (isinstance(part, str) and _CWE.search(part)):
                    yield part


def _literal(text: str) -> object:
    """Return the list or object that stands as text, in JSON's way or Python's; other text as it is."""
    if not text.lstrip().startswith(("[", "{", "(")) or len(text) > MAX_LIST_CHARS:
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text.strip())
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        return sorted(value, key=str) if isinstance(value, set) else value
    return text


def _named(text: str) -> list[str]:
    if numbers := _CWE.findall(text):
        return [f"CWE-{number}" for number in numbers]
    if _NUMBERS.fullmatch(text.strip()):
        return [f"CWE-{int(float(number))}" for number in re.split(r"[\s,;|]+", text.strip()) if number]
    return [text.strip()]
