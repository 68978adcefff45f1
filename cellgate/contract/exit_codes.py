"""The exit codes of `python -m trainers`: one per cause, so that whoever waits for the process knows why it ended.

| code | cause | retried by the worker |
|---|---|---|
| 0 | success | – |
| 2 | the spec is wrong | no |
| 3 | the data are wrong | no |
| 4 | pre-flight found a blocker | no |
| 5 | the model collapsed | no |
| 6 | training diverged (NaN or Inf) | no |
| 7 | out of memory, host or device | a bounded number of times |
| 8 | interrupted, checkpoint saved | yes, from the checkpoint |
| 70 | internal error (EX_SOFTWARE of sysexits.h) | no |
"""

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
    INTERNAL_ERROR = 70
