"""Exit codes: one table for `python -m trainers`, which the worker reads, and one for the `cellgate` command.

| `python -m trainers` | cause | retried by the worker |
|---|---|---|
| 0 | success | – |
| 2 | the spec is wrong | no |
| 3 | the data are wrong | no |
| 4 | pre-flight found a blocker | no |
| 5 | the model collapsed | no |
| 6 | training diverged (NaN or Inf) | no |
| 7 | out of memory, host or device | a bounded number of times |
| 8 | interrupted, checkpoint saved | yes, from the checkpoint |
| 10 | no room left on the disk | yes, from the checkpoint, once there is room |
| 70 | internal error (EX_SOFTWARE of sysexits.h) | no |

`COMMAND_EXITS` holds the meanings of the `cellgate` command's codes, as its `--help` prints them. The commands that it
hands over to the trainers (`predict`, `bundle check`, `graph`, …) end with the codes of `python -m trainers`.
"""

from collections.abc import Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """Why a trainer process ended."""

    SUCCESS = 0
    BAD_SPEC = 2
    DATA_ERROR = 3
    PREFLIGHT_FAILED = 4
    COLLAPSE = 5
    DIVERGENCE = 6
    OUT_OF_MEMORY = 7
    INTERRUPTED = 8
    # Not 9, with which `predict` says that it found something.
    STORAGE_FULL = 10
    INTERNAL_ERROR = 70


class CommandExit(IntEnum):
    """Why a `cellgate` command ended."""

    SUCCESS = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    SERVER_AWAY = 4
    UNDECIDED = 5
    DIFFERS = 6
    FOUND = 9
    UNUSABLE = 11
    NOTHING_SCORED = 12
    BORDERLINE = 20
    IMPROVE = 21
    BROKEN = 22
    STOPPED = 23
    INTERRUPTED = 130
    UNREAD = 141  # as if SIGPIPE had ended it


COMMAND_EXITS: Mapping[CommandExit, str] = {
    CommandExit.SUCCESS: "success",
    CommandExit.FAILED: "the work failed, or the gate did not pass",
    CommandExit.USAGE: "wrong usage, settings or spec file, or an extra is not installed",
    CommandExit.REFUSED: "the server refused the request",
    CommandExit.SERVER_AWAY: "no server answers",
    CommandExit.UNDECIDED: "not decided yet",
    CommandExit.DIFFERS: "a stored decision differs from its recomputation",
    CommandExit.FOUND: "`predict` found at least one function above the threshold",
    CommandExit.UNUSABLE: "what the server needs is damaged, full, missing or not writable; `doctor` says what to do",
    CommandExit.NOTHING_SCORED: "`predict` found no C or C++ file to score",
    CommandExit.BORDERLINE: "`watch`: something is to be shipped, but the evidence does not settle it",
    CommandExit.IMPROVE: "`watch`: nothing is to be shipped; improve 51 and 52",
    CommandExit.BROKEN: "`watch`: seeds failed",
    CommandExit.STOPPED: "`watch`: it, or some of its seeds, was cancelled",
    CommandExit.INTERRUPTED: "interrupted; what was started goes on",
    CommandExit.UNREAD: "whoever read the output has closed it",
}


class UsageError(ValueError):
    """A command was called wrongly, or an input of it cannot be used; the message names the remedy.

    Ends the command with `CommandExit.USAGE`.
    """


class UnusableError(RuntimeError):
    """The database or a folder of the server cannot be used as it is; the message names the remedy.

    Ends the command with `CommandExit.UNUSABLE`.
    """
