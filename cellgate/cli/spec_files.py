"""Specs from YAML or JSON files, and data sets by name."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.states import DatasetState


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


def named_dataset(datasets: Iterable[DatasetAnswer], name: str) -> str:
    """Return the id of the newest data set of that name that has not failed.

    Args:
        datasets: All data sets, newest first.
        name: A name, or an id, which is returned unchanged.

    Raises:
        UsageError: No data set has this name; the message lists the known names.
    """
    if name.startswith("ds_"):
        return name
    names: list[str] = []
    for dataset in datasets:
        if dataset.name == name and dataset.state is not DatasetState.FAILED:
            return dataset.id
        names.append(dataset.name)
    known = ", ".join(sorted(set(names))) or "none yet"
    raise UsageError(f"there is no data set named {name} (known: {known}): add it with `cellgate dataset add FILE`")
