"""The reconciler's housekeeping, done once, as its thread does it."""

from service.settings import Settings
from service.store.database import Database
from worker.housekeeping import Housekeeper


def keep_house(settings: Settings) -> int:
    """Remove the files of all that was deleted, and return how many removals there were."""
    database = Database(settings.database)
    try:
        return Housekeeper(database=database, settings=settings).remove_files()
    finally:
        database.dispose()
