"""Specs from YAML or JSON files."""

from pathlib import Path
from typing import Any

import yaml

from cellgate.contract.exit_codes import UsageError


def read_spec(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file (JSON is YAML).

    Raises:
        UsageError: The file cannot be read, is not YAML, or holds something else than a mapping.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path}: holds {type(found).__name__}, expected a mapping such as `name: …`")
    return {str(name): value for name, value in found.items()}
