"""Input of schemathesis besides the OpenAPI document: the existing ids, and the form of a refusal."""

import json
import os
import re
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import schemathesis
from schemathesis import GenerationMode

PROBLEM = "application/problem+json"
AN_ID = re.compile(r"^(ds|exp|job|run)_[0-9A-Z]{26}$")
# The ids that there are, by prefix.
THERE_ARE: Mapping[str, list[str]] = json.loads(os.environ.get("CELLGATE_CONTRACT_IDS", "{}"))


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """Put one of the ids that there are in the place of two of three generated ones, the same for the same values."""
    number = zlib.crc32(json.dumps(values, sort_keys=True, default=repr).encode())
    return {name: _chosen(value, number) for name, value in values.items()}


def _chosen(value: Any, number: int) -> Any:
    if not isinstance(value, str) or not (found := AN_ID.match(value)) or not (ids := THERE_ARE.get(found[1])):
        return value
    return value if number % 3 == 0 else ids[number // 3 % len(ids)]


@schemathesis.hook
def map_path_parameters(_: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Ask for what there is more often than for what there is not."""
    return path_parameters and _known(path_parameters)


@schemathesis.hook
def map_query(_: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let no DELETE be a dry run: what is there afterwards would count as used after it was freed."""
    return query and {name: value for name, value in query.items() if name != "dry_run"}


@schemathesis.hook
def map_body(_: Any, body: Any) -> Any:
    """Submit for what there is more often than for what there is not."""
    return _known(body) if isinstance(body, dict) else body


@schemathesis.check
def refusals_are_problem_documents(_: Any, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """Fail where a refusal is no whole problem document, or does not name each mistake."""
    if response.status_code < HTTPStatus.BAD_REQUEST:
        return
    media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
    if media_type != PROBLEM:
        raise AssertionError(f"{response.status_code} came as {media_type!r}, expected {PROBLEM}")
    if response.request.method == "HEAD":
        return
    problem = json.loads(response.content)
    for name in ("type", "title", "status", "code", "detail", "errors", "trace_id"):
        if name not in problem:
            raise AssertionError(f"the problem document has no {name}: {problem}")
    if problem["status"] != response.status_code:
        raise AssertionError(f"status {response.status_code} came as {problem['status']}")
    if [problem["trace_id"]] != response.headers.get("x-request-id"):
        raise AssertionError(f"trace_id {problem['trace_id']} is not that of X-Request-Id")
    if problem["code"] in ("invalid_request", "invalid_spec") and not problem["errors"]:
        raise AssertionError(f"no mistake is named: {problem}")
    generated = case.meta.generation.mode if case.meta is not None else None
    if problem["code"] == "invalid_request" and generated is GenerationMode.POSITIVE:
        raise AssertionError(f"the document allows what is refused as invalid_request: {problem}")
