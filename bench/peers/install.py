"""A virtual environment for each peer, from pinned requirements."""

import json
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

from bench.peers.settings import REPOSITORY, REQUIREMENTS, BenchSettings

TIMEOUT_S = 900.0
RECORD = "installs.json"


def installable() -> list[str]:
    """Return the names of the environments that there are requirements for."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def make_job_environment(settings: BenchSettings) -> None:
    """Make the environment of the trivial job, without packages, unless it is there."""
    if not settings.job_python.exists():
        venv.create(settings.venv("job"), symlinks=True, with_pip=False)


def install(settings: BenchSettings, names: Sequence[str]) -> bool:
    """Make environments; note how long each took in `installs.json`; return whether all succeeded.

    Raises:
        ValueError: There are no requirements for a name.
    """
    if unknown := sorted(set(names) - set(installable())):
        known = ", ".join(installable())
        raise ValueError(f"there are no requirements for {', '.join(unknown)}; there are for {known}")
    settings.logs.mkdir(parents=True, exist_ok=True)
    record = settings.folder / RECORD
    done = json.loads(record.read_text()) if record.exists() else {}
    succeeded = True
    for name in names:
        begun = time.monotonic()
        code = _install(settings.venv(name), name, settings.logs / f"install-{name}.log")
        done[name] = {"exit_code": code, "took_s": round(time.monotonic() - begun, 1)}
        record.write_text(json.dumps(done, indent=1))
        outcome = "installed" if code == 0 else f"failed with exit code {code}, see logs/install-{name}.log"
        print(f"{name}: {outcome}; {done[name]['took_s']} s", flush=True)
        succeeded &= code == 0
    return succeeded


def _install(folder: Path, name: str, log: Path) -> int:
    # Compiled now, or the first start would be slower than the others.
    pip = [str(folder / "bin" / "pip"), "install", "--compile", "--requirement", str(REQUIREMENTS / f"{name}.txt")]
    with log.open("w") as file:
        for command in ([sys.executable, "-m", "venv", str(folder)], pip):
            try:
                subprocess.run(command, stdout=file, stderr=file, cwd=REPOSITORY, check=True, timeout=TIMEOUT_S)
            except subprocess.CalledProcessError as error:
                return error.returncode
            except subprocess.TimeoutExpired:
                return 124
    return 0
