"""Groups of rows that must not be divided, and the split of each: by a seeded hash, with shares near those given."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cellgate.contract.configs import EvaluationSplits, GroupBy, Split, SplitFractions
from trainers.data.read.error_collector import ErrorCollector, shown
from trainers.data.read.row import Row


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Each row's split.

    Args:
        splits: One per row.
        moved: Rows that could not keep the file's split, for their group had rows in another.
    """

    splits: list[Split]
    moved: int


class _Balance:
    """Fills splits in proportion, positives and negatives each by themselves."""

    def __init__(self, allowed: Sequence[Split], fractions: Mapping[Split, float], counts: list[int]) -> None:
        total = sum(fractions[split] for split in allowed)
        self._target = {split: [max(count * fractions[split] / total, 1e-9) for count in counts] for split in allowed}
        self._filled = {split: [0, 0] for split in allowed}

    def place(self, counts: list[int]) -> Split:
        """Return the split that a group of so many negatives and positives fits best, and fill it in."""
        split = max(self._target, key=lambda candidate: self._need(candidate, counts))
        for label in (0, 1):
            self._filled[split][label] += counts[label]
        return split

    def _need(self, split: Split, counts: list[int]) -> float:
        target, filled = self._target[split], self._filled[split]
        return sum(counts[label] * (1 - filled[label] / target[label]) for label in (0, 1))


def assign_splits(
    rows: Sequence[Row],
    groups: Sequence[str],
    *,
    fractions: SplitFractions,
    honour: Mapping[str, Sequence[Split]],
    seed: int,
) -> Assignment:
    """Assign whole groups to splits.

    Args:
        groups: Each row's group.
        fractions: Share of the rows in each split.
        honour: The file's split names, and ours that their rows may go to; empty: the file's are ignored.
        seed: Another seed gives another assignment.

    Raises:
        DataError: A row's split is missing or is no key of `honour`.
    """
    shares = {split: getattr(fractions, split.value) for split in Split}
    allowed_of_row = _allowed_splits(rows, honour)
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    allowed = {group: _common([allowed_of_row[p] for p in places]) for group, places in members.items()}
    chosen = _fill(rows, members, allowed, shares, seed)
    splits = [chosen[group] for group in groups]
    moved = sum(split not in allowed_of_row[place] for place, split in enumerate(splits))
    return Assignment(splits=splits, moved=moved)


def _allowed_splits(rows: Sequence[Row], honour: Mapping[str, Sequence[Split]]) -> list[tuple[Split, ...]]:
    if not honour:
        return [tuple(Split)] * len(rows)
    allowed = {name: tuple(split for split in Split if split in splits) for name, splits in honour.items()}
    problems = ErrorCollector()
    for name, splits in allowed.items():
        if not splits:
            problems.add(f"honour_split.{name}", found="no split", expected="at least one of ours", fix="name one")
    unmapped: dict[str | None, list[Row]] = {}
    for row in rows:
        if row.split not in allowed:
            unmapped.setdefault(row.split, []).append(row)
    for value, found in unmapped.items():
        problems.add(
            f"{found[0].where}, split",
            found=shown(value) if len(found) == 1 else f"{shown(value)}, as in {len(found) - 1} rows more",
            expected=f"one of {shown(sorted(allowed))}",
            fix="add the name to honour_split, or set another `split`",
        )
    problems.raise_if_any("the file's splits cannot be honoured")
    return [allowed[row.split or ""] for row in rows]


def _common(allowed: Sequence[tuple[Split, ...]]) -> tuple[Split, ...]:
    """Return the splits that suit a whole group; rows that disagree go where the most may be learnt from them.

    A group with rows in the file's train and test goes to train: that keeps test unseen.
    """
    shared = tuple(split for split in allowed[0] if all(split in other for other in allowed))
    return shared or min(allowed, key=lambda splits: list(Split).index(splits[0]))


def _fill(
    rows: Sequence[Row],
    members: Mapping[str, list[int]],
    allowed: Mapping[str, tuple[Split, ...]],
    shares: Mapping[Split, float],
    seed: int,
) -> dict[str, Split]:
    totals: dict[tuple[Split, ...], list[int]] = {}
    counts: dict[str, list[int]] = {}
    for group, places in members.items():
        positives = sum(rows[place].label for place in places)
        counts[group] = [len(places) - positives, positives]
        total = totals.setdefault(allowed[group], [0, 0])
        total[0] += counts[group][0]
        total[1] += counts[group][1]
    balances = {splits: _Balance(splits, shares, total) for splits, total in totals.items()}

    def order(group: str) -> tuple[int, bytes]:
        # Large groups first, while every split still has room for them.
        return -len(members[group]), hashlib.sha256(f"{seed}:{group}".encode()).digest()

    return {group: balances[allowed[group]].place(counts[group]) for group in sorted(members, key=order)}


def assign_for_evaluation(
    rows: Sequence[Row], groups: Sequence[str], *, evaluation: EvaluationSplits, fractions: SplitFractions, seed: int
) -> Assignment:
    """Assign whole groups to the splits of a data set that nothing is trained on.

    Args:
        groups: Each row's group.
        evaluation: Those splits.
        fractions: Of several splits, the share of each in proportion to these.
        seed: Another seed gives another assignment.
    """
    shares = {split: getattr(fractions, split.value) for split in evaluation.splits}
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    chosen = _fill(rows, members, dict.fromkeys(members, evaluation.splits), shares, seed)
    return Assignment(splits=[chosen[group] for group in groups], moved=0)


def check_splits(splits: Sequence[Split], labels: Sequence[int], *, used: Sequence[Split] = tuple(Split)) -> None:
    """Refuse an assignment that cannot be trained on or measured with.

    Args:
        used: Splits that must have both classes.

    Raises:
        DataError: A split lacks one of the two classes.
    """
    counts = {split: [0, 0] for split in used}
    for split, label in zip(splits, labels, strict=True):
        counts[split][label] += 1
    problems = ErrorCollector()
    for split, (negatives, positives) in counts.items():
        if not negatives or not positives:
            problems.add(
                f"split {split}",
                found=f"{negatives} functions of label 0 and {positives} of label 1",
                expected="at least one of each",
                fix="give more data, a larger share in `splits`, smaller groups, or another split_seed",
            )
    problems.raise_if_any("the splits cannot be used: a class is missing")


NAME_HEX_DIGITS = 16


class DisjointSets:
    """Sets that merge, over the places 0 to `size` - 1; the lowest place stands for its set."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def find(self, place: int) -> int:
        """Return the lowest place of the set that holds `place`."""
        above = self._above
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    def join(self, first: int, second: int) -> None:
        """Make one set of two."""
        low, high = sorted((self.find(first), self.find(second)))
        self._above[high] = low


def group_rows(
    rows: Sequence[Row], copies: Sequence[int], group_by: Sequence[GroupBy], ties: Iterable[tuple[int, int]] = ()
) -> list[str]:
    """Return each row's group: rows that share a commit, pair or project (as configured) or are copies, in any chain.

    Args:
        rows: All rows that were read: a dropped copy still ties its commit to that of the copy that stays.
        copies: For each row the place of the first of its copies.
        group_by: What ties rows together.
        ties: Places of two rows that belong together for another reason.

    Returns:
        A name per row, equal within a group; it depends on the ids in the group, not on their order.
    """
    sets = DisjointSets(len(rows))
    first_with: dict[tuple[GroupBy, str], int] = {}
    for place, row in enumerate(rows):
        sets.join(place, copies[place])
        for field in group_by:
            value = getattr(row, field.value)
            if value is not None:
                # One commit id in two projects is two commits.
                scope = f"{row.project or ''}\0{value}" if field is GroupBy.COMMIT else value
                sets.join(place, first_with.setdefault((field, scope), place))
    for first, second in ties:
        sets.join(first, second)
    members: dict[int, str] = {}
    roots = [sets.find(place) for place in range(len(rows))]
    for place, root in enumerate(roots):
        members[root] = min(members.get(root, rows[place].id), rows[place].id)
    names = {root: _name(lowest) for root, lowest in members.items()}
    return [names[root] for root in roots]


def _name(lowest_id: str) -> str:
    return hashlib.sha256(lowest_id.encode()).hexdigest()[:NAME_HEX_DIGITS]
