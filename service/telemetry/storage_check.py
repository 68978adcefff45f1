"""Whether what is stored has room and is whole: told at a reserve, before the disk is full."""

from cellgate.contract.api.operations import HealthCheck
from cellgate.contract.storage import room_in
from service.settings import Settings
from service.store.database_faults import DatabaseDamaged, DatabaseFull
from service.store.database_outages import describe_outage

# Below it nothing can be relied on to be written any more, a row of the database included.
FULL_BYTES = 16 << 20


def storage_check(settings: Settings) -> HealthCheck:
    """Return the room in the artifact folder, against the reserve below which no run is started."""
    reserve = settings.storage_reserve_bytes
    try:
        room = room_in(settings.artifacts)
    except OSError as error:
        return HealthCheck(ok=False, detail=f"the room in the artifact folder cannot be read: {error.strerror}")
    told = f"{room.free_bytes} bytes free, {reserve} in reserve"
    if room.holds(reserve):
        return HealthCheck(ok=True, detail=told)
    return HealthCheck(ok=False, detail=f"{told}: no run is started and no upload is taken until there is room")


def is_full(settings: Settings) -> bool:
    """Return whether hardly anything can be written any more: below the reserve, and below 16 MiB."""
    try:
        return not room_in(settings.artifacts).holds(min(settings.storage_reserve_bytes, FULL_BYTES))
    except OSError:
        return True


def database_detail(error: Exception) -> str:
    """Return what is wrong with a database that fails a check."""
    return error.advice if isinstance(error, DatabaseFull | DatabaseDamaged) else describe_outage(error)
