"""How near the LR range test comes to known optima: `python -m bench.lr_finder [seed]` judges 1,000 generated curves.

Distances are in decades; how the curves are made is in tests/lr_curves.py.
"""

import math
import sys

import numpy as np

from tests.lr_curves import SETTINGS, Curve, draw_curves

NEAR = 1.0


def main(seed: int) -> int:
    """Print a table by kind; return 1 when an answer is not usable, or too many are far from the optimum."""
    by_kind: dict[str, list[Curve]] = {}
    for curve in draw_curves(seed):
        by_kind.setdefault(curve.kind, []).append(curve)
    print(f"{'kind':20} {'curves':>6} {'usable':>6} {'finder':>6} {'within 1':>9} {'median':>7} {'largest':>8}")
    for kind, curves in by_kind.items():
        outcomes = [curve.outcome() for curve in curves]
        usable = sum(map(_is_usable, [outcome.learning_rate for outcome in outcomes]))
        found = sum(outcome.source == "finder" for outcome in outcomes)
        print(f"{kind:20} {len(curves):6} {usable:6} {found:6} {_distances(curves)}")
    posed = [curve for curve in draw_curves(seed) if curve.optimum is not None]
    near = np.mean([curve.distance() < NEAR for curve in posed])
    print(f"within a decade of the optimum: {near:.1%} of {len(posed)} well-posed curves")
    return int(near < 0.99)


def _is_usable(rate: float) -> bool:
    return math.isfinite(rate) and SETTINGS.finder_min <= rate <= SETTINGS.finder_max


def _distances(curves: list[Curve]) -> str:
    if curves[0].optimum is None:
        return ""
    distances = [curve.distance() for curve in curves]
    near = sum(distance < NEAR for distance in distances)
    return f"{near:9} {np.median(distances):7.2f} {max(distances):8.2f}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
