"""JSON values: numbers of any length, and no object that gives one name two values."""

import json
from typing import cast

from cellgate.contract.inspection import Reason
from trainers.data.read.error_collector import shown
from trainers.data.read.raw_rows import Defect


def parse(text: str) -> object:
    """Return a JSON value; a whole number of more digits than Python takes becomes text.

    An object that gives one name two values is a `Defect`: which of them is meant, nobody knows.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deep.
    """
    try:
        return cast(object, json.loads(text, object_pairs_hook=_once_named))
    except json.JSONDecodeError:
        raise
    except ValueError:
        return cast(object, json.loads(text, parse_int=_whole_number, object_pairs_hook=_once_named))


def _once_named(pairs: list[tuple[str, object]]) -> dict[str, object] | Defect:
    named: dict[str, object] = {}
    for name, value in pairs:
        if name in named and named[name] != value:
            return Defect(reason=Reason.MALFORMED, found=f"two values of {shown(name)} in one object")
        named[name] = value
    return named


def _whole_number(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits[:100]


DECODER = json.JSONDecoder(parse_int=_whole_number, object_pairs_hook=_once_named)
