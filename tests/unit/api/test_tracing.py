"""Traces: a request's span, those of its statements below it, and one id in the trace, the answer and the log."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import select

from service.settings import Settings
from service.store.tables import JobRow
from service.telemetry import spans
from tests.api_client import Api, get, running_api

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Traced:
    """An app whose spans are kept.

    Args:
        api: The app, started.
        kept: Where its spans go.
    """

    def __init__(self, api: Api, kept: InMemorySpanExporter) -> None:
        self.api = api
        self._kept = kept

    def spans(self) -> list[ReadableSpan]:
        """Return every span, in the order in which they ended; there are none later."""
        self.api.client.__exit__()
        return list(self._kept.get_finished_spans())


@pytest.fixture
def traced(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    """The app, traced."""
    kept = InMemorySpanExporter()
    monkeypatch.setattr(spans, "exporter", lambda _endpoint: kept)
    with running_api(settings.model_copy(update={"otlp_endpoint": "http://collector"})) as api:
        yield Traced(api, kept)


def the_request(spans: list[ReadableSpan]) -> ReadableSpan:
    """Return the span of the only request."""
    [found] = [span for span in spans if span.kind is SpanKind.SERVER]
    return found


def trace_id(span: ReadableSpan) -> str:
    """Return a span's trace id, as in `traceparent`."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}"


def test_a_request_belongs_to_the_trace_of_its_caller_and_statements_to_the_request(traced: Traced) -> None:
    answer = traced.api.client.get("/v1/queues", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})

    spans = traced.spans()
    request = the_request(spans)
    assert (request.name, request.parent and f"{request.parent.span_id:016x}") == ("GET /v1/queues", PARENT)
    assert trace_id(request) == answer.headers["X-Request-Id"] == TRACE
    statements = [span for span in spans if span.kind is SpanKind.CLIENT]
    assert [span.name for span in statements] == ["BEGIN", "SELECT", "SELECT", "SELECT"]
    for span in statements:
        assert trace_id(span) == TRACE
        assert span.parent == request.get_span_context()
        assert span.attributes is not None
        assert span.attributes["db.system.name"] == "sqlite"


def test_a_request_without_an_id_has_that_of_its_trace_in_its_problem_and_the_log(traced: Traced) -> None:
    answer = traced.api.client.post("/v1/jobs", json={})

    made_up = trace_id(the_request(traced.spans()))
    assert answer.json()["trace_id"] == answer.headers["X-Request-Id"] == made_up
    [logged] = [line for line in traced.api.logs if line["event"] == "request"]
    assert logged["trace_id"] == made_up


def test_a_request_id_of_the_caller_is_kept_and_found_in_the_span(traced: Traced) -> None:
    answer = traced.api.client.get("/v1/cells", headers={"X-Request-Id": "mine-1"})

    request = the_request(traced.spans())
    assert answer.headers["X-Request-Id"] == "mine-1"
    assert request.attributes is not None
    assert request.attributes["cellgate.trace_id"] == "mine-1"


def test_no_span_holds_a_value_that_was_sent_to_the_database(traced: Traced) -> None:
    traced.api.client.post(
        "/v1/datasets",
        json={"name": "secret-name", "source": traced.api.file()},
        headers={"Idempotency-Key": "secret-key-of-this-request"},
    )

    reported = "".join(span.to_json() for span in traced.spans())
    assert "INSERT INTO idempotency_keys" in reported
    assert "secret" not in reported


def test_probes_and_monitors_are_not_traced_but_curves_are(traced: Traced) -> None:
    for path in ("/livez", "/readyz", "/metrics", f"/v1/runs/run_{'0' * 26}/metrics"):
        traced.api.client.get(path)

    assert the_request(traced.spans()).name == "GET /v1/runs/{run_id}/metrics"


def test_a_statement_that_fails_ends_its_span_as_failed(traced: Traced) -> None:
    with traced.api.database.begin() as session:
        session.execute(select(JobRow)).all()
        session.connection().exec_driver_sql("ALTER TABLE jobs RENAME TO hidden")

    answer = traced.api.client.get("/v1/jobs")

    spans = traced.spans()
    [failed] = [span for span in spans if span.kind is SpanKind.CLIENT and span.status.status_code is StatusCode.ERROR]
    assert (answer.status_code, failed.status.description) == (503, "OperationalError")
    assert failed.parent == the_request(spans).get_span_context()


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Yield the URL of a collector, and what it was sent."""
    sent: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_the_environment_names_is_sent_everything_before_the_service_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (url, sent):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        with running_api(Settings(data_dir=settings.data_dir)) as api:
            get(api, "/v1/queues")

    assert {path for path, _ in sent} == {"/v1/traces"}
    assert b"GET /v1/queues" in b"".join(body for _, body in sent)


def test_an_endpoint_without_the_libraries_is_reported_and_the_service_starts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "service.telemetry.spans", None)

    with running_api(settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:1"})) as api:
        assert api.client.get("/livez").status_code == 200
