"""A process that prepares generated functions and prints the most bytes that it held: `python -m tests.prepare_memory`.

Arguments: how many functions, and an output folder.
"""

import json
import resource
import sys
from pathlib import Path

from cellgate.contract.events import EventWriter
from cellgate.contract.specs import PrepareSpec
from trainers.data.prepare import prepare
from trainers.demo_data.generator import generate

# What the kernel counts in: kilobytes on Linux, bytes on macOS.
UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Prepare and print."""
    functions, out = int(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True)
    source = out / "functions.jsonl"
    with source.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in generate(functions=functions, seed=3))
    with EventWriter(out / "events.jsonl") as events:
        prepare(PrepareSpec(source=source), out, events)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT_BYTES)


if __name__ == "__main__":
    main()
