"""Whether the service may listen where it is told to: beyond this machine somebody must hold a key."""

from service.settings import Settings
from service.store.database import Database
from service.store.tokens import has_live_admin


class MissingAdminToken(RuntimeError):
    """The service would stand open, or be closed to everybody; the message says what to do."""


def check_startup(settings: Settings, database: Database) -> None:
    """Return if the service may listen on its host.

    Args:
        database: At the newest schema.

    Raises:
        NoKey: Other machines reach the host, and there is no token.
    """
    if not settings.asks_for_token or settings.token is not None:
        return
    with database.read() as session:
        if has_live_admin(session):
            return
    raise MissingAdminToken(
        f"host {settings.host} can be reached from other machines, and nobody holds a token: make one with `cellgate "
        "token new NAME --scope admin`, or set CELLGATE_TOKEN to a secret of at least 32 characters, or listen on "
        "127.0.0.1"
    )
