"""The base of every JSON document that a run leaves, and the kinds of value in it."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Finite = Annotated[float, Field(allow_inf_nan=False)]

Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


def is_none(value: object) -> bool:
    """Return whether a field has no value: with `exclude_if`, older documents keep their bytes and hashes."""
    return value is None


class Document(BaseModel):
    """Base of everything in a result: complete, exact, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def leaves_of(document: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each field of a nested JSON object by its dotted path, e.g. `training.epochs`.

    Args:
        document: The object; lists are fields, whatever is in them.
        prefix: Of every path.
    """
    for name, value in document.items():
        if isinstance(value, dict):
            yield from leaves_of(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
