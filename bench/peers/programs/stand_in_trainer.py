"""In the place of Cellgate's trainer: no more than `job.py`, and the result that a trainer owes.

Called as `stand_in_trainer.py MARKS RESULT CELL --spec FILE --out FOLDER`: marks its start in the folder MARKS, under
the seed of the run, and copies RESULT. A worker passes none of the harness's environment on.
"""

import time

started_at = time.time()

import json  # noqa: E402 - the time is taken before anything else is imported
import os  # noqa: E402
import sys  # noqa: E402

marks, result, *arguments = sys.argv[1:]
spec = arguments[arguments.index("--spec") + 1]
out = arguments[arguments.index("--out") + 1]
with open(spec) as file:
    seed = json.load(file)["seed"]
mark = os.path.join(marks, f"cellgate-seed-{seed}")
with open(f"{mark}.new", "w") as file:
    file.write(f"{started_at!r}\n")
os.rename(f"{mark}.new", mark)
with open(result) as source, open(os.path.join(out, "result.json"), "w") as target:
    target.write(source.read())
