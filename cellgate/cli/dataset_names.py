"""Data sets by id, by name, and by name and version."""

import re

from cellgate.client._sync.client import Client
from cellgate.client.identities import beginning_of
from cellgate.contract.api.resources import Archived
from cellgate.contract.exit_codes import UsageError
from cellgate.contract.states import DatasetState

VERSIONED = re.compile(r"(?P<name>.+)@(?P<version>[1-9]\d{0,8})")


def named_dataset(client: Client, wanted: str) -> str:
    """Return the id of a data set.

    Args:
        client: Of the service that has it.
        wanted: An id, or the beginning of one; a name: its newest version that has not failed; or `name@version`.

    Raises:
        NotIdentified: Several ids begin so.
        UsageError: There is none; the message lists the known names, or the versions of that name.
    """
    if beginning_of(wanted) is not None and wanted.startswith("ds_"):
        return client.find(wanted, "datasets").id
    usable = [dataset for dataset in client.datasets(name=wanted) if dataset.state is not DatasetState.FAILED]
    if usable:
        # Not the first of the list: one that was renamed is older than its number.
        return max(usable, key=lambda dataset: dataset.version).id
    versioned = VERSIONED.fullmatch(wanted)
    if versioned is not None:
        return _version_of(client, versioned["name"], int(versioned["version"]))
    known = ", ".join(sorted({dataset.name for dataset in client.datasets()})) or "none yet"
    raise UsageError(f"there is no data set named {wanted} (known: {known}): add it with `cellgate dataset add FILE`")


def _version_of(client: Client, name: str, version: int) -> str:
    versions = {dataset.version: dataset.id for dataset in client.datasets(name=name, archived=Archived.ALL)}
    if version not in versions:
        known = ", ".join(map(str, sorted(versions))) or "none"
        raise UsageError(f"data set {name} has no version {version} (known: {known}): see `cellgate dataset ls`")
    return versions[version]
