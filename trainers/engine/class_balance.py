"""Balance between the classes in training: where it starts, what a rare class weighs, how often its functions come."""

# Shapes: R training rows.
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cellgate.contract.configs import TrainingConfig
from trainers.engine.task import Rows

EVEN = (1.0, 1.0)
_Labels = npt.NDArray[np.int64]


def class_weights(label_R: _Labels) -> tuple[float, float]:
    """Return each class's loss weight: inverse to its frequency, with mean 1 over the rows.

    A step's loss is the sum of its functions' weighted losses over their number, not over the sum of their weights:
    a batch without the rare class would else count as much as one with it, and the classes would not be even.

    Args:
        label_R: 0 or 1, of the training rows.

    Source:
        King and Zeng 2001, "Logistic Regression in Rare Events Data", weighting with a population share of 1/2.
    """
    counts = np.bincount(label_R, minlength=2)
    if counts.min() == 0:
        return EVEN
    negatives, positives = (len(label_R) / (2 * int(count)) for count in counts)
    return negatives, positives


def start_at_prior(last: nn.Linear, label_R: _Labels, config: TrainingConfig) -> None:
    """Set the bias of a classifier's last layer so that its first verdicts are the prevalence that it trains on.

    Where vulnerable functions are rare, most of the first steps would else go into this bias. The loss falls fast
    meanwhile, whatever the functions say, and a range test takes that for learning.

    Args:
        last: With one output for each class; changed in place. One without a bias is left as it is.
        label_R: 0 or 1, of the training rows.
        config: Where it balances the classes, the network starts even.

    Source:
        Lin et al. 2017 (focal loss), arXiv 1708.02002, section 4.1, "Initialization".
    """
    shares = starting_shares(label_R, config)
    if last.bias is None or shares.min() == 0:
        return
    with torch.no_grad():
        last.bias.copy_(torch.from_numpy(np.log(shares)))


def starting_shares(label_R: _Labels, config: TrainingConfig) -> npt.NDArray[np.float64]:
    """Return the share of each class in what the loss is taken over, (2,).

    Args:
        label_R: 0 or 1, of the training rows; at least one.
        config: Weighted and sampled classes have a half each.
    """
    counts = np.bincount(label_R, minlength=2)
    is_even = config.class_balance != "none" and counts.min() > 0
    return np.full(2, 0.5) if is_even else counts / counts.sum()


def balanced_rounds(
    rows: Rows, label_R: _Labels, rng: np.random.Generator, *, pairs: Sequence[str | None] | None = None
) -> list[Rows]:
    """Divide an epoch into rounds with as many rows of one class as of the other.

    A row of the common class is in exactly one round, with its pair's other member; one of the rare class in at least
    one, and in as many as any other, give or take one. No row is twice in the same round: copies would be of the same
    length, and a plan by length would put them into one batch.

    Args:
        label_R: 0 or 1.
        rng: Decides which rows meet; the same state gives the same rounds.
        pairs: Pair of each row, to keep both members in one round.
    """
    rare_R = label_R == (1 if 2 * label_R.sum() <= len(label_R) else 0)
    rare, common = np.flatnonzero(rare_R), np.flatnonzero(~rare_R)
    if len(rare) == 0 or len(rare) == len(common):
        return [rows]
    groups = np.array_split(rng.permutation(common), math.ceil(len(common) / len(rare)))
    partners = [_partners(group, rare, pairs) for group in groups]
    # Those that will come with their partners are counted beforehand, so that they take nobody's place.
    times_R = np.bincount(np.concatenate(partners), minlength=len(rows))
    rounds = []
    for group, fixed in zip(groups, partners, strict=True):
        free = np.setdiff1d(rare, fixed)
        fewest_first = free[np.lexsort((rng.random(len(free)), times_R[free]))]
        drawn = fewest_first[: max(0, len(group) - len(fixed))]
        times_R[drawn] += 1
        rounds.append(np.sort(np.concatenate([group, fixed, drawn])))
    # Where several rows call themselves one pair, places may not have been enough.
    rounds[-1] = np.union1d(rounds[-1], rare[times_R[rare] == 0])
    return [rows[places] for places in rounds]


def _partners(group: Rows, rare: Rows, pairs: Sequence[str | None] | None) -> Rows:
    """Return the rare class's members of the group's pairs."""
    if pairs is None:
        return rare[:0]
    present = {pairs[place] for place in group.tolist()} - {None}
    return np.array([place for place in rare.tolist() if pairs[place] in present], dtype=np.int64)
