"""Running the API under uvicorn."""

import uvicorn

from service.app import create_app
from service.logs import set_up_logging
from service.settings import Settings

LAST_REQUESTS_S = 5


def run_api(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    set_up_logging(settings.log_format)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_REQUESTS_S,
    )
