"""Spans of requests, made by FastAPI, and of the SQL statements that they send, without the statements' parameters.

Source:
    OpenTelemetry semantic conventions for HTTP and database spans; W3C Trace Context.
"""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

import requests
from fastapi.telemetry import TelemetryConfig
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span
from sqlalchemy import Connection, ExceptionContext

from service.settings import is_loopback
from service.store.database import Database

# Probes and monitors send requests all the time; their spans would outnumber the others.
UNTRACED = frozenset({"/livez", "/readyz", "/metrics"})
SPAN = "cellgate_span"


def exporter(endpoint: str) -> SpanExporter:
    """Return an exporter that sends spans to an OpenTelemetry collector over HTTP.

    Args:
        endpoint: Its base URL, as in OTEL_EXPORTER_OTLP_ENDPOINT.
    """
    session = requests.Session()
    # A proxy would look for a collector of this machine on its own.
    session.trust_env = not is_loopback(urlsplit(endpoint).hostname or "")
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", session=session)


class Spans:
    """Spans of requests and statements.

    Args:
        to: Exports them.
        version: Of the service; part of every trace.
    """

    def __init__(self, to: SpanExporter, version: str) -> None:
        resource = Resource.create({SERVICE_NAME: "cellgate", SERVICE_VERSION: version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(to))

    @property
    def of_requests(self) -> TelemetryConfig:
        """FastAPI's settings: trace requests, but not their parts; metrics and logs have channels of their own."""
        return {
            "tracer_provider": self._provider,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": _is_untraced,
        }

    def watch(self, database: Database) -> None:
        """Open a span for every statement that a traced request sends."""
        database.watch(StatementSpans(self._provider.get_tracer(__name__), database.dialect))

    def end(self) -> None:
        """Export the remaining spans and stop."""
        self._provider.shutdown()


class StatementSpans:
    """Opens a span for every statement that is sent within another span.

    OpenTelemetry's own instrumentation puts the driver's message into the span of a failed statement, and with it
    values that were sent; it also refuses SQLAlchemy 2.1 (opentelemetry-instrumentation-sqlalchemy 0.66b2).

    Args:
        tracer: Opens the spans.
        system: The database, as OpenTelemetry names it.
    """

    def __init__(self, tracer: Tracer, system: str) -> None:
        self._tracer = tracer
        self._system = system

    def begun(self, connection: Connection, statement: str) -> None:
        """Open the statement's span."""
        if not get_current_span().is_recording():
            return
        verb = statement.split(maxsplit=1)[0].upper()
        attributes = {"db.system.name": self._system, "db.operation.name": verb, "db.query.text": statement}
        connection.info[SPAN] = self._tracer.start_span(verb, kind=SpanKind.CLIENT, attributes=attributes)

    def ended(self, connection: Connection) -> None:
        """Close the statement's span."""
        if (span := connection.info.pop(SPAN, None)) is not None:
            span.end()

    def failed(self, context: ExceptionContext) -> None:
        """Close the statement's span as failed."""
        if context.connection is None or (span := context.connection.info.pop(SPAN, None)) is None:
            return
        span.set_status(Status(StatusCode.ERROR, type(context.original_exception).__name__))
        span.end()


def _is_untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in UNTRACED
