"""Aim's SDK behind lines on standard input, because Aim takes writes from nowhere else: `aim_client.py URL`.

A line is `COMMAND COUNT FIRST_STEP`; each is answered with a line of JSON: the id of an opened run, or null.
"""

import json
import sys
from typing import Any

import aim  # type: ignore[import-not-found]  # installed in the peer's environment alone

OPTIONS: dict[str, Any] = {
    "repo": sys.argv[1],
    "system_tracking_interval": None,
    "log_system_params": False,
    "capture_terminal_logs": False,
    "experiment": "bench",
}
current: Any = None
for line in sys.stdin:
    command, count, first_step = line.split()
    opened = None
    match command:
        case "create":
            for _ in range(int(count)):
                run = aim.Run(**OPTIONS)
                run["lr"] = 0.1
                run.close()
        case "open":
            current = aim.Run(**OPTIONS)
            opened = current.hash
        case "track":
            for step in range(int(first_step), int(first_step) + int(count)):
                current.track(0.5 + step, name="loss", step=step)
    print(json.dumps(opened), flush=True)
