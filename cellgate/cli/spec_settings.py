"""`--set key=value`: fields of a spec from the command line, by dotted path, with values as YAML has them."""

from collections.abc import Sequence
from typing import Any

import yaml

from cellgate.cli.yaml_values import YamlMistakes, yaml_value
from cellgate.contract.api.experiments import ExperimentCreate
from cellgate.contract.api.jobs import JobCreate
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.suggestions import did_you_mean, fields_at

EXPECTED = "expected KEY=VALUE, such as transformer.training.epochs=4"


def set_fields(body: dict[str, Any], settings: Sequence[str]) -> None:
    """Put settings into a spec, in place; the last of two for one field counts.

    Args:
        body: The spec.
        settings: Each as `key.of.field=value`.

    Raises:
        UsageError: A setting cannot be read, or names no field; all such are listed, and nothing is set.
    """
    mistakes: list[str] = []
    read = []
    for setting in settings:
        path, equals, text = setting.partition("=")
        parts = path.strip().split(".")
        if not equals or not all(parts):
            mistakes.append(f"--set {setting}: {EXPECTED}")
            continue
        wrong = _unknown(body, parts)
        if wrong:
            mistakes.append(f"--set {setting}: {wrong}")
            continue
        try:
            read.append((parts, yaml_value(text)))
        except YamlMistakes as error:
            mistakes.append(f"--set {setting}: {' '.join(str(error).split())}")
        except (yaml.YAMLError, RecursionError) as error:
            mistakes.append(f"--set {setting}: the value is not YAML: {' '.join(str(error).split())}")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    for parts, value in read:
        _put(body, parts, value)


def labels_of(texts: Sequence[str], *, removable: bool = False) -> dict[str, str]:
    """Return labels by key.

    Args:
        texts: Each as `key=value`.
        removable: Whether a value may be empty.

    Raises:
        UsageError: A text is no label; all such are listed.
    """
    found = [(text, *text.partition("=")) for text in texts]
    wrong = [text for text, key, equals, value in found if not key or not equals or not (value or removable)]
    if wrong:
        also = ", or KEY= to remove it" if removable else ""
        raise UsageError("\n".join(f"found --label {text}, expected KEY=VALUE{also}" for text in wrong))
    return {key: value for _, key, _, value in found}


def _unknown(body: dict[str, Any], parts: Sequence[str]) -> str:
    """Return what is wrong with a path; empty where the spec has such a field."""
    model: Any = ExperimentCreate
    above: list[str | int] = []
    if "cell" in body:
        model, above = JobCreate, [str(body["cell"])]
    for place, part in enumerate(parts):
        known = fields_at(model, [*above, *parts[:place]])
        if not known and place:
            return f"{'.'.join(parts[:place])} has no fields"
        if known and part not in known:
            where = ".".join(parts[:place]) or "a spec"
            advice = did_you_mean(part, known) or f"there are {', '.join(sorted(known))}"
            return f"{where} has no field {part}; {advice}"
    return ""


def _put(body: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    *above, last = parts
    for part in above:
        inner = body.get(part)
        # What stands there as null, or as another value, is replaced.
        body[part] = dict(inner) if isinstance(inner, dict) else {}
        body = body[part]
    body[last] = value
