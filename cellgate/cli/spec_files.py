"""Specs from YAML or JSON files."""

from pathlib import Path
from typing import Any

import yaml

from cellgate.cli.yaml_values import YamlMistakes, yaml_value
from cellgate.contract.exit_codes import UsageError


def read_spec(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file (JSON is YAML).

    Raises:
        UsageError: The file cannot be read, is not YAML, holds something else than a mapping, or has values that YAML's
            versions read differently, keys that are there twice or tags; all of these are listed with their lines.
    """
    try:
        found = yaml_value(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path}: is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    except YamlMistakes as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path}: holds {type(found).__name__}, expected a mapping such as `name: …`")
    return found
