"""What each split shares with train (commits, projects, weaknesses, time), and how its labels and lengths differ."""

# Shapes: K lengths, R functions of one split.
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.composition import DateRange, LengthShift, SharedWithTrain, SplitComposition
from cellgate.contract.configs import Split
from trainers.data.read.row import Row

DIGITS = 6
# Differences from which on a threshold that was fixed on one split may not hold on another ...
MAX_PREVALENCE_SHIFT = 0.05
MAX_LENGTH_DISTANCE = 0.1
# ... if they are more than chance: standard errors, and the 1 % point of the Kolmogorov-Smirnov distance.
SHIFT_ERRORS = 3.0
KS_POINT = 1.63
MAX_SHARED_COMMITS = 0.02
MAX_OLDER = 0.5


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What is known of a split's functions: (R,) each, and which values occur at all."""

    rows: int
    positives: int
    values: Mapping[str, Sequence[Set[str]]]
    seen: Mapping[str, Set[str]]
    dates: Sequence[str]
    sizes_R: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        values = {
            "commits": [_one(row.commit) for row in rows],
            "projects": [_one(row.project) for row in rows],
            "weaknesses": [_weaknesses(row) for row in rows],
        }
        return cls(
            rows=len(rows),
            positives=sum(row.label for row in rows),
            values=values,
            seen={name: frozenset().union(*found) for name, found in values.items()},
            dates=[row.date for row in rows if row.date is not None],
            sizes_R=np.sort(np.array([len(row.text) for row in rows], dtype=np.int64)),
        )

    @property
    def prevalence(self) -> float:
        return self.positives / self.rows

    def shared(self, name: str, train: Self) -> SharedWithTrain:
        known = [values for values in self.values[name] if values]
        return SharedWithTrain(
            known=len(known), in_train=sum(not train.seen[name].isdisjoint(values) for values in known)
        )


def compose(rows: Sequence[Row], splits: Sequence[Split]) -> dict[Split, SplitComposition]:
    """Return the composition of every split that has functions; nothing where train has none.

    Args:
        splits: Each row's split.
    """
    members: dict[Split, list[Row]] = {split: [] for split in Split}
    for row, split in zip(rows, splits, strict=True):
        members[split].append(row)
    facts = {split: _Facts.of(own) for split, own in members.items() if own}
    train = facts.get(Split.TRAIN)
    return {} if train is None else {split: _compose(own, train) for split, own in facts.items()}


def _compose(own: _Facts, train: _Facts) -> SplitComposition:
    return SplitComposition(
        rows=own.rows,
        prevalence=round(own.prevalence, DIGITS),
        prevalence_shift_errors=round(_shift_errors(own, train), DIGITS),
        commits=own.shared("commits", train),
        projects=own.shared("projects", train),
        weaknesses=own.shared("weaknesses", train),
        dates=_dates(own.dates, None if own is train else max(train.dates, default=None)),
        lengths=_lengths(own.sizes_R, train.sizes_R),
    )


def _one(value: str | None) -> Set[str]:
    return frozenset() if value is None else frozenset({value})


def _weaknesses(row: Row) -> Set[str]:
    if row.cwe is None or not row.label:
        return frozenset()
    return frozenset(part.strip() for part in row.cwe.split(",") if part.strip())


def _shift_errors(own: _Facts, train: _Facts) -> float:
    """Return the difference of both prevalences in standard errors, pooled; 0 where neither varies."""
    pooled = (own.positives + train.positives) / (own.rows + train.rows)
    variance = pooled * (1 - pooled) * (1 / own.rows + 1 / train.rows)
    return abs(own.prevalence - train.prevalence) / math.sqrt(variance) if variance else 0.0


def _dates(dates: Sequence[str], newest_of_train: str | None) -> DateRange | None:
    if not dates:
        return None
    older = None if newest_of_train is None else sum(date < newest_of_train for date in dates)
    return DateRange(known=len(dates), earliest=min(dates), latest=max(dates), before_train_ends=older)


def _lengths(own_R: NDArray[np.int64], train_R: NDArray[np.int64]) -> LengthShift:
    found_K = np.union1d(own_R, train_R)
    up_to = [np.searchsorted(sizes_R, found_K, side="right") / len(sizes_R) for sizes_R in (own_R, train_R)]
    return LengthShift(
        median_chars=int(np.percentile(own_R, 50, method="nearest")),
        distance=round(float(np.abs(up_to[0] - up_to[1]).max()), DIGITS),
    )


def composition_warnings(found: Mapping[Split, SplitComposition]) -> list[str]:
    """Return what of the composition makes a score on these splits mean less, or something else.

    Args:
        found: As of `compose`.
    """
    if not found:
        return []
    train = found[Split.TRAIN]
    warnings = []
    for shown, of_split in (
        ("Functions share a commit with train: {}. Group by commit.", _shared_commits),
        (
            "Functions are older than the newest one of train: {}. A score on them is one on the past; prepare with "
            'split "time" to measure on later code.',
            _older,
        ),
        (
            f"The share of vulnerable functions is not that of train ({train.prevalence:.1%}): {{}}. A threshold or a "
            "probability that fits one may not fit the other.",
            partial(_other_prevalence, train=train),
        ),
        (
            f"Functions are not as long as those of train (median {train.lengths.median_chars} characters): {{}}. Look "
            "whether one part was cut, or chosen otherwise.",
            partial(_other_lengths, train=train),
        ),
    ):
        texts = {split: of_split(one) for split, one in found.items() if split is not Split.TRAIN}
        listed = ", ".join(f"{text} of {split.value}" for split, text in texts.items() if text is not None)
        if listed:
            warnings.append(shown.format(listed))
    return warnings


def _shared_commits(one: SplitComposition) -> str | None:
    share = one.commits.in_train / one.rows
    return f"{share:.1%}" if share > MAX_SHARED_COMMITS else None


def _older(one: SplitComposition) -> str | None:
    if one.dates is None or one.dates.before_train_ends is None:
        return None
    share = one.dates.before_train_ends / one.dates.known
    return f"{share:.1%}" if share > MAX_OLDER else None


def _other_prevalence(one: SplitComposition, *, train: SplitComposition) -> str | None:
    is_real = one.prevalence_shift_errors > SHIFT_ERRORS
    is_large = abs(one.prevalence - train.prevalence) > MAX_PREVALENCE_SHIFT
    return f"{one.prevalence:.1%}" if is_real and is_large else None


def _other_lengths(one: SplitComposition, *, train: SplitComposition) -> str | None:
    chance = KS_POINT * math.sqrt(1 / one.rows + 1 / train.rows)
    return f"{one.lengths.median_chars}" if one.lengths.distance > max(MAX_LENGTH_DISTANCE, chance) else None
