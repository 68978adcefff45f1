"""Rules over several fields, each of which is valid alone."""

from collections.abc import Sequence
from dataclasses import dataclass


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
