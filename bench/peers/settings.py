"""What one invocation measures, and where it keeps its files."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers.peer import Row

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
REQUIREMENTS = Path(__file__).parent / "requirements"


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What to measure.

    Args:
        folder: Of all state: virtual environments, snapshots, logs. Absolute.
        runs_present: Runs in each server's database before it is measured.
        share: Of the full number of requests, seconds and jobs, in (0, 1]; below 1 is for trying things out.
        rows: What to measure; a peer measures those of them that it supports.
        postgres_port: Of the harness's PostgreSQL.
        redis_port: Of the harness's Redis-protocol server.
        postgres_user: System account that PostgreSQL runs as when the harness runs as root, which it refuses to.
    """

    folder: Path
    runs_present: int = 10_000
    share: float = 1.0
    rows: frozenset[Row] = field(default_factory=lambda: frozenset(Row))
    postgres_port: int = 5699
    redis_port: int = 5698
    postgres_user: str = "postgres"

    @property
    def marks(self) -> Path:
        """Folder in which a job leaves the time at which it started."""
        return self.folder / "marks"

    @property
    def logs(self) -> Path:
        """Folder of what the servers print."""
        return self.folder / "logs"

    @property
    def job_python(self) -> Path:
        """Interpreter of the trivial job: an environment without packages, which would slow its start."""
        return self.folder / "venv" / "job" / "bin" / "python"

    def live(self, peer: str) -> Path:
        """Return the folder that a server works in; replaced before each round."""
        return self.folder / "live" / peer

    def snapshot(self, peer: str) -> Path:
        """Return the folder with the state of a server that holds `runs_present` runs."""
        return self.folder / "snapshots" / f"{peer}-{self.runs_present}"

    def venv(self, peer: str) -> Path:
        """Return the virtual environment that `install` makes for a peer."""
        return self.folder / "venv" / peer

    def venv_or_own(self, peer: str) -> Path:
        """Return a peer's virtual environment, or the one that runs the harness if `install` has not made it."""
        made = self.venv(peer)
        return made if (made / "bin" / "python").exists() else Path(sys.prefix)

    def scaled(self, count: int) -> int:
        """Return that share of a number of requests, at least 1."""
        return max(1, round(count * self.share))
