"""Versions: data sets of one name, numbered from 1 in the order in which they were made or given that name.

A number is given once. It stays that of a data set that was deleted or renamed, of the last one of its name too.
"""

from pathlib import Path

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from cellgate.contract.specs import PreviousVersion
from cellgate.contract.states import DatasetState
from service.store.locks import AdvisoryLock, one_at_a_time
from service.store.tables import DatasetNameRow, DatasetRow


def next_version(session: Session, name: str) -> int:
    """Return the number of the next data set of this name; no other transaction gets it before this one ends."""
    one_at_a_time(session, AdvisoryLock.DATASET_NAMES)
    given = session.scalar(select(DatasetNameRow.last_version).where(DatasetNameRow.name == name))
    # A process of the release before does not say which numbers it has given.
    in_use = session.scalar(select(func.max(DatasetRow.name_version)).where(DatasetRow.name == name))
    version = max(given or 0, in_use or 0) + 1
    if given is None:
        session.execute(insert(DatasetNameRow).values(name=name, last_version=version))
    else:
        session.execute(update(DatasetNameRow).where(DatasetNameRow.name == name).values(last_version=version))
    return version


def version_before(session: Session, dataset: DatasetRow, root: Path) -> PreviousVersion | None:
    """Return the newest ready version before one that is to be prepared; None if there is none.

    Args:
        session: An open transaction.
        dataset: The new version.
        root: The artifact root.
    """
    earlier = select(DatasetRow).where(
        DatasetRow.name == dataset.name,
        DatasetRow.name_version < dataset.name_version,
        DatasetRow.state == DatasetState.READY.value,
    )
    found = session.scalar(earlier.order_by(DatasetRow.name_version.desc()).limit(1))
    if found is None or found.path is None:
        return None
    return PreviousVersion(id=found.id, version=found.name_version, path=root / found.path)
