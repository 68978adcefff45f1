"""What `cellgate doctor` checks. Each check stands alone: one that fails, or raises, keeps no other from being made."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from cellgate.contract.storage import room_in
from service.broker.connections import redis_client
from service.folder_check import folder_problems
from service.settings import Settings, mistakes_in
from service.store.database import Database, now_s, schema_is_current
from service.store.database_faults import RECOVER, advice_for
from service.store.workers import ALIVE_S, list_workers

Status = Literal["ok", "warn", "fail"]
# Tokens' ends and webhooks' signatures are compared with the time elsewhere; below it a difference is without effect.
MOST_CLOCK_DIFFERENCE_S = 5.0
OLDEST_POSTGRESQL = 14
GPU_TIMEOUT_S = 20.0
TRIED_KEY = "cellgate:doctor"


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """The outcome of one check.

    Args:
        check: What was checked.
        status: `fail` keeps the service, or a part of it, from working.
        detail: What was found.
        fix: What to do; empty where nothing is wrong.
    """

    check: str
    status: Status
    detail: str
    fix: str = ""


Findings = Iterator[DoctorFinding]


def examine(data_dir: Path | None) -> list[DoctorFinding]:
    """Return the findings of every check, in the order in which they should be read.

    Args:
        data_dir: Instead of the environment's.
    """
    settings, findings = _settings({} if data_dir is None else {"data_dir": data_dir})
    for name, check in CHECKS:
        try:
            findings += list(check(settings))
        # Whatever one check runs into, the others are made.
        except Exception as error:  # noqa: BLE001
            findings.append(
                DoctorFinding(
                    check=name, status="fail", detail=f"{type(error).__name__}: {error}", fix="see the detail"
                )
            )
    return findings


def _settings(overrides: dict[str, Any]) -> tuple[Settings, list[DoctorFinding]]:
    """Return the settings, with the default of each that is wrong, and what is wrong."""
    try:
        return Settings(**overrides), [DoctorFinding(check="settings", status="ok", detail="every variable is valid")]
    except ValidationError as error:
        wrong = {str(mistake["loc"][0]) for mistake in error.errors() if mistake["loc"]}
        fields = {name: field for name, field in Settings.model_fields.items() if name in wrong}
        defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
        found = [
            DoctorFinding(
                check="settings",
                status="fail",
                detail=line,
                fix="correct CELLGATE_ and this name in capitals",
            )
            for line in mistakes_in(error)
        ]
        return Settings(**{**overrides, **defaults}), found


def _folders(settings: Settings) -> Findings:
    problems = folder_problems(settings, make=False)
    for problem in problems:
        found, _, advice = problem.detail.partition("; ")
        yield DoctorFinding(check="folders", status="fail" if problem.fatal else "warn", detail=found, fix=advice)
    if not problems:
        yield DoctorFinding(check="folders", status="ok", detail=f"{settings.data_dir.resolve()} can be written to")


def _space(settings: Settings) -> Findings:
    reserve = settings.storage_reserve_bytes
    places = {"artifact folder": settings.artifacts}
    file = _sqlite_file(settings)
    if file is not None:
        places["database's folder"] = file.parent
    for name, folder in places.items():
        room = room_in(folder)
        well = room.holds(reserve)
        yield DoctorFinding(
            check="space",
            status="ok" if well else "fail",
            detail=f"{name} {folder}: {room}, {reserve / 1e9:.3f} GB in reserve",
            fix="" if well else "make room there, or lower CELLGATE_STORAGE_RESERVE_BYTES: no run is started below it",
        )


def _sqlite_file(settings: Settings) -> Path | None:
    url = make_url(settings.database)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _database(settings: Settings) -> Findings:
    file = _sqlite_file(settings)
    if file is not None and not file.exists():
        fix = "`cellgate migrate` or `cellgate up` makes it; if there was one, restore it from a backup"
        yield DoctorFinding(check="database", status="fail", detail=f"there is no file {file}", fix=fix)
        return
    with closing(_Opened(settings)) as opened:
        yield from opened.findings()


class _Opened:
    """The database, for the checks that need it."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.database, patience_s=0)

    def close(self) -> None:
        self._database.dispose()

    def findings(self) -> Findings:
        for check in (self._integrity, self._schema, self._clock, self._workers):
            try:
                yield from check()
            except SQLAlchemyError as error:
                yield DoctorFinding(
                    check="database", status="fail", detail=str(error.__cause__ or error), fix=advice_for(error)
                )
                # What the others would say is the same.
                return

    def _integrity(self) -> Findings:
        with self._database.read() as session:
            if self._database.dialect == "sqlite":
                found = [str(line) for line in session.scalars(text("PRAGMA quick_check(10)"))]
                well = found == ["ok"]
                detail = "SQLite: quick_check finds it whole" if well else f"damaged: {'; '.join(found)}"
                yield DoctorFinding(
                    check="database", status="ok" if well else "fail", detail=detail, fix="" if well else RECOVER
                )
                return
            number = int(session.scalar(text("SHOW server_version_num")) or 0) // 10_000
            encoding = session.scalar(text("SHOW server_encoding"))
        old = number < OLDEST_POSTGRESQL
        yield DoctorFinding(
            check="database",
            status="warn" if old else "ok",
            detail=f"PostgreSQL {number}, {encoding}, answers",
            fix=f"upgrade to PostgreSQL {OLDEST_POSTGRESQL} or newer" if old else "",
        )

    def _schema(self) -> Findings:
        well = schema_is_current(self._database)
        detail = "the schema is that of this release" if well else "the schema is not that of this release"
        fix = "" if well else "run `cellgate migrate`, or install the release that the database has"
        yield DoctorFinding(check="schema", status="ok" if well else "fail", detail=detail, fix=fix)

    def _clock(self) -> Findings:
        with self._database.read() as session:
            before = time.time()
            theirs = float(session.scalar(select(now_s())) or 0.0)
            # Half of the way there and back.
            yield _difference("database", theirs - (before + time.time()) / 2)

    def _workers(self) -> Findings:
        with self._database.read() as session:
            rows = list_workers(session)
            now = float(session.scalar(select(now_s())) or 0.0)
        if not rows:
            yield DoctorFinding(
                check="workers", status="warn", detail="none is registered", fix="`cellgate run-worker` starts one"
            )
        for row in rows:
            yield self._worker(row, now)

    def _worker(self, row: Any, now: float) -> DoctorFinding:
        age, ours = now - row.heartbeat_at, version("cellgate")
        said = f"{row.id}: release {row.version or 'older than 0.3'}, heartbeat {age:.0f} s ago"
        if age < -MOST_CLOCK_DIFFERENCE_S:
            fix = "its clock is ahead of this one: let both follow one time server"
        elif age > ALIVE_S:
            fix = "it is gone: start it again; its runs are taken back"
        elif row.has_room is False:
            fix = "its artifact folder has less free than the reserve: make room there"
        elif row.version != ours:
            fix = f"this is release {ours}: two neighbouring releases may work side by side, others may not"
        elif row.draining:
            fix = "it takes no more runs: `cellgate worker resume` ends that"
        else:
            return DoctorFinding(check="workers", status="ok", detail=said)
        return DoctorFinding(check="workers", status="warn", detail=said, fix=fix)


def _difference(name: str, difference_s: float) -> DoctorFinding:
    well = abs(difference_s) <= MOST_CLOCK_DIFFERENCE_S
    return DoctorFinding(
        check="clocks",
        status="ok" if well else "warn",
        detail=f"the {name}'s clock differs from this machine's by {difference_s:+.1f} s",
        fix="" if well else "let both follow one time server (NTP)",
    )


def _file_clock(settings: Settings) -> Findings:
    folder = next(path for path in (settings.artifacts, *settings.artifacts.parents) if path.is_dir())
    with tempfile.TemporaryFile(dir=folder) as file:
        yield _difference("data folder", os.fstat(file.fileno()).st_mtime - time.time())


def _broker(settings: Settings) -> Findings:
    if settings.redis_url is None:
        detail = "CELLGATE_REDIS_URL is not set: `cellgate up` starts a broker of its own"
        yield DoctorFinding(check="broker", status="ok", detail=detail)
        return
    with closing(redis_client(settings.redis_url)) as client:
        try:
            client.set(TRIED_KEY, "1", px=1000)
        except Exception as error:  # noqa: BLE001 - whatever it is, this broker takes no notification
            fix = "check CELLGATE_REDIS_URL, that the server runs, is a master, and has room (maxmemory)"
            yield DoctorFinding(check="broker", status="fail", detail=f"{type(error).__name__}: {error}", fix=fix)
            return
    yield DoctorFinding(check="broker", status="ok", detail="it answers and can be written to")


def _gpus(settings: Settings) -> Findings:
    if settings.device == "cpu":
        yield DoctorFinding(check="GPUs", status="ok", detail="none is wanted: CELLGATE_DEVICE is cpu")
        return
    listed = _nvidia_smi()
    if listed or settings.device == "auto":
        detail = "; ".join(listed) or "none is here: runs train on the CPU"
        yield DoctorFinding(check="GPUs", status="ok", detail=detail)
        return
    fix = "install the driver, give the container the GPU, or set CELLGATE_DEVICE=cpu"
    yield DoctorFinding(
        check="GPUs", status="fail", detail="CELLGATE_DEVICE is cuda, and nvidia-smi shows none", fix=fix
    )


def _nvidia_smi() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=GPU_TIMEOUT_S, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


CHECKS: tuple[tuple[str, Callable[[Settings], Findings]], ...] = (
    ("folders", _folders),
    ("space", _space),
    ("database", _database),
    ("broker", _broker),
    ("clocks", _file_clock),
    ("GPUs", _gpus),
)
