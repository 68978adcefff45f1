"""The base of every JSON document that a run leaves, and the kinds of value in it."""

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
