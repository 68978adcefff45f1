"""CPU time of `cellgate --help` and `--version`, beside that of an interpreter that does nothing.

    python -m bench.startup

Target: `--help` within 0.3 s of CPU. Prints the lowest of several starts, and its ratio to `python -c pass`.
"""

import resource
import subprocess
import sys

STARTS = 15
TARGET_S = 0.3
CELLGATE = (sys.executable, "-P", "-m", "cellgate")


def main() -> None:
    """Measure each command and print a line for it."""
    nothing = cpu_s(sys.executable, "-c", "pass")
    print(f"{'python -c pass':24} {nothing:6.3f} s")
    for option in ("--version", "--help"):
        taken = cpu_s(*CELLGATE, option)
        print(f"{f'cellgate {option}':24} {taken:6.3f} s  {taken / nothing:4.1f} times  (target {TARGET_S} s)")


def cpu_s(*command: str) -> float:
    """Return the lowest CPU time of several runs of a command, in seconds."""
    return min(_cpu_s(command) for _ in range(STARTS))


def _cpu_s(command: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
