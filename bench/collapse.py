"""How often the collapse detector cries wolf: `python -m bench.collapse` trains many healthy small models.

Prevalence runs from 5 to 60 %, with several sizes of data, model and batch; every evaluation of every run counts.
"""

import sys
import tempfile
from pathlib import Path

from tests.collapse_runs import SmallTask, healthy_problem, new_hardware, train

RUNS = 100


def main(runs: int) -> int:
    """Print every false alarm and their number; return it."""
    hardware = new_hardware()
    alarms = 0
    evaluations = 0
    for seed in range(runs):
        problem, sizes = healthy_problem(seed)
        with tempfile.TemporaryDirectory() as folder:
            outcome = train(SmallTask(problem, **sizes), Path(folder), hardware=hardware)
        evaluations += len(outcome.found)
        if outcome.types or outcome.error:
            alarms += 1
            print(f"seed {seed}: {problem}, {sizes}: {outcome}")
    print(f"false alarms: {alarms} of {runs} healthy runs, {evaluations} evaluations")
    return alarms


if __name__ == "__main__":
    sys.exit(min(1, main(RUNS)))
