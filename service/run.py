"""Running the API under uvicorn."""

import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from service.app import NotReady, check_start, create_app
from service.settings import Settings
from service.startup_check import MissingAdminToken
from service.store.database import Database
from service.telemetry.logs import set_up_logging

LAST_REQUESTS_S = 5


class CannotServe(Exception):
    """The service cannot start as it is set up."""


class Server(uvicorn.Server):
    """A uvicorn server that answers all long polls when it ends."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Release the requests that wait for a change, then end as uvicorn does."""
        self._app.state.context.versions.close()
        self._app.state.context.output.close()
        await super().shutdown(sockets)


def run_api(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        CannotServe: The service cannot start as it is set up; the message names the remedy.
        UnusableError: A folder cannot be written to.
        sqlalchemy.exc.DBAPIError: The database is away, full or damaged.
    """
    set_up_logging(settings.log_format)
    app = _startable(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_REQUESTS_S,
    )
    server = Server(config, app)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise CannotServe("the service could not start; see the log above")


def _startable(settings: Settings) -> FastAPI:
    database = Database(settings.database)
    try:
        check_start(settings, database)
        return create_app(settings)
    except (NotReady, MissingAdminToken) as error:
        raise CannotServe(str(error)) from error
    finally:
        database.dispose()
