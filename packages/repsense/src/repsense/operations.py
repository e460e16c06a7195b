"""`/healthz`, `/readyz` and `/metrics` of a service that has no web server of its own; needs the extra `monitoring`."""

import contextlib
import json
import platform
import socket
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, Info, make_wsgi_app

from repsense.condition import Check, Condition
from repsense.errors import RepSenseError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["operations_app", "repsense_version", "serving_operations", "show_build"]

_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def repsense_version() -> str:
    """The version of RepSense that runs."""
    return version("repsense")


def show_build(service: str, registry: CollectorRegistry = REGISTRY) -> None:
    """Add the metric `repsense_build_info`.

    Args:
        service: Which service this is.
        registry: To what.
    """
    build = Info("repsense_build", "Which RepSense runs, and on what", registry=registry)
    build.info({"service": service, "version": repsense_version(), "python": platform.python_version()})


def operations_app(condition: Condition, registry: CollectorRegistry = REGISTRY) -> "WSGIApplication":
    """The three routes; every other path is a 404.

    Args:
        condition: Of the service.
        registry: Of its metrics.
    """
    metrics = make_wsgi_app(registry)

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body: object
        match environ["PATH_INFO"]:
            case "/metrics":
                return metrics(environ, start_response)  # type: ignore[no-any-return]  # prometheus_client says no more
            case "/healthz":
                stuck = condition.stuck
                status, body = _status(ok=stuck is None), {"status": stuck or "ok"}
            case "/readyz":
                checks = condition.checks()
                ready = all(check.problem is None for check in checks)
                status = _status(ok=ready)
                body = {"status": "ready" if ready else "not-ready", "checks": [_shown(check) for check in checks]}
            case _:
                status, body = "404 Not Found", {"status": "there is /healthz, /readyz and /metrics"}
        start_response(status, list(_HEADERS))  # the server adds the length to it
        return [json.dumps(body, ensure_ascii=False).encode() + b"\n"]

    return app


@contextlib.contextmanager
def serving_operations(
    host: str, port: int, condition: Condition, registry: CollectorRegistry = REGISTRY
) -> Iterator[int]:
    """Serve the three routes for the length of a block.

    Args:
        host: Of the interface; without encryption or password, so better one that only friends reach.
        port: 0 for any that is free.
        condition: Of the service.
        registry: Of its metrics.

    Yields:
        The port.

    Raises:
        RepSenseError: If nothing can be served there.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        kind = type("Server", (_Server,), {"address_family": family})
        server: WSGIServer = make_server(
            str(address[0]), port, operations_app(condition, registry), server_class=kind, handler_class=_Handler
        )
    except OSError as error:
        msg = f"cannot listen on METRICS_HOST {host}, METRICS_PORT {port}: {error.strerror or error}"
        raise RepSenseError(msg) from error
    thread = Thread(target=server.serve_forever, name="operations", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each question, so that one who does not read the answer holds up nobody."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log nothing: these are asked every few seconds."""


def _status(*, ok: bool) -> str:
    return "200 OK" if ok else "503 Service Unavailable"


def _shown(check: Check) -> dict[str, object]:
    return {"name": check.name, "ok": check.problem is None, "detail": check.problem or check.remark or "ok"}
