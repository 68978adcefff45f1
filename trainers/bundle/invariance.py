"""How far a bundle's verdicts rest on how code looks: they are taken again after edits that keep the meaning."""

# Shapes: R functions, N of them edited.
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellgate.contract.bundle_summary import EditEffect, Invariance
from cellgate.contract.configs import Split
from trainers.bundle.bundle import Bundle
from trainers.data.dataset import Dataset
from trainers.engine.metrics import Integers, f1_score
from trainers.engine.pairs import pair_verdicts, whole_pairs
from trainers.engine.task import Rows
from trainers.evaluation.edits import EDITS

_Called = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class _Functions:
    """Functions with what is known of them, each list and array (R,)."""

    sources: Sequence[str]
    labels_R: Integers
    pairs: Sequence[str | None]

    def only(self, places: Rows) -> "_Functions":
        """Return some of them."""
        chosen = places.tolist()
        return _Functions(
            sources=[self.sources[place] for place in chosen],
            labels_R=self.labels_R[places],
            pairs=[self.pairs[place] for place in chosen],
        )

    def right(self, called_R: _Called) -> _Called:
        """Return of each whole pair whether both members are called right."""
        return pair_verdicts(whole_pairs(self.labels_R, self.pairs), called_R[:, np.newaxis])["correct"][:, 0]


def measure_invariance(
    bundle: Bundle, dataset: Dataset, split: Split, *, limit: int | None = None
) -> Invariance | None:
    """Score functions of a split, and again after each edit.

    Args:
        limit: Functions at most, spread evenly, pairs whole; null: all.

    Returns:
        Null where the split has no function, or none that can be edited.
    """
    functions = _chosen(dataset, split, limit)
    called_R = _called(bundle, functions.sources)
    edits = {name: _effect(bundle, functions, called_R, name) for name in EDITS}
    done = {name: effect for name, effect in edits.items() if effect is not None}
    return Invariance(split=split.value, functions=len(called_R), edits=done) if done else None


def _effect(bundle: Bundle, functions: _Functions, called_R: _Called, name: str) -> EditEffect | None:
    edited = [EDITS[name](source) for source in functions.sources]
    places = np.array([place for place, source in enumerate(edited) if source is not None], dtype=np.int64)
    if not len(places):
        return None
    before, after_N = called_R[places], _called(bundle, [source for source in edited if source is not None])
    own = functions.only(places)
    right_before, right_after = own.right(before), own.right(after_N)
    return EditEffect(
        functions=len(places),
        flips=int((before != after_N).sum()),
        f1_before=f1_score(own.labels_R, before),
        f1_after=f1_score(own.labels_R, after_N),
        pairs=len(right_before),
        pairs_correct_before=int(right_before.sum()),
        pairs_correct_after=int(right_after.sum()),
    )


def _called(bundle: Bundle, sources: Sequence[str]) -> _Called:
    return np.array([verdict.is_vulnerable for verdict in bundle.predict(sources, explain="none")], dtype=bool)


def _chosen(dataset: Dataset, split: Split, limit: int | None) -> _Functions:
    rows = dataset.rows(split)
    pairs = dataset.pairs(rows)
    # A pair is one thing to choose, and so is a function without one.
    things: dict[str | int, list[int]] = {}
    for place, pair in enumerate(pairs):
        things.setdefault(place if pair is None else pair, []).append(place)
    step = 1 if limit is None else max(1, -(-len(rows) // limit))
    places = np.array(sorted(place for thing in list(things.values())[::step] for place in thing), dtype=np.int64)
    chosen = rows[places]
    return _Functions(sources=dataset.sources(chosen), labels_R=dataset.labels(chosen), pairs=dataset.pairs(chosen))
