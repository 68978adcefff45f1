"""Memory that is freed stays with the process, where malloc has that setting."""

import platform
import subprocess
import sys

import pytest

# In a process of its own: malloc keeps its settings to the process's end.
ASK_AGAIN_AND_AGAIN = """
import resource
import numpy as np
from trainers.engine.malloc import keep_freed_memory
def ask():
    np.empty(50_000_000, dtype=np.uint8).fill(1)
def print_pages_mapped():
    ask()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        ask()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print_pages_mapped()
assert keep_freed_memory()
print_pages_mapped()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_a_tensor_as_large_as_the_last_one_takes_no_new_pages() -> None:
    command = [sys.executable, "-c", ASK_AGAIN_AND_AGAIN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    before, after = map(int, done.stdout.split())
    assert after < 100 < before
