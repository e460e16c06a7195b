"""What happens to a batch of messages: reassemble, resample, window, classify, smooth, find sets.

The three steps of a batch can be tried again one by one: `extract` changes the state of the streams and cannot fail
for a reason outside; `classify` (in the service) only reads; `conclude` changes the state of the sensors and returns
all that must be stored and published.

A pipeline works for one version of a model. When another one takes over, its `successor` goes on from what is stored,
as after a restart.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from repsense.channels import channel_indices
from repsense.documents import (
    ClassificationDocument,
    LabelDocument,
    SamplesDocument,
    SensorDocument,
    SetDocument,
    WorkoutDocument,
)
from repsense.errors import MessageError, StreamError, StreamErrorReason
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense.messages import ClassificationMessage, SamplesMessage, UnclassifiedReason
from repsense.resampling import Resampler
from repsense.streams import Run, StreamReassembler
from repsense.timestamps import MICROSECONDS, now_us, to_epoch_us
from repsense.windows import SlidingWindower, Window, motion
from repsense_preprocessor.results import WindowResult, samples_document, sensor_document
from repsense_preprocessor.sets import SetRules, SetTracker
from repsense_preprocessor.smoothing import LabelSmoother

__all__ = [
    "History",
    "Outcome",
    "Pipeline",
    "PipelineRules",
    "SensorHistory",
    "StreamFigures",
    "StreamHistory",
    "WindowTask",
]

_LOGGER = logging.getLogger(__name__)

_UPKEEP_INTERVAL_S = 0.25
"""How often streams without a message are looked at."""
_PROBABILITY_DIGITS = 6


@dataclass(frozen=True, slots=True)
class PipelineRules:
    """What can be tuned.

    Attributes:
        min_windows: Windows in a row that must agree before a label changes.
        reorder_s: How long samples are waited for that are missing and not known to be lost. Longer than the broker
            takes to deliver again what a crashed preprocessor had not acknowledged (`ack_wait` in broker/nats.conf):
            that comes late, out of order.
        silence_s: After this long without a message a stream counts as silent: its set is closed.
        forget_s: After this long a silent stream is forgotten; should it go on, it is picked up from the database.
        sensor_interval_s: How often a sensor's document is brought up to date.
        sets: When sets end.
    """

    min_windows: int = 2
    reorder_s: float = 6.0
    silence_s: float = 10.0
    forget_s: float = 600.0
    sensor_interval_s: float = 5.0
    sets: SetRules = field(default_factory=SetRules)


@dataclass(frozen=True, slots=True)
class StreamHistory:
    """What is stored of a stream's last seconds."""

    runs: Sequence[Run] = ()
    """Samples before the message that asks, oldest first."""
    later_runs: Sequence[Run] = ()
    """Samples after it, oldest first: a broker may deliver again, late, what is older than what it delivered before."""
    classifications: Sequence[ClassificationDocument] = ()
    """Of windows that begin no earlier than these samples."""
    sensor: SensorDocument | None = None
    """With the counts of the stream so far, if it was the sensor's newest."""


@dataclass(frozen=True, slots=True)
class SensorHistory:
    """What is stored of a sensor's newest workout."""

    workout: WorkoutDocument | None = None
    sets: Sequence[SetDocument] = ()


class History(Protocol):
    """What was stored before this process began."""

    def sensor(self, sensor_id: str) -> SensorHistory:
        """The newest workout of a sensor and its sets."""
        ...

    def stream(self, message: SamplesMessage, span_us: int) -> StreamHistory:
        """The stream's samples beside a message, from so many microseconds before its newest stored result on."""
        ...

    def sensors_with_open_set(self) -> list[str]:
        """The sensors whose set was still going on."""
        ...


@dataclass(slots=True)
class _Sensor:
    tracker: SetTracker
    stored_at_s: float = float("-inf")
    """When its document was last brought up to date."""


@dataclass(slots=True)
class _Stream:
    sensor_id: str
    stream_id: str
    opened_by: SamplesMessage
    reassembler: StreamReassembler
    smoother: LabelSmoother
    columns: list[int]
    """Of the model's channels among the sensor's; empty if the model does not fit."""
    resampler: Resampler | None = None
    windower: SlidingWindower | None = None
    problem: str | None = None
    known: dict[int, ClassificationDocument] = field(default_factory=dict)
    """Stored results of this model by window start, of windows that are being cut again after a restart."""
    answered_until_us: int = 0
    """Windows that end no later were the business of other models."""
    answered: deque[ClassificationDocument] = field(default_factory=deque)
    """Stored results of such windows, oldest first, before the sets have taken them into account again."""
    answered_label: LabelDocument | None = None
    """The label of the newest of them that the sets have taken into account."""
    n_samples: int = 0
    n_samples_before: int = 0
    """How many of them, of the lost and of the duplicates were stored when this pipeline began to follow it."""
    n_lost_before: int = 0
    n_duplicate_before: int = 0
    last_sample_us: int = 0
    last_message_s: float = 0.0
    delay_s: float = 0.0
    """From the last sample of the newest message to its arrival."""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What an operator may want to know of a stream; what is counted, since this pipeline follows it."""

    sensor_id: str
    stream_id: str
    n_samples: int
    """That have come, also those that came again."""
    n_lost: int
    """That are given up."""
    n_duplicate: int
    """That came again."""
    sample_rate_hz: float
    """As the gateway names it."""
    last_sample_us: int
    """When the newest sample was taken, by the sensor's clock, microseconds since 1970."""
    delay_s: float
    """From the last sample of the newest message to its arrival, by the two clocks."""
    usable: bool
    """Whether it fits the model."""


@dataclass(slots=True)
class WindowTask:
    """A window and what became of it on the way to its classification."""

    stream: _Stream
    window: Window
    known: ClassificationDocument | None
    answered: bool = False
    """Whether another model has answered for this time: the window only prepares the smoother for the next ones."""
    unclassified_reason: UnclassifiedReason | None = None
    probabilities: NDArray[np.float64] | None = None
    """(n_classes,), as they are stored; None before the window is classified, or if it is not to be."""

    def classified(self, probabilities: NDArray[np.float32]) -> None:
        """Take the network's answer, (n_classes,) float32.

        It is rounded to what is stored before anything follows from it, so that a restart, which reads it back,
        comes to the same results.
        """
        self.probabilities = probabilities.astype(np.float64).round(_PROBABILITY_DIGITS)

    @property
    def needs_classifying(self) -> bool:
        """Whether the network has to look at it."""
        return self.unclassified_reason is None and self.probabilities is None


@dataclass(slots=True)
class Outcome:
    """What a batch leads to; it is stored as a whole before any of its messages is acknowledged."""

    samples: list[SamplesDocument] = field(default_factory=list)
    classifications: list[ClassificationDocument] = field(default_factory=list)
    sets: dict[str, SetDocument] = field(default_factory=dict)
    workouts: dict[str, WorkoutDocument] = field(default_factory=dict)
    sensors: dict[str, SensorDocument] = field(default_factory=dict)
    messages: list[ClassificationMessage] = field(default_factory=list)


class Pipeline:
    """The state of all sensors, and how messages change it."""

    def __init__(
        self,
        manifest: ModelManifest,
        history: History,
        rules: PipelineRules,
        now_s: float,
        *,
        previous: ModelManifest | None = None,
    ) -> None:
        """Begin with what is stored.

        Args:
            manifest: Of the model that will classify.
            history: What was stored before.
            rules: What can be tuned.
            now_s: A clock that only runs forward, in seconds; later calls go by the same one.
            previous: Of the model that classified until now, if it was another one.
        """
        self._manifest = manifest
        self._history = history
        self._rules = rules
        self._sensors: dict[str, _Sensor] = {}
        self._streams: dict[str, _Stream] = {}
        models = [model for model in (manifest, previous) if model is not None]
        stride_s = max(model.stride / model.sample_rate_hz for model in models)
        # For the votes of the smoother, for a set that is not one yet, and for what is not stored of one that is.
        results_s = (rules.min_windows + rules.sets.min_windows + rules.sets.stored_every) * stride_s
        # For the first window that another model has not answered, and for samples that the sensor's document lacks.
        span_s = max(model.window_s for model in models) + max(results_s, rules.sensor_interval_s) + 1
        self._history_span_us = round(span_s * MICROSECONDS)
        self._began_s = now_s
        self._upkeep_s = now_s
        self._left_open = history.sensors_with_open_set()

    @property
    def n_streams(self) -> int:
        """How many streams are being followed."""
        return len(self._streams)

    def streams(self) -> list["StreamFigures"]:
        """What is to be known of each stream that is being followed."""
        return [
            StreamFigures(
                sensor_id=stream.sensor_id,
                stream_id=stream.stream_id,
                n_samples=stream.n_samples - stream.n_samples_before,
                n_lost=stream.reassembler.n_lost - stream.n_lost_before,
                n_duplicate=stream.reassembler.n_duplicate - stream.n_duplicate_before,
                sample_rate_hz=stream.opened_by.sample_rate_hz,
                last_sample_us=stream.last_sample_us,
                delay_s=stream.delay_s,
                usable=stream.problem is None,
            )
            for stream in self._streams.values()
        ]

    def misfit(self, manifest: ModelManifest) -> str | None:
        """Why, in words, a sensor that is being classified could not be by another model; None if each could."""
        for stream in self._streams.values():
            if stream.problem is None and not stream.silent:
                try:
                    _feed(stream.opened_by, manifest)
                except StreamError as error:
                    return f"{stream.sensor_id}: {error}"
        return None

    def leave(self, outcome: Outcome) -> None:
        """Write down what is not stored yet of the sets that go on, so that a successor has all of them.

        Args:
            outcome: Takes the documents.
        """
        for sensor in self._sensors.values():
            self._keep_sets(sensor.tracker, sensor.tracker.bring_up_to_date(), outcome)

    def forget(self, is_gone: Callable[[str], bool], outcome: Outcome) -> None:
        """Follow some sensors no longer, and write down what is not stored yet, for another process to go on with.

        Args:
            is_gone: Which sensors, by their ids.
            outcome: Takes the documents.
        """
        for sensor_id in [sensor_id for sensor_id in self._sensors if is_gone(sensor_id)]:
            tracker = self._sensors.pop(sensor_id).tracker
            self._keep_sets(tracker, tracker.bring_up_to_date(), outcome)
        for stream in [stream for stream in self._streams.values() if is_gone(stream.sensor_id)]:
            del self._streams[stream.stream_id]
            if not stream.silent:
                outcome.sensors[stream.sensor_id] = _document_of(stream)
        self._left_open = [sensor_id for sensor_id in self._left_open if not is_gone(sensor_id)]

    def adopt(self, now_s: float) -> None:
        """Look after sensors that another process has followed until now: what it left open may have to be closed.

        Args:
            now_s: The time.
        """
        self._left_open = self._history.sensors_with_open_set()
        self._began_s = now_s

    def successor(self, manifest: ModelManifest, now_s: float) -> "Pipeline":
        """A pipeline for another model, to go on where this one has left once everything is stored.

        Each stream is opened anew with its next message, from the stored samples. Windows that were answered are not
        answered again; the first one that was not is the new model's.

        Args:
            manifest: Of the model that classifies from now on.
            now_s: The time.
        """
        return Pipeline(manifest, self._history, self._rules, now_s, previous=self._manifest)

    def extract(
        self, messages: Iterable[SamplesMessage], outcome: Outcome, now_s: float, *, overtaking: bool = False
    ) -> list[WindowTask]:
        """Cut the windows that a batch completes.

        Args:
            messages: In order of arrival.
            outcome: Takes the samples to be stored.
            now_s: The time.
            overtaking: Whether older messages may be on their way, so that a stream which does not begin at 0 may yet.

        Returns:
            The windows, oldest first within each stream. Those with `needs_classifying` have to be classified.
        """
        tasks: list[WindowTask] = []
        for message in messages:
            stream = self._streams.get(message.stream_id)
            later: Sequence[Run] = ()
            if stream is None:
                stream, runs, later = self._open_stream(message, outcome, now_s, overtaking=overtaking)
                tasks += self._without_needless(self._cut(stream, runs))
            try:
                _check_unchanged(stream.opened_by, message)
            except MessageError as error:
                about = {"sensor": message.sensor_id}
                _LOGGER.warning("%s: a message is dropped: %s", message.sensor_id, error, extra=about)
                continue
            for run in (self._take(stream, message, outcome, now_s), *later):
                tasks += self._cut(stream, stream.reassembler.push(run, now_s))
        if now_s - self._upkeep_s >= _UPKEEP_INTERVAL_S:
            for stream in self._streams.values():
                tasks += self._cut(stream, stream.reassembler.release(now_s))
        self._mark_still(tasks)
        return tasks

    def conclude(self, tasks: Sequence[WindowTask], outcome: Outcome, now_s: float) -> None:
        """Smooth, find sets, and write down everything that a batch led to.

        Args:
            tasks: What `extract` returned, classified.
            outcome: Takes the documents and messages.
            now_s: The time.
        """
        for task in tasks:
            self._conclude_window(task, outcome)
        if now_s - self._upkeep_s >= _UPKEEP_INTERVAL_S:
            self._upkeep_s = now_s
            self._close_left_open(outcome, now_s)
            for stream in list(self._streams.values()):
                self._keep_up(stream, outcome, now_s)

    def _sensor(self, sensor_id: str) -> _Sensor:
        if sensor_id not in self._sensors:
            stored = self._history.sensor(sensor_id)
            self._sensors[sensor_id] = _Sensor(
                SetTracker(sensor_id, self._manifest, self._rules.sets, sets=stored.sets, workout=stored.workout)
            )
        return self._sensors[sensor_id]

    def _open_stream(
        self, message: SamplesMessage, outcome: Outcome, now_s: float, *, overtaking: bool
    ) -> tuple[_Stream, list[Run], Sequence[Run]]:
        """Begin a stream; where it began before this pipeline, return its stored samples before and after a message."""
        sensor_id, manifest = message.sensor_id, self._manifest
        # The results before the sets: sets are written first, so they may know more than the results say, but not less,
        # also if another process writes in between.
        stored = self._history.stream(message, self._history_span_us) if message.sequence else StreamHistory()
        sensor = self._sensor(sensor_id)
        background = [index for index, label in enumerate(manifest.labels) if label in manifest.background]
        stream = _Stream(
            sensor_id=sensor_id,
            stream_id=message.stream_id,
            opened_by=message,
            reassembler=StreamReassembler(
                message.sample_rate_hz, self._rules.reorder_s, first=0 if overtaking and not stored.runs else None
            ),
            smoother=LabelSmoother(manifest.confidence_threshold, self._rules.min_windows, background),
            columns=[],
        )
        try:
            stream.columns, stream.resampler = _feed(message, manifest)
            stream.windower = SlidingWindower(manifest.window_size, manifest.stride, manifest.sample_rate_hz)
        except StreamError as error:
            stream.problem = str(error)
        runs: list[Run] = []
        if not stored.runs:
            self._keep_sets(sensor.tracker, sensor.tracker.begin_stream(to_epoch_us(message.first_sample_at)), outcome)
        else:
            self._recall(stream, stored)
            runs = [run for stored_run in stored.runs for run in stream.reassembler.push(stored_run, now_s)]
            if stored.sensor is not None:
                counted_us = stored.sensor["last_sample_us"]
                stream.n_samples = stored.sensor["n_samples"] + sum(
                    len(run.samples) for run in (*stored.runs, *stored.later_runs) if run.first_sample_us > counted_us
                )
                stream.reassembler.n_lost = stored.sensor["n_lost"]
                stream.reassembler.n_duplicate = stored.sensor["n_duplicate"]
        stream.n_samples_before = stream.n_samples
        stream.n_lost_before = stream.reassembler.n_lost
        stream.n_duplicate_before = stream.reassembler.n_duplicate
        sensor.stored_at_s = float("-inf")
        self._streams[message.stream_id] = stream
        _LOGGER.info(
            "%s: new stream at %g Hz%s%s",
            sensor_id,
            message.sample_rate_hz,
            f", going on at sample {message.sequence}" if message.sequence else "",
            f"; not classified: {stream.problem}" if stream.problem else "",
            extra={"sensor": sensor_id},
        )
        return stream, runs, stored.later_runs

    def _recall(self, stream: _Stream, stored: StreamHistory) -> None:
        """Note which windows are answered, and by whom.

        other model   |_ _ _ _|                            answered_until_us
                        |_ _ _ _|                                  v
        this model        |_ _ _ _|   answered: prepares the smoother
                            |_ _ _ _|                              known, if stored before a restart; else new
        """
        model = (self._manifest.name, self._manifest.version)
        ends_us = [
            document["window_end_us"]
            for document in stored.classifications
            if (document["model_name"], document["model_version"]) != model
        ]
        stream.answered_until_us = max(ends_us, default=0)
        for document in sorted(stored.classifications, key=lambda document: document["window_end_us"]):
            if document["window_end_us"] <= stream.answered_until_us:
                stream.answered.append(document)
            else:
                stream.known[document["window_start_us"]] = document

    def _without_needless(self, tasks: Sequence[WindowTask]) -> list[WindowTask]:
        """Leave out those of a stream's windows that were answered so long ago that the smoother does not need them."""
        answered = [task for task in tasks if task.answered]
        return answered[-self._rules.min_windows :] + [task for task in tasks if not task.answered]

    @staticmethod
    def _take(stream: _Stream, message: SamplesMessage, outcome: Outcome, now_s: float) -> Run:
        """Note what a message brings, as it came, to be stored whatever becomes of its windows."""
        samples = message.array()
        first_us = to_epoch_us(message.first_sample_at)
        last_us = first_us + round((len(samples) - 1) * MICROSECONDS / message.sample_rate_hz)
        outcome.samples.append(samples_document(message, samples, first_us, last_us))
        stream.n_samples += len(samples)
        stream.last_sample_us = max(stream.last_sample_us, last_us)
        stream.last_message_s = now_s
        stream.delay_s = (now_us() - last_us) / MICROSECONDS
        stream.silent = False
        return Run(message.sequence, first_us, samples, message.n_lost_before)

    def _cut(self, stream: _Stream, runs: Iterable[Run]) -> list[WindowTask]:
        if stream.resampler is None or stream.windower is None:
            return []
        tasks = []
        for run in runs:
            fitting = Run(run.sequence, run.first_sample_us, run.samples[:, stream.columns])
            for window in stream.windower.push(stream.resampler.push(fitting)):
                task = WindowTask(
                    stream,
                    window,
                    known=stream.known.pop(window.start_us, None),
                    answered=window.end_us <= stream.answered_until_us,
                )
                if window.samples is None:
                    task.unclassified_reason = "gap"
                elif task.known is not None and task.known["probabilities"] is not None:
                    task.probabilities = np.asarray(task.known["probabilities"])
                tasks.append(task)
        return tasks

    def _mark_still(self, tasks: Sequence[WindowTask]) -> None:
        floors = self._manifest.stillness
        windows = [task.window.samples for task in tasks if task.window.samples is not None]
        if floors is None or not windows:
            return
        acceleration, angular_rate = motion(np.stack(windows), self._manifest.channels)
        still = (acceleration < floors.acceleration_m_s2) & (angular_rate < floors.angular_rate_rad_s)
        complete = (task for task in tasks if task.window.samples is not None)
        for task, is_still in zip(complete, still, strict=True):
            if is_still:
                task.unclassified_reason = "still"

    def _conclude_window(self, task: WindowTask, outcome: Outcome) -> None:
        stream, window = task.stream, task.window
        tracker = self._sensors[stream.sensor_id].tracker
        labels = self._manifest.labels
        self._count_answered(stream, window.end_us, outcome)
        if task.answered:
            stream.smoother.restore(self._label_index(stream.answered_label), task.probabilities)
            return
        if task.known is None:
            smoothed = stream.smoother.update(task.probabilities)
        else:
            smoothed = stream.smoother.restore(self._label_index(task.known["label"]), task.probabilities)
        label = None if smoothed.label is None else labels[smoothed.label]
        simulated = stream.opened_by.simulated
        self._keep_sets(
            tracker,
            tracker.update(window.start_us, window.end_us, label, smoothed.confidence, simulated=simulated),
            outcome,
        )
        running = tracker.running if label is not None else None
        result = WindowResult(
            sensor_id=stream.sensor_id,
            stream_id=stream.stream_id,
            window=window,
            label=label,
            confidence=smoothed.confidence,
            probabilities=task.probabilities,
            unclassified_reason=task.unclassified_reason,
            running_set=running,
            simulated=simulated,
        )
        # The newest results that a crash left behind may not have been published: at least once, perhaps twice.
        if task.known is None:
            outcome.classifications.append(result.document(self._manifest))
        outcome.messages.append(result.message(self._manifest))

    def _count_answered(self, stream: _Stream, until_us: int, outcome: Outcome) -> None:
        """Let the sets count what other models found and no set had stored: it is as good as a result of this one."""
        tracker = self._sensors[stream.sensor_id].tracker
        while stream.answered and stream.answered[0]["window_end_us"] <= until_us:
            result = stream.answered.popleft()
            stream.answered_label = result["label"]
            changed = tracker.update(
                result["window_start_us"],
                result["window_end_us"],
                None if result["label"] is None else Label(**result["label"]),
                result["confidence"],
                simulated=result["simulated"],
            )
            self._keep_sets(tracker, changed, outcome)

    def _keep_up(self, stream: _Stream, outcome: Outcome, now_s: float) -> None:
        """Notice silence, and bring the sensor's document up to date now and then."""
        sensor = self._sensors[stream.sensor_id]
        silent_s = now_s - stream.last_message_s
        if silent_s > self._rules.forget_s:
            del self._streams[stream.stream_id]
            if all(other.sensor_id != stream.sensor_id for other in self._streams.values()):
                del self._sensors[stream.sensor_id]
            return
        turned_silent = not stream.silent and silent_s > self._rules.silence_s
        if turned_silent:
            stream.silent = True
            if all(s.silent for s in self._streams.values() if s.sensor_id == stream.sensor_id):
                self._keep_sets(sensor.tracker, sensor.tracker.close(), outcome)
        if turned_silent or (not stream.silent and now_s - sensor.stored_at_s >= self._rules.sensor_interval_s):
            sensor.stored_at_s = now_s
            outcome.sensors[stream.sensor_id] = _document_of(stream)

    def _close_left_open(self, outcome: Outcome, now_s: float) -> None:
        """Close the sets of sensors that did not come back after this process began."""
        if not self._left_open or now_s - self._began_s <= self._rules.silence_s:
            return
        for sensor_id in self._left_open:
            if sensor_id not in self._sensors:
                tracker = self._sensor(sensor_id).tracker
                self._keep_sets(tracker, tracker.close(), outcome)
                del self._sensors[sensor_id]
        self._left_open = []

    @staticmethod
    def _keep_sets(tracker: SetTracker, changed: Sequence[SetDocument], outcome: Outcome) -> None:
        for document in changed:
            outcome.sets[document["_id"]] = document
            if document["state"] == "closed":
                _LOGGER.info(
                    "%s: set of %s, %.1f s, %d windows, confidence %.2f",
                    document["sensor_id"],
                    document["exercise"]
                    if document["form"] is None
                    else f"{document['exercise']} ({document['form']})",
                    (document["ended_us"] - document["started_us"]) / MICROSECONDS,
                    document["n_windows"],
                    document["confidence"],
                    extra={"sensor": document["sensor_id"]},
                )
        if changed and tracker.workout is not None:
            outcome.workouts[tracker.workout["_id"]] = tracker.workout

    def _label_index(self, stored: LabelDocument | None) -> int | None:
        """The place of a label among the model's; None for "unknown", also if another model has found it."""
        label = None if stored is None else Label(**stored)
        return self._manifest.labels.index(label) if label in self._manifest.labels else None


def _document_of(stream: _Stream) -> SensorDocument:
    """What is stored of a sensor that sends this stream."""
    return sensor_document(
        stream.opened_by,
        stream.reassembler,
        n_samples=stream.n_samples,
        last_sample_us=stream.last_sample_us,
        problem=stream.problem,
    )


def _feed(message: SamplesMessage, manifest: ModelManifest) -> tuple[list[int], Resampler]:
    """What brings a stream to the form that a model needs: the columns of the model's channels, and the resampler.

    Raises:
        StreamError: If the stream lacks a channel or is too slow.
    """
    try:
        columns = channel_indices(message.channels, manifest.channels)
    except KeyError as error:
        missing = [c for c in manifest.channels if c not in message.channels]
        text = (
            f"the sensor has no {', '.join(missing)}, which the model {manifest.name} needs: "
            "use a sensor with these channels or train a model without them"
        )
        raise StreamError(StreamErrorReason.MISSING_CHANNEL, text) from error
    return columns, Resampler(message.sample_rate_hz, manifest.sample_rate_hz)


def _check_unchanged(first: SamplesMessage, message: SamplesMessage) -> None:
    """Refuse a message that breaks what a stream promises.

    Raises:
        MessageError: If sensor, channels or rate are not those of the stream's first message.
    """
    for name in ("sensor_id", "channels", "sample_rate_hz"):
        before, now = getattr(first, name), getattr(message, name)
        if before != now:
            text = (
                f"{name} changed from {before} to {now} within stream {message.stream_id}; a change needs a new stream"
            )
            raise MessageError(text)
