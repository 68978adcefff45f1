"""What a version of a data set changed against the one before: functions by the hash of their text, and settings."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cellgate.contract.configs import PrepareConfig, Split
from cellgate.contract.results import DatasetChanges, SettingChange
from cellgate.contract.specs import PreviousVersion
from trainers.data.clean.duplicates import exact_key
from trainers.data.dataset import Dataset
from trainers.data.read.row import Row

Placed = tuple[int, Split]


def compare_versions(
    previous: PreviousVersion, rows: Sequence[Row], splits: Sequence[Split], settings: Mapping[str, object]
) -> DatasetChanges:
    """Return what differs.

    Args:
        previous: The version before.
        rows: Functions of the new version; no two share a hash.
        splits: The split of each.
        settings: That the new version was prepared with.

    Raises:
        DataError: The version before is missing or damaged.
    """
    dataset = Dataset.open(previous.path)
    before = _placed(dataset)
    after: dict[bytes, Placed] = {
        exact_key(row.func): (row.label, split) for row, split in zip(rows, splits, strict=True)
    }
    shared = before.keys() & after.keys()
    return DatasetChanges(
        previous=previous.id,
        version=previous.version,
        added=len(after.keys() - before.keys()),
        removed=len(before.keys() - after.keys()),
        relabelled=sum(before[key][0] != after[key][0] for key in shared),
        moved=sum(before[key][1] is not after[key][1] for key in shared),
        unchanged=sum(before[key] == after[key] for key in shared),
        settings=list(_setting_changes(dataset.manifest.prepare, settings)),
    )


def _placed(dataset: Dataset) -> dict[bytes, Placed]:
    found: dict[bytes, Placed] = {}
    for split in Split:
        rows = dataset.rows(split)
        labels = dataset.labels(np.asarray(rows)).tolist()
        found.update(
            (exact_key(func), (label, split)) for func, label in zip(dataset.sources(rows), labels, strict=True)
        )
    return found


def _setting_changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[SettingChange]:
    """Yield the settings that differ; one that a manifest does not name has its default."""
    defaults = dict(_flat("", PrepareConfig().model_dump(mode="json")))
    old, new = dict(_flat("", before)), dict(_flat("", after))
    for name in sorted(old.keys() | new.keys()):
        was, is_now = old.get(name, defaults.get(name)), new.get(name, defaults.get(name))
        if was != is_now:
            yield SettingChange(name=name, before=was, after=is_now)


def _flat(prefix: str, settings: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
