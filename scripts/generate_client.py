"""Generate the synchronous client from the asynchronous one: `python scripts/generate_client.py` (`make client`)."""

import subprocess
import sys
import tempfile
from pathlib import Path

from unasync import Rule, unasync_files

CLIENT = Path(__file__).resolve().parents[1] / "cellgate" / "client"
HEADER = "# Generated from cellgate/client/_async by scripts/generate_client.py: do not edit.\n"
REPLACEMENTS = {
    "AsyncClient": "Client",
    "AsyncConnection": "Connection",
    "AsyncExperiment": "Experiment",
    "AsyncFinding": "Finding",
    "AsyncBaseTransport": "BaseTransport",
    "_async": "_sync",
    "aclose": "close",
    "aread": "read",
    "aiter_bytes": "iter_bytes",
    "aiter_raw": "iter_raw",
    "async_blocks": "sync_blocks",
    "async_run": "sync_run",
    "async_sleep": "sync_sleep",
}


def main() -> None:
    """Write the generated files into `cellgate/client/_sync`."""
    target = CLIENT / "_sync"
    target.mkdir(exist_ok=True)
    for name, text in generate().items():
        (target / name).write_text(text, encoding="utf-8")


def generate() -> dict[str, str]:
    """Return the text of every generated file by its name."""
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "_async"
        sources.mkdir()
        for source in (CLIENT / "_async").glob("*.py"):
            text = source.read_text(encoding="utf-8").replace("The asynchronous client.", "The synchronous client.")
            (sources / source.name).write_text(HEADER + text, encoding="utf-8")
        rule = Rule("/_async/", "/_sync/", additional_replacements=REPLACEMENTS)
        unasync_files([str(source) for source in sources.glob("*.py")], [rule])
        generated = sorted((Path(folder) / "_sync").glob("*.py"))
        return {path.name: _formatted(path.name, path.read_text(encoding="utf-8")) for path in generated}


def _formatted(name: str, text: str) -> str:
    """Return the text as `make lint` wants it: what had to be nested to await reads flat without."""
    fixes = ["check", "--quiet", "--exit-zero", "--fix", "--unsafe-fixes", "--select", "I,SIM117,UP028"]
    for command in (fixes, ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(CLIENT / "_sync" / name), "-"]
        text = subprocess.run(ruff, input=text, cwd=CLIENT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    main()
