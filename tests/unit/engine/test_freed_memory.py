"""Memory that is freed stays with the process, where malloc can be told so."""

import platform
import subprocess
import sys

import pytest

# In a process of its own: what malloc was told holds to the process's end.
ASK_AGAIN_AND_AGAIN = """
import resource, sys
import numpy as np
from trainers.engine.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def ask():
    np.empty(50_000_000, dtype=np.uint8).fill(1)
ask()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    ask()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages_mapped(keep: str) -> int:
    command = [sys.executable, "-c", ASK_AGAIN_AND_AGAIN, keep]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_tensor_as_large_as_the_last_one_takes_no_new_pages() -> None:
    assert _pages_mapped("keep") < 100 < _pages_mapped("leave")
