"""Tracing, if `cellgate[otel]` is installed and a collector is named; otherwise its libraries are not imported."""

from typing import Protocol

import structlog
from fastapi.telemetry import TelemetryConfig

from service.settings import Settings
from service.store.database import Database

NOTHING: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
log = structlog.get_logger(__name__)


class Tracing(Protocol):
    """Traces requests and statements, or nothing."""

    @property
    def of_requests(self) -> TelemetryConfig:
        """Settings for FastAPI."""
        ...

    def watch(self, database: Database) -> None:
        """Trace the database's statements."""
        ...

    def end(self) -> None:
        """Export the remaining spans."""
        ...


class NoTracing:
    """Traces nothing."""

    of_requests = NOTHING

    def watch(self, database: Database) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


def tracing_of(settings: Settings, version: str) -> Tracing:
    """Return tracing as the settings want it, or `NoTracing` if its libraries are not installed.

    Args:
        settings: Of the service; `otlp_endpoint` names the collector.
        version: Of the service; part of every trace.
    """
    if settings.otlp_endpoint is None:
        return NoTracing()
    try:
        from service.telemetry.spans import Spans, exporter
    except ImportError as error:
        log.warning("not_traced", error=str(error), what_to_do="pip install 'cellgate[otel]'")
        return NoTracing()
    return Spans(exporter(settings.otlp_endpoint), version)
