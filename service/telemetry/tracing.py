"""Whether requests are traced: where `cellgate[otel]` is installed and a collector is named; others import nothing."""

from typing import Protocol

import structlog
from fastapi.telemetry import TelemetryConfig

from service.settings import Settings
from service.store.database import Database

NOTHING: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
log = structlog.get_logger(__name__)


class Tracing(Protocol):
    """What follows requests, or does not."""

    @property
    def of_requests(self) -> TelemetryConfig:
        """What FastAPI is to trace."""
        ...

    def watch(self, database: Database) -> None:
        """Trace its statements too."""
        ...

    def end(self) -> None:
        """Send what is left."""
        ...


class NoTracing:
    """Follows nothing."""

    of_requests = NOTHING

    def watch(self, database: Database) -> None:
        """Leave it alone."""

    def end(self) -> None:
        """Send nothing."""


def tracing_of(settings: Settings, version: str) -> Tracing:
    """Return what the settings ask for, or `NoTracing` where its libraries are not installed.

    Args:
        version: Of the service, told with every trace.
    """
    if settings.otlp_endpoint is None:
        return NoTracing()
    try:
        from service.telemetry.spans import Spans, exporter
    except ImportError as error:
        log.warning("not_traced", error=str(error), what_to_do="pip install 'cellgate[otel]'")
        return NoTracing()
    return Spans(exporter(settings.otlp_endpoint), version)
