"""The base of every JSON document that a run leaves, and the kinds of value in it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Finite = Annotated[float, Field(allow_inf_nan=False)]

Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Document(BaseModel):
    """Base of everything in a result: complete, exact, frozen."""

    # A document of an earlier release may lack the fields that have defaults: no reader may count on them.
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_mode_override="validation")
