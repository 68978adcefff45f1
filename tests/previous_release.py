"""The releases before this one: compatibility tests build the API and the workers of the last one from its commit."""

import io
import subprocess
import tarfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
COMMITS = {
    "0.1.0": "38daa5fc86f220b0fd0c91ca52286e285a84c69c",
    "0.2.0": "d00cd598fb382efc58eb359f6144726bda667035",
}
VERSION = "0.2.0"
COMMIT = COMMITS[VERSION]
# The newest schema of that release.
REVISION = "0007"
PACKAGES = ("cellgate", "service", "worker", "trainers", "migrations")


def unpack_release(folder: Path) -> None:
    """Write the packages of the previous release into a folder; they run in this environment."""
    command = ["git", "archive", COMMIT, *PACKAGES]
    archive = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
