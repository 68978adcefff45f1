"""What GitHub documents of a SARIF log that it shows as alerts; the list stands in `github_sarif_rules.json`."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlparse


@cache
def rules() -> dict[str, Any]:
    """The committed list."""
    content: dict[str, Any] = json.loads(Path(__file__).with_name("github_sarif_rules.json").read_text())
    return content


def check_github(log: dict[str, Any]) -> None:
    """Fail with what GitHub would refuse, cut or not use of a log, if anything."""
    required, limits = rules()["required"], rules()["limits"]
    _has(log, required["log"])
    assert log["version"] == "2.1.0"
    assert len(gzip.compress(json.dumps(log).encode())) <= limits["gzip_bytes"]
    for run in log["runs"]:
        _has(run, required["run"])
        declared = run["tool"]["driver"]["rules"]
        assert len(declared) <= limits["rules_per_run"]
        assert len(run["results"]) <= limits["results_shown"] <= limits["results_per_run"]
        for rule in declared:
            _check_rule(rule)
        for result in run["results"]:
            _has(result, required["result"])
            assert result["ruleId"] in {rule["id"] for rule in declared}
            assert result["level"] in rules()["levels"]
            assert len(result["locations"]) == 1
            assert len(result["relatedLocations"]) <= limits["locations_per_result"]
            for location in [*result["locations"], *result["relatedLocations"]]:
                _has(location, required["location"])
        _check_identities(run["results"])
        # A relative URI is one of the checkout, whatever folder it was made in.
        assert {urlparse(one["location"]["uri"]).scheme for one in run["artifacts"]} <= {"", "file"}


def _check_rule(rule: dict[str, Any]) -> None:
    limits = rules()["limits"]
    _has(rule, rules()["required"]["rule"] + rules()["recommended"]["rule"])
    assert len(rule["name"]) <= limits["rule_name_characters"]
    assert (
        max(len(rule[name]["text"]) for name in ("shortDescription", "fullDescription"))
        <= (limits["description_characters"])
    )
    properties = rule["properties"]
    assert properties["precision"] in rules()["precisions"]
    # A number as text.
    assert isinstance(properties["security-severity"], str)
    assert rules()["severity_above"] < float(properties["security-severity"]) <= rules()["severity_up_to"]
    assert rules()["tag_of_security_rules"] in properties["tags"]
    assert len(properties["tags"]) <= limits["tags_per_rule"]


def _check_identities(results: list[dict[str, Any]]) -> None:
    """Two results of one file and rule with one hash would be one alert."""
    marks = [
        (
            result["ruleId"],
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["partialFingerprints"]["primaryLocationLineHash"],
        )
        for result in results
    ]
    assert len(set(marks)) == len(marks)


def _has(value: dict[str, Any], paths: list[str]) -> None:
    for path in paths:
        found: Any = value
        for name in path.split("."):
            # A property's own name may have a dot or a dash, none of ours has one.
            assert name in found, f"{path} is missing"
            found = found[name]
        # The empty string is not supported for required properties.
        assert found != "", f"{path} is empty"
