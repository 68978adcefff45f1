"""Prometheus metrics: this process's response times, and the state of the deployment.

Source:
    Prometheus text exposition format 0.0.4, and OpenMetrics 1.0 on request.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from service.broker.notify import Notifier
from service.settings import Settings
from service.store.database import Database
from service.telemetry.health import HealthProbe
from service.telemetry.metrics_collector import MetricsCollector

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
# Clients choose paths and methods: a path without a route must not become a label.
OTHER = "other"
# However many scrape, the page is made once in so long.
SHARED_S = 1.0
BOUNDS_S = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class MetricsPage:
    """Response to a scrape."""

    content: bytes
    media_type: str


class Telemetry:
    """Metrics of one API process.

    Args:
        database: Source of the deployment's metrics.
        notifier: Reports what is wrong with the broker.
        settings: Of the process.
        clock: Returns seconds that never go back.
    """

    def __init__(
        self,
        database: Database,
        notifier: Notifier,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pages: dict[str, tuple[float, MetricsPage]] = {}
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "cellgate_http_request_duration_seconds",
            "Time to the first byte of an answer, by route.",
            labelnames=["route", "method", "status"],
            buckets=BOUNDS_S,
            registry=self._registry,
        )
        self.health = HealthProbe(database, notifier, settings)
        self._registry.register(MetricsCollector(database, self.health))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def answered(self, *, route: str | None, method: str, status: int, took_s: float) -> None:
        """Count a response.

        Args:
            route: The route's template; None if no route matched.
            method: HTTP method; an unknown one is counted as `other`.
            status: HTTP status; only its class is kept.
            took_s: Seconds until the first byte of the response.
        """
        known = method if method in METHODS else OTHER
        self._requests.labels(route or OTHER, known, f"{status // 100}xx").observe(took_s)

    def page(self, accept: str) -> MetricsPage:
        """Return all metrics in the format that the Accept header selects; at most a second old."""
        encode, media_type = choose_encoder(accept)
        with self._lock:
            made_at, page = self._pages.get(media_type, (-math.inf, None))
            if page is None or self._clock() - made_at >= SHARED_S:
                page = MetricsPage(content=encode(self._registry), media_type=media_type)
                self._pages[media_type] = (self._clock(), page)
            return page
