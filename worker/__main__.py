"""`cellgate run-worker` serves queues; `cellgate run-reconciler` recovers lost runs and sends webhooks.

`cellgate health` tells whether the one on this host is well.
"""

import argparse
import sys
from collections.abc import Sequence

from cellgate.contract.command_examples import EXAMPLES
from cellgate.contract.endings import quiet_endings

BAD_SETTINGS = 2
OLD_SCHEMA = 3
UNUSABLE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker or a reconciler until SIGTERM, or tell how it is, and return the exit code.

    0: it was stopped by a signal. 2: a setting is wrong. 3: the database has another schema. 4: the database is away,
    full or damaged, or a folder cannot be written to. `worker.health` has those of `health`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["health"]:
        from worker.health import check_health

        return check_health(given[1:])
    parser = argparse.ArgumentParser(
        prog="python -m worker", description=__doc__, epilog=f"Example: {EXAMPLES['run-worker'][0]}"
    )
    parser.add_argument("role", nargs="?", choices=["run", "reconciler", "health"], default="run")
    role = parser.parse_args(given).role
    # Not for `health`, which is asked every few seconds: these import Celery and SQLAlchemy for half a second.
    from worker.roles import BadSettings, OldSchema, Unusable, run_role

    try:
        run_role(role)
    except BadSettings as error:
        print(f"settings: {error}", file=sys.stderr)
        return BAD_SETTINGS
    except OldSchema as error:
        print(f"database: {error}", file=sys.stderr)
        return OLD_SCHEMA
    except Unusable as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    return 0


if __name__ == "__main__":
    with quiet_endings():
        sys.exit(main())
