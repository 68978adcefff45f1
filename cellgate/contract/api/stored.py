"""Documents that the API answers as they are stored, with the type that they had when they were written."""

from collections.abc import Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class StoredAs:
    """Annotation of a JSON object: it passes through unchanged, and OpenAPI shows the type of the document.

    The API does not validate what it reads from its own database: a run may be polled every second, and a document that
    an earlier release wrote must still be answered.

    Args:
        document: Model, or union of models, that the document was written as.
    """

    def __init__(self, document: Any) -> None:
        self._document = document

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            _unchanged, handler.generate_schema(self._document), serialization=core_schema.simple_ser_schema("any")
        )


def _unchanged(value: Any, _: object) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"found {type(value).__name__}, expected a JSON object")
    return value
