"""Metrics of one process for Prometheus: how many requests, how they ended, how long they took."""

import time
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

UNMATCHED: Final = "(none)"
STARTED: Final = "metrics_started_s"

METRICS_TYPE: Final = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")  # Litestar adds it


class RequestMetrics:
    """Counts and times the requests of one app in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "xuanyong_http_requests_total",
            "Requests by method, route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "xuanyong_http_request_seconds",
            "Seconds from a request's arrival to the start of its answer.",
            ("method", "route"),
            registry=self.registry,
        )

    def start_clock(self, app: ASGIApp) -> ASGIApp:
        """Wrap the app as a middleware that notes when a request came in."""

        async def timed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                scope["state"][STARTED] = time.perf_counter()
            await app(scope, receive, send)

        return timed

    async def observe(self, message: Message, scope: Scope) -> None:
        """Count an answer that starts; a `before_send` hook, so that errors count, too."""
        if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
            return
        # The route's template, never the path: paths hold codes without end.
        route = scope.get("path_template") or UNMATCHED
        self._requests.labels(scope["method"], route, str(message["status"])).inc()
        started = scope["state"].get(STARTED)
        if started is not None:
            self._latency.labels(scope["method"], route).observe(time.perf_counter() - started)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
