"""Which split each group of functions is in: by chance, as published, by time, or by project."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from cellgate.contract.configs import GroupBy, PrepareConfig, Split, SplitBy, SplitFractions
from cellgate.contract.inspection import Refusal
from trainers.data.clean.splits import Assignment, assign_for_evaluation, assign_splits
from trainers.data.read.error_collector import shown
from trainers.data.read.row import Row

_TRAIN, _VALID, _TEST = ("train", "training"), ("valid", "validation", "val", "dev", "development"), ("test", "testing")


def assign(rows: Sequence[Row], groups: Sequence[str], config: PrepareConfig) -> Assignment:
    """Assign whole groups to splits, as the configuration says.

    Args:
        rows: Those that are kept.
        groups: The group of each.

    Raises:
        DataError: A row's split is missing, or has a name that is not known.
    """
    if config.evaluation is not None:
        return assign_for_evaluation(
            rows, groups, evaluation=config.evaluation, fractions=config.splits, seed=config.split_seed
        )
    if config.split_by is SplitBy.TIME:
        return Assignment(splits=_by_time(rows, groups, config.splits, config.split_seed), moved=0)
    honour = published_mapping(row.split for row in rows) if config.split_by is SplitBy.PUBLISHED else {}
    return assign_splits(
        rows, groups, fractions=config.splits, honour=config.honour_split or honour, seed=config.split_seed
    )


def published_mapping(names: Iterable[str | None]) -> dict[str, list[Split]]:
    """Return to which of our splits the rows of the source's may go.

    Where it has a split for validation and one for tests, the first is divided into dev and fuse, the other into gate
    and test; where it has one of both, that one is divided into all four.
    """
    found = sorted({name for name in names if name is not None})
    kinds = {name: name.strip().casefold() for name in found}
    has_valid = any(kind in _VALID for kind in kinds.values())
    has_test = any(kind in _TEST for kind in kinds.values())
    others = [Split.DEV, Split.FUSE, Split.GATE, Split.TEST]
    of_valid, of_test = others[:2] if has_test else others, others[2:] if has_valid else others
    targets = ((_TRAIN, [Split.TRAIN]), (_VALID, of_valid), (_TEST, of_test))
    return {name: splits for name, kind in kinds.items() for words, splits in targets if kind in words}


def _by_time(rows: Sequence[Row], groups: Sequence[str], fractions: SplitFractions, seed: int) -> list[Split]:
    """Fill the splits from the oldest group to the newest; one without a date is train's.

    A group is as old as its newest function: what is learnt from it is then known before anything that it is tested on.
    """
    newest: dict[str, str] = {}
    sizes = Counter(groups)
    for row, group in zip(rows, groups, strict=True):
        newest[group] = max(newest.get(group, ""), row.date or "")

    def order(group: str) -> tuple[str, bytes]:
        return newest[group], hashlib.sha256(f"{seed}:{group}".encode()).digest()

    ends, total = [], 0.0
    for split in Split:
        total += getattr(fractions, split.value)
        ends.append(total * len(rows))
    chosen, before, place = {}, 0, 0
    for group in sorted(newest, key=order):
        # The middle of a group decides, so that a large one lies where most of it belongs.
        while place < len(ends) - 1 and before + sizes[group] / 2 > ends[place]:
            place += 1
        chosen[group] = tuple(Split)[place]
        before += sizes[group]
    return [chosen[group] for group in groups]


def split_refusals(rows: Sequence[Row], groups: Sequence[str], config: PrepareConfig) -> list[Refusal]:
    """Return why functions cannot be assigned as the configuration says.

    Args:
        rows: Before or after copies are dropped.
        groups: The group of each.
    """
    found = []
    if rows and config.split_by is SplitBy.TIME and all(row.date is None for row in rows):
        found.append(_lacks("date", "split: time"))
    if rows and config.split_by is SplitBy.PROJECT and all(row.project is None for row in rows):
        found.append(_lacks("project", "split: project"))
    if rows and config.split_by is SplitBy.PUBLISHED:
        found += _unpublished(rows, config)
    sizes = Counter(groups)
    least = len(config.used_splits)
    # With fewer groups than splits, no assignment is possible.
    if rows and len(sizes) < least:
        name = largest_group_name(rows, groups, config.tied_by)
        what = f"all {len(rows)} functions are one group" if len(sizes) == 1 else f"{len(sizes)} groups"
        found.append(
            Refusal(
                where="groups",
                found=f"{what}: {name}" if len(sizes) == 1 else f"{what}, the largest is {name}",
                expected=f"at least {least} groups, one for each split",
                fix="read another column, or group by something finer; add one of these lines (--config)",
                config=["split: random"]
                if config.split_by is SplitBy.PROJECT
                else ["fields: {commit: COLUMN}", "group_by: [pair]", "group_by: []"],
            )
        )
    return found


def _lacks(field: str, setting: str) -> Refusal:
    return Refusal(
        where="all rows",
        found=f"no {field}",
        expected=f"{field}s, which {setting} needs",
        fix=f"name the column that holds a {field}, or split in another way; add one of these lines (--config)",
        config=[f"fields: {{{field}: COLUMN}}", "split: random"],
    )


def _unpublished(rows: Sequence[Row], config: PrepareConfig) -> list[Refusal]:
    counts = Counter(row.split for row in rows)
    mapping = config.honour_split or published_mapping(counts)
    unmapped = {name: count for name, count in counts.items() if name not in mapping}
    targets = {split for splits in mapping.values() for split in splits}
    if not unmapped and len(targets) == len(Split):
        return []
    stated = ", ".join(f"{shown(name)} ({count})" for name, count in counts.items())
    return [
        Refusal(
            where="splits of the source",
            found=f"{stated}: {'names without a split of ours' if unmapped else 'no rows for some of our splits'}",
            expected="train, and valid or test or both; every row in one",
            fix="map every name, or split in another way; add one of these lines (--config)",
            config=[
                f"honour_split: {{{', '.join(f'{name}: [{_proposed(name)}]' for name in counts if name)}}}",
                "split: random",
            ],
        )
    ]


def _proposed(name: str) -> str:
    mapped = published_mapping([name, "train", "valid", "test"]).get(name, [Split.TRAIN])
    return ", ".join(mapped)


def largest_group_name(rows: Sequence[Row], groups: Sequence[str], tied_by: Sequence[GroupBy]) -> str:
    """Return what most functions of the largest group share, e.g. `commit 'c1' in project 'p'`."""
    if not groups:
        return ""
    largest, size = Counter(groups).most_common(1)[0]
    members = [row for row, group in zip(rows, groups, strict=True) if group == largest]
    for field in tied_by:
        values = Counter(
            (row.project if field is GroupBy.COMMIT else None, getattr(row, field.value)) for row in members
        )
        (project, value), count = values.most_common(1)[0]
        if value is not None and 2 * count > size and size > 1:
            return f"{field.value} {shown(value)}" + (f" in project {shown(project)}" if project is not None else "")
    return "functions tied in a chain" if size > 1 else f"function {shown(members[0].id)}"
