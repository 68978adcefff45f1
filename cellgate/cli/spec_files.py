"""Reading a spec from a YAML or JSON file, and what it means to name a data set."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from cellgate.contract.api.datasets import DatasetAnswer
from cellgate.contract.states import DatasetState


class BadInput(ValueError):
    """What the command line was given cannot be used; the message says why."""


def read_spec(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML or JSON file holds (JSON is YAML).

    Raises:
        BadInput: It cannot be read, is not YAML, or holds something else than a mapping.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise BadInput(f"{path}: holds {type(found).__name__}, expected a mapping such as `name: …`")
    return {str(name): value for name, value in found.items()}


def named_dataset(datasets: Iterable[DatasetAnswer], name: str) -> str:
    """Return the id of the newest data set of that name that has not failed.

    Args:
        datasets: All there are, newest first.
        name: A name, or an id, which is returned as it is.

    Raises:
        BadInput: There is none; the message lists the names there are.
    """
    if name.startswith("ds_"):
        return name
    names: list[str] = []
    for dataset in datasets:
        if dataset.name == name and dataset.state is not DatasetState.FAILED:
            return dataset.id
        names.append(dataset.name)
    known = ", ".join(sorted(set(names))) or "none yet"
    raise BadInput(f"there is no data set named {name} (known: {known}): add it with `cellgate dataset add FILE`")
