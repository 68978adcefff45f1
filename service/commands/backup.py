"""`cellgate backup` and `cellgate restore`."""

from pathlib import Path

import typer
from sqlalchemy.exc import DBAPIError, OperationalError

from cellgate.contract.exit_codes import CommandExit, UsageError
from service.commands.machine_user import user_of_machine
from service.domain.principals import CONSOLE
from service.settings import Settings
from service.store.audit import Actor, Entry, record
from service.store.backup.container import BackupDamaged, FileChanged
from service.store.backup.place import PlaceInUse
from service.store.backup.restore import DecisionsDiffer, restore_backup
from service.store.backup.write import write_backup
from service.store.database import Database, schema_fault
from service.store.database_faults import advice_for


def back_up(settings: Settings, file: Path, *, checkpoints: bool) -> None:
    """Write a backup and print what it holds.

    Raises:
        UsageError: The database has another schema, or cannot be reached.
        typer.Exit: A file could not be read or written, or changed meanwhile.
    """
    database = Database(settings.database)
    try:
        fault = schema_fault(database)
        if fault is not None:
            raise UsageError(fault)
        written = write_backup(database, settings.data_dir, file, checkpoints=checkpoints)
        _record(database, "backup", file, files=written.files, size_bytes=written.size_bytes, checkpoints=checkpoints)
    except OperationalError as error:
        raise UsageError(advice_for(error)) from error
    except FileChanged as error:
        raise _failed("a file was changed or removed while it was read: try again") from error
    except OSError as error:
        raise _failed(f"the backup cannot be written: {error}") from error
    finally:
        database.dispose()
    print(
        f"{file}: {written.files} files and {written.decisions} decisions, {written.size_bytes:,} bytes. It holds "
        "hashes of tokens and secrets of webhooks: keep it as safe as the database."
    )


def restore_into(settings: Settings, file: Path) -> None:
    """Restore a backup and print what was restored.

    Raises:
        UsageError: The place is not empty, or the database cannot be reached.
        typer.Exit: The backup is damaged, or could not be restored.
    """
    try:
        restored = restore_backup(settings.database, settings.data_dir, file)
    except PlaceInUse as error:
        raise UsageError(f"nothing was restored: {error}") from error
    except BackupDamaged as error:
        raise _failed(f"nothing was restored: {file} is damaged: {error}") from error
    except DecisionsDiffer as error:
        raise _failed(f"nothing was restored: {error}", CommandExit.DIFFERS) from error
    except OperationalError as error:
        raise UsageError(f"nothing was restored: the database cannot be reached: {error.orig}") from error
    except OSError as error:
        raise _failed(f"nothing was restored: {error}") from error
    database = Database(settings.database)
    try:
        _record(database, "restore", file, rows=restored.rows, files=restored.files, requeued=restored.requeued)
    finally:
        database.dispose()
    print(
        f"Restored {restored.rows} rows and {restored.files} files; {restored.decisions} decisions are what they were, "
        f"byte for byte; {restored.requeued} runs that were at work wait again."
    )


def _record(database: Database, action: str, file: Path, **what: int) -> None:
    """Add an entry to the audit log; what is done stays done where it cannot be stored."""
    detail = {"file": str(file.resolve()), "user": user_of_machine(), **what}
    try:
        with database.begin() as session:
            record(session, Actor(principal=CONSOLE), Entry(action=action, detail=detail))
    except DBAPIError as error:
        typer.secho(f"the audit log has no entry of this {action}: {advice_for(error)}", fg="yellow", err=True)


def _failed(message: str, code: CommandExit = CommandExit.FAILED) -> typer.Exit:
    typer.secho(message, fg="red", err=True)
    return typer.Exit(code)
