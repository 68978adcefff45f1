"""Which configs a sweep tries: every point of a grid, or points at random.

Source:
    Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization", JMLR 13, pages 281 to 305: where few of
    the fields matter, random points find better values than a grid of as many.
"""

import json
import math
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

from cellgate.sweep.spec import Range, SweepSpec

# Draws of one that was drawn before, in a row, after which a space counts as exhausted.
PATIENCE = 200


def propose(spec: SweepSpec) -> list[dict[str, Any]]:
    """Return the trials' settings by dotted path, all different: fewer than asked for where there are no more.

    The same spec gives the same trials. More trials of it begin with those of fewer.
    """
    return list(_grid(spec)) if spec.method == "grid" else list(_random(spec))


def _grid(spec: SweepSpec) -> Iterator[dict[str, Any]]:
    lists = [values for values in spec.search.values() if isinstance(values, list)]
    for point in product(*lists):
        yield dict(zip(spec.search, point, strict=True))


def _random(spec: SweepSpec) -> Iterator[dict[str, Any]]:
    random = Random(spec.sampling_seed)
    seen: set[str] = set()
    repeated = 0
    while len(seen) < spec.trials and repeated < PATIENCE:
        point = {path: _drawn(values, random) for path, values in spec.search.items()}
        key = json.dumps(point, sort_keys=True)
        if key in seen:
            repeated += 1
            continue
        seen.add(key)
        repeated = 0
        yield point


def _drawn(values: Range | list[Any], random: Random) -> Any:
    if isinstance(values, list):
        return random.choice(values)
    share = random.random()
    # Of whole numbers, the bounds are as likely as those between.
    low, high = (values.low - 0.5, values.high + 0.5) if values.whole else (values.low, values.high)
    if values.log:
        low = max(low, values.low / 2)
        drawn = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        drawn = low + share * (high - low)
    if values.whole:
        return int(min(max(round(drawn), values.low), values.high))
    # Digits beyond these only make settings hard to read.
    return float(f"{drawn:.4g}")
