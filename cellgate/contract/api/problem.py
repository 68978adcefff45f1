"""The problem document (RFC 9457) that every refusal carries: written by the server, read by clients.

Source:
    RFC 9457 (problem details), RFC 6901 (JSON pointers).
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

# Our own server always writes these members; their defaults are for documents of a proxy in front of it.
WRITTEN = ("pointer", "title", "status", "code", "detail", "trace_id")


def _always_written(schema: dict[str, Any]) -> None:
    schema["required"] = [name for name in WRITTEN if name in schema["properties"]]
    for name in schema["required"]:
        schema["properties"][name].pop("default", None)


class MistakeAnswer(BaseModel):
    """One mistake in the request."""

    model_config = ConfigDict(frozen=True, json_schema_extra=_always_written)

    pointer: str = Field(
        "", description="RFC 6901 pointer into the body; `#query/…`, `#path/…`, `#header/…` elsewhere."
    )
    detail: str = ""


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(frozen=True, extra="allow", json_schema_extra=_always_written)

    type: str = "about:blank"
    title: str = ""
    status: int
    code: str = Field("unknown", description="Stable code for programs; see docs/api.md.")
    detail: str = ""
    errors: list[MistakeAnswer] = Field(default_factory=list, description="The first mistakes in the request.")
    errors_left_out: int = Field(0, description="How many more mistakes there are.")
    trace_id: str = Field("", description="Also in the X-Request-Id header and in the log.")
