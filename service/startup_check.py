"""Refuse to start on a non-loopback address unless a token exists."""

from service.settings import Settings
from service.store.database import Database
from service.store.tokens import has_live_admin


class MissingAdminToken(RuntimeError):
    """Other machines could reach the service, and no token exists; the message names the remedy."""


def check_startup(settings: Settings, database: Database) -> None:
    """Return if the service may listen on its host.

    Args:
        settings: Host and token of the service.
        database: Database at the newest schema.

    Raises:
        MissingAdminToken: The host is not loopback, and neither a setting nor the database holds an admin token.
    """
    if not settings.requires_token or settings.token is not None:
        return
    with database.read() as session:
        if has_live_admin(session):
            return
    raise MissingAdminToken(
        f"host {settings.host} can be reached from other machines, and nobody holds a token: make one with `cellgate "
        "token new NAME --scope admin`, or set CELLGATE_TOKEN to a secret of at least 32 characters, or listen on "
        "127.0.0.1"
    )
