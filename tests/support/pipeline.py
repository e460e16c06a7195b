"""A store in memory with the semantics of the real one, and a way to drive the pipeline by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from repsense.channels import Channel
from repsense.documents import (
    ClassificationDocument,
    SamplesDocument,
    SensorDocument,
    SetDocument,
    WorkoutDocument,
    decode_samples,
)
from repsense.manifest import ModelManifest
from repsense.messages import SamplesMessage
from repsense.streams import Run
from repsense.timestamps import to_epoch_us
from repsense_preprocessor.pipeline import Outcome, Pipeline, PipelineRules, SensorHistory, StreamHistory
from support.models import mean_manifest

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS = tuple(Channel)[:6]


@dataclass
class MemoryStore:
    """Keeps documents by id, as the database does."""

    samples: dict[str, SamplesDocument] = field(default_factory=dict)
    classifications: dict[str, ClassificationDocument] = field(default_factory=dict)
    sets: dict[str, SetDocument] = field(default_factory=dict)
    workouts: dict[str, WorkoutDocument] = field(default_factory=dict)
    sensors: dict[str, SensorDocument] = field(default_factory=dict)

    def write(self, outcome: Outcome) -> None:
        for samples in outcome.samples:
            self.samples.setdefault(samples["_id"], samples)
        self.sets |= outcome.sets
        self.workouts |= outcome.workouts
        for classification in outcome.classifications:
            self.classifications.setdefault(classification["_id"], classification)
        self.sensors |= outcome.sensors

    def expire(self, collection: str, before_us: int) -> int:
        if collection == "samples":
            expired = [key for key, one in self.samples.items() if one["first_sample_us"] < before_us]
            self.samples = {key: one for key, one in self.samples.items() if key not in expired}
        else:
            expired = [key for key, one in self.classifications.items() if one["window_start_us"] < before_us]
            self.classifications = {key: one for key, one in self.classifications.items() if key not in expired}
        return len(expired)

    def sensor(self, sensor_id: str) -> SensorHistory:
        workouts = [w for w in self.workouts.values() if w["sensor_id"] == sensor_id]
        if not workouts:
            return SensorHistory()
        newest = max(workouts, key=lambda workout: workout["started_us"])
        return SensorHistory(newest, [s for s in self.sets.values() if s["workout_id"] == newest["_id"]])

    def stream(self, message: SamplesMessage, span_us: int) -> StreamHistory:
        samples = [s for s in self.samples.values() if s["stream_id"] == message.stream_id]
        classifications = [c for c in self.classifications.values() if c["stream_id"] == message.stream_id]
        first_us = to_epoch_us(message.first_sample_at)
        starts_us = [c["window_start_us"] for c in classifications if c["window_start_us"] < first_us]
        from_us = max(starts_us, default=0) - span_us
        runs = [
            Run(s["sequence"], s["first_sample_us"], decode_samples(s), s["n_lost_before"])
            for s in sorted(samples, key=lambda s: s["sequence"])
            if s["first_sample_us"] >= from_us
        ]
        sensor = self.sensors.get(message.sensor_id)
        return StreamHistory(
            runs=[run for run in runs if run.sequence < message.sequence],
            later_runs=[run for run in runs if run.sequence > message.sequence],
            classifications=[c for c in classifications if c["window_start_us"] >= from_us],
            sensor=sensor if sensor is not None and sensor["stream_id"] == message.stream_id else None,
        )

    def sensors_with_open_set(self) -> list[str]:
        return sorted({s["sensor_id"] for s in self.sets.values() if s["state"] == "open"})


def classify(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the mean model does: softmax over the means of ax, ay and az."""
    scores = np.exp(windows[:, :, :3].mean(axis=1))
    probabilities: NDArray[np.float32] = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


class Driver:
    """A pipeline with a clock that goes by the samples."""

    def __init__(
        self, store: MemoryStore, rules: PipelineRules | None = None, manifest: ModelManifest | None = None
    ) -> None:
        self.store = store
        self.now_s = 0.0
        self.pipeline = Pipeline(manifest or mean_manifest(), store, rules or PipelineRules(), self.now_s)

    def push(self, messages: Iterable[SamplesMessage], seconds: float = 0.2, *, overtaking: bool = False) -> Outcome:
        """Handle one batch as the service does, and store what follows from it."""
        self.now_s += seconds
        outcome = Outcome()
        tasks = self.pipeline.extract(messages, outcome, self.now_s, overtaking=overtaking)
        waiting = [task for task in tasks if task.needs_classifying]
        if waiting:
            windows = np.stack([task.window.samples for task in waiting if task.window.samples is not None])
            for task, row in zip(waiting, classify(windows), strict=True):
                task.classified(row)
        self.pipeline.conclude(tasks, outcome, self.now_s)
        self.store.write(outcome)
        return outcome

    def switch(self, manifest: ModelManifest) -> None:
        """Go on with another model as the service does."""
        outcome = Outcome()
        self.pipeline.leave(outcome)
        self.store.write(outcome)
        self.pipeline = self.pipeline.successor(manifest, self.now_s)


def movement(exercises: Sequence[tuple[int | None, float]], rate_hz: float = 50.0) -> NDArray[np.float32]:
    """A signal for the mean model.

    Args:
        exercises: Class and seconds; None is standing still.
        rate_hz: The rate.

    Returns:
        (n_samples, 6) float32.
    """
    rng = np.random.default_rng(7)
    parts = []
    for exercise, seconds in exercises:
        part = np.zeros((round(seconds * rate_hz), 6), dtype=np.float32)
        if exercise is not None:
            part[:, exercise] = 9.8
            part += rng.normal(scale=1.0, size=part.shape).astype(np.float32)
        parts.append(part)
    return np.concatenate(parts)


def messages(
    samples: NDArray[np.float32],
    *,
    sensor_id: str = "wrist",
    stream_id: str = "s1",
    rate_hz: float = 50.0,
    size: int = 10,
    begin: datetime = BEGIN,
    channels: tuple[Channel, ...] = CHANNELS,
) -> list[SamplesMessage]:
    """Cut a signal into the messages of one stream."""
    return [
        SamplesMessage(
            sensor_id=sensor_id,
            stream_id=stream_id,
            sequence=first,
            first_sample_at=begin + timedelta(seconds=first / rate_hz),
            sample_rate_hz=rate_hz,
            channels=channels,
            samples=samples[first : first + size].tolist(),
            simulated=True,
        )
        for first in range(0, len(samples), size)
    ]
