"""Clocks that can be set while a process runs: libfaketime's library, preloaded, reads an offset from a file."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# Below the package's folder; the package itself is not imported, since it patches this process.
LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"
# How old a process's knowledge of its file may be.
FOLLOWS_WITHIN_S = 1


@dataclass(frozen=True)
class AdjustableClock:
    """The wall clock of one process and of its children that inherit its environment; monotonic clocks stay true.

    Args:
        file: Where its error is written.
    """

    file: Path

    def set_error(self, seconds: float) -> None:
        """Let the clock be wrong by so much from now on."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}\n")
        new.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        """What the process must be started with."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": str(FOLLOWS_WITHIN_S),
            # The first name is read by releases before 0.9.9.
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def clock_with_error(file: Path, seconds: float) -> AdjustableClock:
    """Return a clock that is wrong by so much to begin with."""
    clock = AdjustableClock(file)
    clock.set_error(seconds)
    return clock


def _library() -> Path:
    package = find_spec("libfaketime")
    if package is None or package.origin is None:
        raise RuntimeError("libfaketime is not installed: pip install -e '.[dev]'")
    return Path(package.origin).parent / LIBRARY
