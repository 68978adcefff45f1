"""Runs under supervision, with small real processes in the place of trainers."""

import json
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from service.domain.states import RunState
from service.settings import Settings
from service.store.claims import Claim, claim_next
from service.store.database import Database
from service.store.datasets import create_dataset
from service.store.runs import events_of, get_run
from service.store.tables import RunRow
from tests.by_hand import prepared
from tests.served import SilentBell
from trainers.specs import PrepareConfig
from worker.house import House

PRELUDE = """
import json, os, pathlib, signal, subprocess, sys, time
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
log = open(out / "events.jsonl", "a", buffering=1)
said = 0
def say(kind, **fields):
    global said
    said += 1
    log.write(json.dumps({"n": said, "t": time.time(), "kind": kind, **fields}) + "\\n")
def finish():
    (out / "result.json").write_text(RESULT)
    sys.exit(0)
"""


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """Where the runs of one test are supervised.

    Args:
        database: Migrated.
        folder: Of the test.
    """

    database: Database
    folder: Path

    def house(self, script: str, **settings: Any) -> House:
        """Return a worker's house whose trainers run this script after the prelude."""
        path = self.folder / "trainer.py"
        path.write_text(f"RESULT = {json.dumps(prepared().model_dump(mode='json'))!r}\n{PRELUDE}\n{script}\n")
        return House(
            database=self.database,
            bell=SilentBell(),
            settings=Settings.model_validate({"data_dir": self.folder, "lease_s": 10.0, "slots": 1, **settings}),
            worker_id="w1",
            draining=threading.Event(),
            command=[sys.executable, str(path)],
        )

    def queue_run(self) -> str:
        """Return the id of a queued run that prepares a data set."""
        with self.database.begin() as session:
            create_dataset(session, name="made", source="/data/made.jsonl", config=PrepareConfig())
            return session.scalars(select(RunRow.id).order_by(RunRow.id.desc()).limit(1)).one()

    def claim(self, *, lease_s: float = 10.0) -> Claim:
        """Return a claim of the next run."""
        with self.database.begin() as session:
            claim = claim_next(session, worker="w1", queues=["cpu"], lease_s=lease_s)
        if claim is None:
            raise RuntimeError("nothing is queued")
        return claim

    def run(self, run_id: str) -> RunRow:
        """Return the run's row as it is now."""
        with self.database.read() as session:
            return get_run(session, run_id)

    def state(self, run_id: str) -> RunState:
        """Return the run's state."""
        return RunState(self.run(run_id).state)

    def events(self, run_id: str, kind: str) -> list[dict[str, Any]]:
        """Return the bodies of the run's events of one kind."""
        with self.database.read() as session:
            return [row.body for row in events_of(session, run_id=run_id) if row.kind == kind]
