"""The service's metrics, for Prometheus, and the middleware that counts requests."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repsense.operations import show_build

__all__ = ["Metrics", "RequestMetrics"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds. A dashboard polls several times per second, so the interesting range is milliseconds."""

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Metrics:
    """Every metric, in a registry of its own so that several apps can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        show_build("inference", self.registry)
        self.request_duration = Histogram(
            "repsense_inference_request_duration_seconds",
            "Time until an answer begins, by route and status",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.live_listeners = Gauge(
            "repsense_inference_live_listeners", "Open streams of /v1/live", registry=self.registry
        )
        self.dropped_events = Counter(
            "repsense_inference_live_dropped_events",
            "Events that were not sent because a listener of /v1/live was too slow",
            registry=self.registry,
        )
        self.mqtt_connections = Counter(
            "repsense_inference_mqtt_connections", "Connections made to the broker", registry=self.registry
        )
        self.mqtt_connected = Gauge(
            "repsense_inference_mqtt_connected", "1 while the broker is connected", registry=self.registry
        )
        self.mqtt_messages = Counter(
            "repsense_inference_mqtt_messages", "Messages from the broker, by kind", ("kind",), registry=self.registry
        )
        self.refused_messages = Counter(
            "repsense_inference_mqtt_refused_messages",
            "Messages from the broker that could not be used",
            registry=self.registry,
        )


class RequestMetrics:
    """Middleware that observes every answer.

    The time counts until the answer begins: a live stream is meant to stay open.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and observe its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The route's pattern, not the path: ids in a label would make a series for every sensor. Nor any method
                # that somebody makes up.
                route = getattr(scope.get("route"), "path", "unmatched")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.request_duration.labels(method, route, message["status"]).observe(
                    time.perf_counter() - started
                )
            await send(message)

        await self._app(scope, receive, send_observed)
