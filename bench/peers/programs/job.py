"""The trivial job that every peer executes: leaves the time of its first line in the marks folder, and ends."""

import time

started_at = time.time()

import os  # noqa: E402 - the time is taken before anything else is imported
import sys  # noqa: E402

tag = sys.argv[1]
print("hello", tag)
mark = os.path.join(os.environ["PEERS_MARKS"], tag)
with open(f"{mark}.new", "w") as file:
    file.write(f"{started_at!r}\n")
os.rename(f"{mark}.new", mark)
