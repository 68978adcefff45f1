"""Groups of rows that belong together and must not be divided between splits."""

import hashlib
from collections.abc import Iterable, Sequence

from cellgate.contract.configs import GroupBy
from trainers.data.read.rows import Row

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
