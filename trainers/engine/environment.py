"""The machine, the packages and the code that a run used."""

import hashlib
import platform
import resource
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cellgate.contract.results import Environment

PACKAGES = (
    "torch",
    "transformers",
    "torch-geometric",
    "accelerate",
    "numpy",
    "pyarrow",
    "scikit-learn",
    "tokenizers",
    "tree-sitter",
)
_ROOT = Path(__file__).resolve().parents[2]
# The contract too: it holds the defaults of every spec.
_SOURCES = ("cellgate/contract", "trainers")


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the package's version and a hash of the sources that training depends on, as `0.1.0+0123456789ab`."""
    return f"{_version('cellgate') or '0'}+{hash_sources(_ROOT)[:12]}"


def hash_sources(root: Path) -> str:
    """Return the hash of the Python files of the trainers and of the contract below `root`, in hex digits."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in _SOURCES for path in (root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_environment(*, device: str, threads: int, precision: str) -> Environment:
    """Return the versions, platform and settings of this process.

    Args:
        device: Its name, or `cpu`.
        threads: CPU threads of this process.
        precision: That training computed in: fp32, bf16 or fp16.
    """
    versions = {package: _version(package) for package in PACKAGES}
    return Environment(
        python=platform.python_version(),
        packages={package: found for package, found in versions.items() if found is not None},
        platform=platform.platform(),
        device=device,
        threads=threads,
        precision=precision,
        code_version=code_version(),
    )


def peak_host_bytes() -> int:
    """Return the process's peak resident memory so far.

    Not `ru_maxrss` where Linux has a better figure: that begins with what the process that started this one held.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
