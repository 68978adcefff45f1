"""`python -m bench.peers [run|install|prepare|limits|report] [--peers NAME,…] [--out FILE]`; see README.md."""

import argparse
import json
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from bench.peers.install import install, installable, make_job_environment
from bench.peers.limits.measure import measure_limits
from bench.peers.peer import Peer, Row
from bench.peers.processes import ProcessTable
from bench.peers.registry import DEFAULT, PEERS
from bench.peers.report import failures, table
from bench.peers.round import measure_round
from bench.peers.server_peer import Environment
from bench.peers.settings import REPOSITORY, BenchSettings
from bench.peers.shared_servers import SharedServers

STATE = REPOSITORY / "var" / "peers"
COMMANDS = {
    "run": "measure, round by round (the default)",
    "install": "make virtual environments; --peers names them, all by default",
    "prepare": "fill the servers with runs, and stop there",
    "limits": "measure what this machine can do at best",
    "report": "print the results in --out as a table",
}


def main() -> int:
    """Run the command line; 1: something failed, 2: wrong usage."""
    given = _parser().parse_args()
    settings = BenchSettings(
        folder=given.folder.resolve(), runs_present=given.runs_present, share=given.share, rows=frozenset(given.rows)
    )
    settings.folder.mkdir(parents=True, exist_ok=True)
    match given.command:
        case "install":
            return _install(settings, given.peers or installable())
        case "report":
            return _report(given.out)
    # Ends the servers, which live in sessions of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    make_job_environment(settings)
    processes = ProcessTable(settings)
    servers = SharedServers(settings, processes)
    try:
        environment = Environment(settings=settings, processes=processes, servers=servers)
        return _measure(given, environment)
    finally:
        servers.stop()


def _install(settings: BenchSettings, names: Sequence[str]) -> int:
    try:
        return 0 if install(settings, names) else 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    commands = "; ".join(f"{name}: {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=commands)
    parser.add_argument("command", nargs="?", choices=COMMANDS, default="run", metavar="|".join(COMMANDS))
    parser.add_argument("--peers", type=_names, default=[], help=f"of {', '.join(PEERS)}; default {','.join(DEFAULT)}")
    parser.add_argument("--rows", type=_rows, default=list(Row), help=f"of {', '.join(Row)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs-present", type=int, default=10_000, help="in each server before it is measured")
    parser.add_argument("--share", type=_share, default=1.0, help="of all requests, seconds and jobs, to try it out")
    parser.add_argument("--folder", type=Path, default=STATE, help="of all state")
    parser.add_argument("--out", type=Path, default=STATE / "results.json", help="results; added to what is there")
    return parser


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _rows(text: str) -> list[Row]:
    return [Row(name) for name in _names(text)]


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise ValueError(f"found {text}, expected a number above 0 and up to 1")
    return share


def _measure(given: argparse.Namespace, environment: Environment) -> int:
    if given.command == "limits":
        limits = uvloop.run(measure_limits(environment))
        _Results(given.out, environment.settings).add("limits", limits)
        print(json.dumps(limits, indent=1))
        return 0
    names = given.peers or list(DEFAULT)
    if unknown := sorted(set(names) - set(PEERS)):
        print(f"there is no peer {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return 2
    peers = [PEERS[name](environment) for name in names]
    prepared = _prepare(peers)
    if given.command == "prepare" or not prepared:
        return 0 if len(prepared) == len(peers) else 1
    results = _Results(given.out, environment.settings)
    good = _run_rounds(prepared, environment, given.rounds, results)
    return 0 if good and len(prepared) == len(peers) else 1


def _prepare(peers: Sequence[Peer]) -> list[Peer]:
    """Fill the peers with runs; return those for which it worked."""
    prepared = []
    for peer in peers:
        begun = time.monotonic()
        try:
            uvloop.run(peer.prepare())
        except Exception:  # noqa: BLE001 - one peer's failure must not end the others' measurements
            traceback.print_exc()
            peer.stop()
        else:
            prepared.append(peer)
            print(f"{peer.traits.name} is prepared after {time.monotonic() - begun:.1f} s", flush=True)
    return prepared


def _run_rounds(peers: Sequence[Peer], environment: Environment, rounds: int, results: "_Results") -> bool:
    """Measure the peers in turn; each round begins with another one, so that drift of the machine hits all alike."""
    environment.settings.marks.mkdir(parents=True, exist_ok=True)
    good = True
    for number in range(rounds):
        first = number % len(peers)
        for peer in [*peers[first:], *peers[:first]]:
            result = uvloop.run(measure_round(peer, environment.processes, environment.settings, number))
            results.add("results", asdict(result))
            print(f"round {number}, {result.peer}: {result.took_s:.0f} s, {result.failed or 'done'}", flush=True)
            good &= result.failed is None
    return good


class _Results:
    """The results' file; written after each addition, so that nothing is lost when a later round fails.

    Args:
        path: Of the file; what it holds is kept.
        settings: Noted in it, if it is new.
    """

    def __init__(self, path: Path, settings: BenchSettings) -> None:
        self._path = path
        self._content: dict[str, Any] = (
            json.loads(path.read_text()) if path.exists() else {"machine": _machine(settings)}
        )

    def add(self, name: str, value: Any) -> None:
        """Append a value to a list in the file."""
        self._content.setdefault(name, []).append(value)
        self._path.write_text(json.dumps(self._content, indent=1))


def _machine(settings: BenchSettings) -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "client": f"uvloop {version('uvloop')}",
        "runs_present": settings.runs_present,
        "share": settings.share,
        "date": time.strftime("%Y-%m-%d"),
    }


def _report(path: Path) -> int:
    if not path.exists():
        print(f"there is no {path}: measure first, or name the results with --out", file=sys.stderr)
        return 2
    content = json.loads(path.read_text())
    print(f"{json.dumps(content['machine'])}\n\n{table(content.get('results', []))}")
    for line in failures(content.get("results", [])):
        print(f"- {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
