"""The service, put together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI

from repsense.broker import BrokerAddress
from repsense.classifiers import open_classifier
from repsense.classifiers.following import ModelFollower
from repsense.database import connect_database
from repsense_inference.body_limit import BodyLimit
from repsense_inference.dependencies import Parts
from repsense_inference.live import BrokerListener, LiveHub
from repsense_inference.metrics import Metrics, RequestMetrics
from repsense_inference.model import ModelKeeper
from repsense_inference.problems import PROBLEM_MEDIA_TYPE, add_problem_handlers, problem_responses
from repsense_inference.repositories import DatabaseConnection, Repositories
from repsense_inference.routes import (
    classifications,
    classify,
    live,
    models,
    operations,
    sensors,
    sets,
    training_jobs,
    workouts,
)
from repsense_inference.settings import Settings

__all__ = ["assemble_app", "create_app"]

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Ten minutes of nine channels at 100 Hz, written out, are some 5 MB."""

_DESCRIPTION = """
Live events, history, classification and training. Times are ISO 8601 UTC; acceleration is in m/s^2, angular rate in
rad/s, magnetic field in uT. Lists are newest first; `next_cursor` of a page is the `cursor` of the next one.
Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem details, `application/problem+json`.
"""

_Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(settings: Settings) -> FastAPI:
    """Make the app on the real database, broker and model; none of them has to be there yet.

    Raises:
        RepSenseError: If an address among the settings is malformed.
    """
    metrics = Metrics()
    hub = LiveHub(metrics)
    broker = BrokerListener(BrokerAddress.parse(settings.mqtt_url), hub)
    connection = DatabaseConnection(connect_database(settings.mongodb_url))
    model = ModelKeeper(lambda: open_classifier(settings.model_url), ModelFollower(settings.model_url))
    stored = Repositories.on(connection)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        connection.start()
        model.start()
        listening = asyncio.create_task(broker.run(), name="broker")
        try:
            yield
        finally:
            hub.close()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            model.stop()
            connection.stop()

    parts = Parts(
        sensors=stored.sensors,
        samples=stored.samples,
        classifications=stored.classifications,
        sets=stored.sets,
        workouts=stored.workouts,
        models=stored.models,
        training_jobs=stored.training_jobs,
        database=connection,
        model=model,
        hub=hub,
        metrics=metrics,
    )
    return assemble_app(parts, lifespan)


def assemble_app(parts: Parts, lifespan: _Lifespan | None = None) -> FastAPI:
    """Make the app on given parts."""
    app = _App(
        title="RepSense",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        responses=problem_responses(500),
        generate_unique_id_function=lambda route: route.name,
        # /metrics is how this service is observed.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.parts = parts
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(RequestMetrics, metrics=parts.metrics)
    add_problem_handlers(app)
    for module in (sensors, live, classifications, workouts, sets, models, classify, training_jobs, operations):
        app.include_router(module.router)
    return app


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, with the media type of problems, which it cannot be told."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        # FastAPI keeps the document that it returns, so what is changed here stays.
        document = super().openapi()
        for operations_of_path in document["paths"].values():
            for operation in operations_of_path.values():
                for status, response in operation["responses"].items():
                    if status >= "400":
                        response["content"] = {PROBLEM_MEDIA_TYPE: next(iter(response["content"].values()))}
        return document
