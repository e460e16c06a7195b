"""All parts of the service made up, and a client of the app on them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from services.inference.tests.fakes_recordings import Shelves, assert_documented
from services.inference.tests.fakes_workouts import FakeSetEdits, FakeSets, FakeWorkouts
from starlette.routing import BaseRoute
from support.models import mean_manifest

from repsense.classifiers import Classifier
from repsense.documents import (
    ClassificationDocument,
    ModelDocument,
    PreprocessorDocument,
    SamplesDocument,
    SensorDocument,
    TrainingJobDocument,
    TrainingJobState,
)
from repsense.errors import ClassifierUnavailableError, ModelVersionGoneError
from repsense.manifest import ModelManifest
from repsense_inference.app import Limits, assemble_app
from repsense_inference.dependencies import Parts
from repsense_inference.errors import DatabaseUnavailableError, ModelUnavailableError
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.live import LiveHub
from repsense_inference.metrics import Metrics
from repsense_inference.model_directory import ModelDirectory
from repsense_inference.paging import Page
from repsense_inference.timelines import LabelledWindow
from repsense_inference.watching import Watch

__all__ = [
    "AwayClassifier",
    "FakeModel",
    "LargestAxis",
    "LostSensors",
    "MistakenSensors",
    "UnloadedClassifier",
    "World",
    "assert_problem",
    "make_sign",
]


@dataclass
class FakeSensors:
    documents: dict[str, SensorDocument] = field(default_factory=dict)

    def all(self) -> list[SensorDocument]:
        return list(self.documents.values())

    def get(self, sensor_id: str) -> SensorDocument | None:
        return self.documents.get(sensor_id)


@dataclass
class FakeSamples:
    chunks: list[SamplesDocument] = field(default_factory=list)
    asked: tuple[int, int] | None = None

    def newest(self, sensor_id: str) -> SamplesDocument | None:
        return next((one for one in reversed(self.chunks) if one["sensor_id"] == sensor_id), None)

    def oldest(self, sensor_id: str) -> SamplesDocument | None:
        return next((one for one in self.chunks if one["sensor_id"] == sensor_id), None)

    def following(self, sensor_id: str, from_us: int, limit: int) -> list[SamplesDocument]:
        found = [one for one in self.chunks if one["sensor_id"] == sensor_id and one["first_sample_us"] >= from_us]
        return found[:limit]

    def between(self, sensor_id: str, from_us: int, to_us: int) -> list[SamplesDocument]:
        self.asked = (from_us, to_us)
        return [one for one in self.chunks if one["sensor_id"] == sensor_id]


@dataclass
class FakeClassifications:
    documents: list[ClassificationDocument] = field(default_factory=list)
    shown: list[LabelledWindow] = field(default_factory=list)
    asked: tuple[object, ...] | None = None

    def newest(self, sensor_id: str) -> ClassificationDocument | None:
        return next((one for one in self.documents if one["sensor_id"] == sensor_id), None)

    def page(
        self, sensor_id: str | None, from_us: int, to_us: int | None, limit: int, cursor: str | None
    ) -> Page[ClassificationDocument]:
        self.asked = (sensor_id, from_us, to_us, limit, cursor)
        return Page(self.documents[:limit], "more" if len(self.documents) > limit else None)

    def windows(self, sensor_id: str, from_us: int, to_us: int) -> list[LabelledWindow]:
        self.asked = (sensor_id, from_us, to_us)
        return self.shown


@dataclass
class FakeModels:
    documents: dict[str, ModelDocument] = field(default_factory=dict)
    n_asked: int = 0

    def all(self) -> list[ModelDocument]:
        return list(self.documents.values())

    def get(self, key: str) -> ModelDocument | None:
        self.n_asked += 1
        return self.documents.get(key)


@dataclass
class FakeTrainingJobs:
    documents: dict[str, TrainingJobDocument] = field(default_factory=dict)
    asked: tuple[object, ...] | None = None

    def add(self, job: TrainingJobDocument) -> TrainingJobDocument:
        return self.documents.setdefault(job["_id"], job)

    def get(self, job_id: str) -> TrainingJobDocument | None:
        return self.documents.get(job_id)

    def log(self, job_id: str) -> list[str] | None:
        job = self.documents.get(job_id)
        return None if job is None else job["log"]

    def queue(self) -> list[str]:
        return [job["_id"] for job in self.documents.values() if job["state"] == "queued"]

    def page(self, state: TrainingJobState | None, limit: int, cursor: str | None) -> Page[TrainingJobDocument]:
        self.asked = (state, limit, cursor)
        return Page(list(self.documents.values()), None)

    def cancel(self, job_id: str, now_us: int) -> TrainingJobDocument | None:
        job = self.documents.get(job_id)
        if job is not None and job["state"] == "queued":
            job["state"], job["ended_us"] = "cancelled", now_us
        elif job is not None and job["state"] == "running":
            job["cancel_requested"] = True
        return job


class LostSensors(FakeSensors):
    def all(self) -> list[SensorDocument]:
        msg = "the database does not answer"
        raise DatabaseUnavailableError(msg)


class MistakenSensors(FakeSensors):
    def all(self) -> list[SensorDocument]:
        msg = "secret of the inside"
        raise LookupError(msg)


@dataclass
class FakeDatabase:
    fault: Fault | None = None
    n_doubts: int = 0

    @property
    def absence(self) -> Fault | None:
        can_be_read = self.fault is not None and self.fault.kind is FaultKind.DATABASE_FULL
        return None if can_be_read else self.fault

    def doubt_writing(self) -> None:
        self.n_doubts += 1


@dataclass
class FakePreprocessors:
    """One that lives: its sign is another one each time."""

    documents: list[PreprocessorDocument] = field(default_factory=lambda: [make_sign()])
    is_alive: bool = True

    def all(self) -> list[PreprocessorDocument]:
        if self.is_alive:
            for document in self.documents:
                document["beat"] += 1
        return self.documents


def make_sign(problems: dict[str, str] | None = None, oldest_waiting_s: float = 0.0) -> PreprocessorDocument:
    return {
        "_id": "a",
        "beat": 1,
        "at_us": 0,
        "started_us": 0,
        "version": "0.1.0",
        "ready": not problems,
        "problems": problems or {},
        "model_name": "mean",
        "model_version": 2,
        "n_streams": 1,
        "n_waiting": 0,
        "oldest_waiting_s": oldest_waiting_s,
    }


@dataclass
class FakeClock:
    """Of this machine: one that goes evenly, and one that can be set."""

    steady_s: float = 0.0
    now: datetime = datetime(2026, 3, 1, 17, tzinfo=UTC)

    def pass_by(self, seconds: float) -> None:
        self.steady_s += seconds
        self.now += timedelta(seconds=seconds)


@dataclass
class FakeModel:
    classifier: Classifier | None = None
    fault: Fault | None = None
    refusal: str | None = None
    successor: Classifier | None = None
    lost_reasons: list[str] = field(default_factory=list)

    @contextmanager
    def use(self, patience_s: float = 0.0) -> Iterator[Classifier]:
        if patience_s:
            self.classifier = self.successor
        if self.classifier is None:
            raise ModelUnavailableError(self.fault.detail if self.fault else "")
        yield self.classifier

    def lost(self, classifier: Classifier, reason: str) -> None:
        assert classifier is self.classifier
        self.lost_reasons.append(reason)


class LargestAxis:
    def __init__(self) -> None:
        self.manifest: ModelManifest = mean_manifest(version=2)

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = np.exp(windows.mean(axis=1)[:, : len(self.manifest.labels)])
        probabilities: NDArray[np.float32] = scores / scores.sum(axis=1, keepdims=True)
        return probabilities

    def close(self) -> None:
        """Nothing is held."""


class AwayClassifier(LargestAxis):
    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        msg = f"TensorFlow Serving is away, {len(windows)} windows wait"
        raise ClassifierUnavailableError(msg)


class UnloadedClassifier(LargestAxis):
    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        msg = f"version 2 is gone, {len(windows)} windows wait"
        raise ModelVersionGoneError(msg)


@dataclass
class World:
    """All parts, and a client of the app on them."""

    sensors: FakeSensors = field(default_factory=FakeSensors)
    samples: FakeSamples = field(default_factory=FakeSamples)
    classifications: FakeClassifications = field(default_factory=FakeClassifications)
    sets: FakeSets = field(default_factory=FakeSets)
    set_edits: FakeSetEdits = field(default_factory=FakeSetEdits)
    workouts: FakeWorkouts = field(init=False)
    shelves: Shelves = field(default_factory=Shelves)
    models: FakeModels = field(default_factory=FakeModels)
    training_jobs: FakeTrainingJobs = field(default_factory=FakeTrainingJobs)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    preprocessors: FakePreprocessors = field(default_factory=FakePreprocessors)
    clock: FakeClock = field(default_factory=FakeClock)
    free_bytes: int | None = 10**10
    model: FakeModel = field(default_factory=lambda: FakeModel(LargestAxis()))
    model_directory: ModelDirectory = field(default_factory=lambda: ModelDirectory(Path("no-models"), "mean"))
    metrics: Metrics = field(default_factory=Metrics)
    hub: LiveHub = field(init=False)
    watch: Watch = field(init=False)
    key: str | None = None
    """What clients must send."""
    limits: Limits = field(default_factory=Limits)
    _app: FastAPI | None = None

    def __post_init__(self) -> None:
        self.workouts = FakeWorkouts(self.set_edits)
        self.hub = LiveHub(self.metrics)
        self.hub.connected()
        self.watch = Watch(
            database=self.database,
            hub=self.hub,
            model=self.model,
            sensors=self.sensors,
            preprocessors=self.preprocessors,
            models=self.models,
            recordings=self.shelves.recordings,
            free_bytes=lambda: self.free_bytes,
            clock_s=lambda: self.clock.steady_s,
            now=lambda: self.clock.now,
        )

    def app(self) -> FastAPI:
        parts = Parts(
            sensors=self.sensors,
            samples=self.samples,
            classifications=self.classifications,
            sets=self.sets,
            set_edits=self.set_edits,
            workouts=self.workouts,
            models=self.models,
            training_jobs=self.training_jobs,
            persons=self.shelves.persons,
            label_store=self.shelves.label_store,
            recordings=self.shelves.recordings,
            erasing=self.shelves.erasing,
            database=self.database,
            model=self.model,
            model_directory=self.model_directory,
            hub=self.hub,
            watch=self.watch,
            metrics=self.metrics,
        )
        # What takes the longest is done once; the parts may be others each time.
        if self._app is None:
            self._app = assemble_app(parts, key=self.key, limits=self.limits)
            _share_routes(self._app)
        self._app.state.parts = parts
        return self._app

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app(), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(send())

    def get(self, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - as above
        return self.request("GET", path, **arguments)

    def classify(self, **changes: object) -> httpx.Response:
        recording = {
            "sample_rate_hz": 2.0,
            "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
            "samples": [[0.0, 9.8, 0.0, value, 0.0, 0.0] for value in (0.0, 1.0, 0.0, 1.0, 0.0, 1.0)],
        }
        return self.request("POST", "/v1/classify", json=recording | changes)


_ROUTES: list[BaseRoute] = []
"""Those of the first app."""


def _share_routes(app: FastAPI) -> None:
    """Let all apps have the same routes: working out their signatures takes longer than most tests.

    Only what documents an app is its own: it says whether there is a key.
    """
    own: list[BaseRoute] = []
    others: list[BaseRoute] = []
    for route in app.router.routes:
        (own if getattr(route, "path", None) == app.openapi_url else others).append(route)
    if not _ROUTES:
        _ROUTES.extend(others)
    app.router.routes = [*own, *_ROUTES]


def assert_problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """See that an answer is this problem, and return it."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"]) == (status, status), problem
    assert problem["type"] == f"urn:repsense:{kind}"
    assert problem["title"]
    assert problem["detail"]
    assert_documented(response.request.method, response.request.url.path, status, kind)
    return problem
