"""Rules over several fields, each of which is valid alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BROKEN_RULE = "broken_rule"


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """One rule that is broken.

    Args:
        at: The field to change, as a path from the model that has the rule.
        message: What is wrong and what to do.
    """

    at: tuple[str, ...]
    message: str


class FieldsDisagree(ValueError):
    """Fields are valid each, but not together. Pydantic reports it at their model; the rules name the fields.

    Args:
        rules: All that are broken, at least one.
    """

    def __init__(self, *rules: BrokenRule) -> None:
        self.rules: Sequence[BrokenRule] = rules
        super().__init__("; ".join(rule.message for rule in rules))


def told_apart(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the mistakes that pydantic lists, each broken rule as one of its own.

    It has the type `BROKEN_RULE`, the place and the value of the field to change, and the rule's message.
    """
    return [mistake for error in errors for mistake in _mistakes(error)]


def _mistakes(error: Mapping[str, Any]) -> list[dict[str, Any]]:
    broken = error.get("ctx", {}).get("error")
    if not isinstance(broken, FieldsDisagree):
        return [dict(error)]
    return [
        {
            "type": BROKEN_RULE,
            "loc": (*error["loc"], *rule.at),
            "msg": rule.message,
            "input": _value_at(error["input"], rule.at),
        }
        for rule in broken.rules
    ]


def _value_at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value
