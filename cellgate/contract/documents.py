"""The bases of the JSON documents that people write and that a run leaves, and the kinds of value in them."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

Probability = Annotated[float, Field(ge=0, le=1)]

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Finite = Annotated[float, Field(allow_inf_nan=False)]

Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


def _is_a_day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text} is no day: {error}") from error
    return text


# Text, so that days compare as those of data sets do.
Day = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    AfterValidator(_is_a_day),
    Field(json_schema_extra={"format": "date"}),
]


def is_none(value: object) -> bool:
    """Return whether a field has no value: with `exclude_if`, older documents keep their bytes and hashes."""
    return value is None


def _tell_booleans_from_numbers(schema: Any) -> None:
    """Change the schema of a model in place, down to the models within, which are Inputs themselves."""
    if isinstance(schema, list):
        for part in schema:
            _tell_booleans_from_numbers(part)
    if not isinstance(schema, dict) or schema.get("function") == {"type": "no-info", "function": _no_boolean}:
        return
    if schema.get("type") == "bool":
        schema["strict"] = True
    elif schema.get("type") in ("int", "float"):
        number = cast(CoreSchema, dict(schema))
        schema.clear()
        schema.update(no_info_before_validator_function(_no_boolean, number))
    else:
        for part in schema.values():
            _tell_booleans_from_numbers(part)


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean_for_number", "expected a number")
    return value


class Input(BaseModel):
    """Base of what people write: unknown fields are mistakes, and values keep their kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate as usual, but take neither `false` for 0 nor 0 for `false`, which JSON does not either."""
        schema = handler(source)
        _tell_booleans_from_numbers(handler.resolve_ref_schema(schema))
        return schema


class Document(BaseModel):
    """Base of everything in a result: complete, exact, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


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
