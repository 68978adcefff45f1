"""What SARIF 2.1.0 asks of the objects that a log of ours has: their fields (section 3) and what must fit together."""

from typing import Any
from urllib.parse import unquote, urlparse

import jsonschema

LEVEL = {"enum": ["none", "note", "warning", "error"]}
INDEX = {"type": "integer", "minimum": -1}
TEXT = {"type": "string", "minLength": 1}
BAG = {"type": "object"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    """No object of SARIF has fields that the standard does not name, but for property bags."""
    return {
        "type": "object",
        "required": required,
        "properties": {**properties, "properties": BAG},
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], *, unique: bool = True) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": unique}


MESSAGE = _object(["text"], text=TEXT)  # 3.11
ARTIFACT_LOCATION = _object(  # 3.4
    ["uri"], uri={"type": "string", "pattern": r"^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$"}, uriBaseId=TEXT, index=INDEX
)
REGION = _object(  # 3.30
    ["startLine"],
    **{name: {"type": "integer", "minimum": 1} for name in ("startLine", "startColumn", "endLine", "endColumn")},
)
PHYSICAL = _object(["artifactLocation"], artifactLocation=ARTIFACT_LOCATION, region=REGION)  # 3.29
LOGICAL = _object([], name=TEXT, fullyQualifiedName=TEXT, kind=TEXT)  # 3.33
LOCATION = _object(  # 3.28
    [], id=INDEX, physicalLocation=PHYSICAL, logicalLocations=_list(LOGICAL), message=MESSAGE
)
SUPPRESSION = _object(  # 3.35
    ["kind"],
    kind={"enum": ["inSource", "external"]},
    status={"enum": ["accepted", "underReview", "rejected"]},
    justification=TEXT,
)
RESULT = _object(  # 3.27
    ["message"],
    ruleId=TEXT,
    ruleIndex=INDEX,
    kind={"enum": ["pass", "open", "informational", "notApplicable", "review", "fail"]},
    level=LEVEL,
    message=MESSAGE,
    locations=_list(LOCATION, unique=False),
    relatedLocations=_list(LOCATION),
    fingerprints={"type": "object", "additionalProperties": TEXT},
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    suppressions=_list(SUPPRESSION),
    baselineState={"enum": ["new", "unchanged", "updated", "absent"]},
    rank={"type": "number", "minimum": -1, "maximum": 100},
)
RULE = _object(  # 3.49
    ["id"],
    id=TEXT,
    name=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=_object([], level=LEVEL),
)
DRIVER = _object(["name"], name=TEXT, version=TEXT, rules=_list(RULE))  # 3.19
NOTIFICATION = _object(["message"], level=LEVEL, message=MESSAGE, locations=_list(LOCATION))  # 3.58
INVOCATION = _object(  # 3.20
    ["executionSuccessful"],
    executionSuccessful={"type": "boolean"},
    toolExecutionNotifications=_list(NOTIFICATION, unique=False),
)
RUN = _object(  # 3.14
    ["tool"],
    tool=_object(["driver"], driver=DRIVER),
    automationDetails=_object([], id=TEXT),
    invocations=_list(INVOCATION, unique=False),
    artifacts=_list(_object([], location=ARTIFACT_LOCATION)),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(RESULT, unique=False),
)
LOG = _object(  # 3.13
    ["version", "runs"], **{"$schema": {"type": "string", "format": "uri"}}, version={"const": "2.1.0"}, runs=_list(RUN)
)


def check_sarif(log: dict[str, Any]) -> None:
    """Fail with what is wrong with a log, if anything."""
    jsonschema.Draft202012Validator(LOG).validate(log)
    for run in log["runs"]:
        uris = [artifact["location"]["uri"] for artifact in run["artifacts"]]
        assert len(set(uris)) == len(uris)
        for result in run["results"]:
            _check_result(result, rules=run["tool"]["driver"]["rules"], uris=uris)


def _check_result(result: dict[str, Any], *, rules: list[dict[str, Any]], uris: list[str]) -> None:
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    ids = [location["id"] for location in result["relatedLocations"]]
    assert len(set(ids)) == len(ids)
    for location in [*result["locations"], *result["relatedLocations"]]:
        artifact, region = (location["physicalLocation"][name] for name in ("artifactLocation", "region"))
        assert uris[artifact["index"]] == artifact["uri"]
        assert region["startLine"] <= region["endLine"]
        parsed = urlparse(artifact["uri"])
        # Either absolute, or relative to a base that is named.
        assert bool(parsed.scheme) != ("uriBaseId" in artifact)
        assert unquote(parsed.path)
