"""The service, put together."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from repsense.broker import BrokerAddress
from repsense.classifiers import open_classifier
from repsense.classifiers.following import ModelFollower
from repsense.database import connect_database
from repsense.errors import RepSenseError
from repsense_inference.access import OPEN_PATHS, SECURITY_SCHEMES, KeyAccess, LoopbackAccess, is_loopback
from repsense_inference.body_limit import BodyLimit
from repsense_inference.dependencies import Parts
from repsense_inference.documentation import documentation_router
from repsense_inference.housekeeping import keep_house
from repsense_inference.live import BrokerListener, LiveHub
from repsense_inference.metrics import Metrics, RequestMetrics
from repsense_inference.model import ModelKeeper
from repsense_inference.model_directory import ModelDirectory
from repsense_inference.problems import ProblemKind, add_problem_handlers, problem_responses, problem_schemas
from repsense_inference.rate_limit import RequestLimit
from repsense_inference.repositories import DatabaseConnection, Repositories
from repsense_inference.response_headers import ResponseHeaders
from repsense_inference.routes import (
    classifications,
    classify,
    history,
    labels,
    live,
    models,
    movement,
    operations,
    persons,
    recording_figures,
    recording_files,
    recordings,
    sensors,
    sets,
    status,
    training_jobs,
    workouts,
)
from repsense_inference.settings import Settings
from repsense_inference.watching import Watch
from repsense_inference.watching.disk import free_bytes
from repsense_inference.watching.fault_metrics import FaultCollector

__all__ = ["Limits", "assemble_app", "create_app"]

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Ten minutes of nine channels at 100 Hz, written out, are some 5 MB."""

_DESCRIPTION = """
Live events, history, classification and training. Times are ISO 8601 UTC; acceleration is in m/s^2, angular rate in
rad/s, magnetic field in uT. Lists are newest first; `next_cursor` of a page is the `cursor` of the next one.
Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details, `application/problem+json`.
"""

_ROUTES = (
    sensors,
    movement,
    live,
    classifications,
    workouts,
    sets,
    history,
    recording_files,
    recording_figures,
    recordings,
    persons,
    labels,
    models,
    classify,
    training_jobs,
    status,
    operations,
)
"""The first one that fits a path answers."""

_HEAVY_REQUESTS = frozenset(
    {
        ("POST", "/v1/classify"),
        ("GET", "/v1/history/export"),
        ("POST", recording_files.IMPORT_PATH),
        ("GET", "/v1/recordings/export"),
        ("GET", "/v1/recordings/inspection"),
        # Anybody may ask for it.
        ("GET", "/openapi.json"),
    }
)
"""What takes the service long, or much memory."""

_FAREWELL_S = 2.0
_DOCUMENTING = threading.Lock()
"""FastAPI has a document before it is complete, and several may ask at once."""

_Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Limits:
    """How much one client may ask within a minute; 0 is without a limit.

    Attributes:
        requests: Of any kind.
        heavy_requests: Of those, what takes the service long.
        wrong_keys: Keys that are not the right one.
    """

    requests: int = 0
    heavy_requests: int = 0
    wrong_keys: int = 0


def create_app(settings: Settings) -> FastAPI:
    """Make the app on the real database, broker and model; none of them has to be there yet.

    Raises:
        RepSenseError: If an address among the settings is malformed, or others could use the API without a key.
    """
    key = settings.api_key
    if key is None and not is_loopback(settings.api_host):
        msg = (
            f"API_HOST {settings.api_host} can be reached by others: set API_KEY to a secret of at least 16 "
            "characters, or listen on 127.0.0.1"
        )
        raise RepSenseError(msg)
    metrics = Metrics()
    hub = LiveHub(metrics, max_listeners=settings.api_live_streams or None)
    broker = BrokerListener(BrokerAddress.parse(settings.mqtt_url, settings.mqtt_ca_file), hub)
    connection = DatabaseConnection(connect_database(settings.mongodb_url))
    model = ModelKeeper(lambda: open_classifier(settings.model_url), ModelFollower(settings.model_url))
    stored = Repositories.on(connection)

    watch = Watch(
        database=connection,
        hub=hub,
        model=model,
        sensors=stored.sensors,
        preprocessors=stored.preprocessors,
        models=stored.models,
        recordings=stored.recordings,
        free_bytes=lambda: free_bytes(settings.models_directory),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        connection.start(stored.read_ahead)
        model.start()
        watch.start()
        tasks = [
            asyncio.create_task(broker.run(), name="broker"),
            asyncio.create_task(keep_house(stored.recordings, stored.erasing), name="housekeeping"),
        ]
        try:
            yield
        finally:
            hub.close()
            for task in tasks:
                task.cancel()
            # Not for ever: `asyncio.wait_for`, with which aiomqtt connects, can lose a cancellation before Python 3.12
            # (python/cpython#86296). The event loop cancels what is left once more when it ends.
            await asyncio.wait(tasks, timeout=_FAREWELL_S)
            watch.stop()
            model.stop()
            connection.stop()

    parts = Parts(
        sensors=stored.sensors,
        samples=stored.samples,
        classifications=stored.classifications,
        sets=stored.sets,
        set_edits=stored.set_edits,
        workouts=stored.workouts,
        models=stored.models,
        training_jobs=stored.training_jobs,
        persons=stored.persons,
        label_store=stored.labels,
        recordings=stored.recordings,
        erasing=stored.erasing,
        database=connection,
        model=model,
        model_directory=ModelDirectory(settings.models_directory, settings.model_name),
        hub=hub,
        watch=watch,
        metrics=metrics,
    )
    limits = Limits(
        requests=settings.api_requests_per_minute,
        heavy_requests=settings.api_heavy_requests_per_minute,
        wrong_keys=settings.api_wrong_keys_per_minute,
    )
    if key is None:
        return assemble_app(parts, lifespan, limits=limits, this_machine_only=True)
    return assemble_app(parts, lifespan, limits=limits, key=key.get_secret_value())


def assemble_app(
    parts: Parts,
    lifespan: _Lifespan | None = None,
    *,
    limits: Limits = Limits(),
    key: str | None = None,
    this_machine_only: bool = False,
) -> FastAPI:
    """Make the app on given parts.

    Args:
        parts: What the routes work with.
        lifespan: What is to be done before the first request and after the last.
        limits: How much one client may ask.
        key: What clients must send.
        this_machine_only: Whether only this machine is answered.
    """
    app = _App(
        title="RepSense",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        # /metrics is how this service is observed.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.parts = parts
    app.state.demands_key = key is not None
    app.state.this_machine_only = this_machine_only
    parts.metrics.registry.register(FaultCollector(parts.watch))
    # The last one added is asked first: who is refused is counted, but sends no body.
    app.add_middleware(
        BodyLimit, max_bytes=MAX_BODY_BYTES, exceptions={recording_files.IMPORT_PATH: recording_files.MAX_IMPORT_BYTES}
    )
    if key is not None:
        app.add_middleware(KeyAccess, key=key, wrong_keys_per_minute=limits.wrong_keys)
    if this_machine_only:
        app.add_middleware(LoopbackAccess)
    app.add_middleware(
        RequestLimit,
        requests_per_minute=limits.requests,
        heavy_requests_per_minute=limits.heavy_requests,
        heavy_requests=_HEAVY_REQUESTS,
    )
    app.add_middleware(RequestMetrics, metrics=parts.metrics)
    add_problem_handlers(app)
    app.include_router(documentation_router(app.title))
    for module in _ROUTES:
        app.include_router(module.router)
    return app


class _App(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's, and around what answers to mistakes the headers of every answer."""
        return ResponseHeaders(super().build_middleware_stack())

    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, with what it cannot be told: problems that any request may run into, and the key."""
        with _DOCUMENTING:
            document = self.openapi_schema
            if document is None:
                # FastAPI keeps the document that it returns, so what is changed here stays.
                document = super().openapi()
                document["components"]["schemas"] |= problem_schemas()
                document["components"]["securitySchemes"] = dict(SECURITY_SCHEMES)
                for path, operations_of_path in document["paths"].items():
                    for method, operation in operations_of_path.items():
                        self._complete(operation, method, demands_key=self.state.demands_key and path not in OPEN_PATHS)
            return document

    def _complete(self, operation: dict[str, Any], method: str, *, demands_key: bool) -> None:
        body = operation.get("requestBody", {}).get("content", {})
        problems = [ProblemKind.TOO_MANY_REQUESTS, ProblemKind.INTERNAL_ERROR]
        if demands_key:
            operation["security"] = [{scheme: []} for scheme in SECURITY_SCHEMES]
            problems += [ProblemKind.KEY_REQUIRED, ProblemKind.KEY_WRONG, ProblemKind.TOO_MANY_KEYS]
        if self.state.this_machine_only:
            problems += [ProblemKind.HOST_UNKNOWN] + ([] if method == "get" else [ProblemKind.FOREIGN_ORIGIN])
        if body:
            problems += [ProblemKind.BODY_TOO_SLOW, ProblemKind.BODY_TOO_LARGE]
        if "application/json" in body:
            problems += [ProblemKind.HTTP_ERROR]
        common = {str(status): response for status, response in problem_responses(*problems).items()}
        operation["responses"] = dict(sorted((operation["responses"] | common).items()))
