"""Running the API under uvicorn."""

import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from service.app import NotReady, check_start, create_app
from service.http.limits import limits_of, raise_open_files
from service.http.protocol import limited
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
        self._app.state.context.lists.close()
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
    server = Server(server_config(settings, app), app)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise CannotServe("the service could not start; see the log above")


def server_config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """Return how uvicorn serves the API: with limits on every connection, and on all of them."""
    proxies = [str(network) for network in settings.trusted_proxies]
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=limited(limits_of(settings, open_files=raise_open_files())),
        ws="none",
        # Who calls is whom the trusted proxies name, and nobody else may name anybody.
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type]  # seconds for call_later()
        timeout_graceful_shutdown=LAST_REQUESTS_S,
    )


def _startable(settings: Settings) -> FastAPI:
    database = Database(settings.database)
    try:
        check_start(settings, database)
        return create_app(settings)
    except (NotReady, MissingAdminToken) as error:
        raise CannotServe(str(error)) from error
    finally:
        database.dispose()
