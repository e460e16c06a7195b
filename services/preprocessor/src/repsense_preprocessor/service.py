"""The loop of the preprocessor: take what has arrived, work out what follows, store it, publish it, acknowledge it.

Batches make themselves: whatever arrives while one is being stored is the next one. At 50 messages a second a batch
is one message and its result is out a few milliseconds later; at 2,000 a second it is dozens, and the cost of the
network and of each write is shared. While a batch is being stored the next one is worked out, no more than one ahead.

What is stored is reported to the gateways about once a second, so that they need not keep it.

Where several preprocessors share the work, partitions of the sensors are taken up and given up between two batches,
too. A sensor that comes is gone on with from what is stored, as after a restart.

Between two batches, once a second, it looks for another version of the model. A pipeline is made for one version, so a
new one takes its place and goes on from what is stored, as after a restart.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from repsense import patience
from repsense.classifiers import Classifier, open_classifier, probe
from repsense.classifiers.following import POLL_INTERVAL_S, Refusal
from repsense.condition import Condition
from repsense.errors import (
    ClassifierError,
    ClassifierUnavailableError,
    ManifestError,
    MessageError,
    ModelVersionGoneError,
    RepSenseError,
)
from repsense.manifest import ModelManifest
from repsense.messages import SamplesMessage, StoredMessage
from repsense.patience import StoppedError, first_line
from repsense.retention import BATCH
from repsense.timestamps import MICROSECONDS, now_us
from repsense.topics import SensorTopic, parse_topic, sensor_topic
from repsense_preprocessor import metrics
from repsense_preprocessor.broker import Received
from repsense_preprocessor.partitions import Served
from repsense_preprocessor.pipeline import History, Outcome, Pipeline, SensorHistory, StreamHistory, WindowTask
from repsense_preprocessor.sensor_figures import SensorFigures
from repsense_preprocessor.stored_reports import SampleRange, StoredReports

__all__ = ["Broker", "Follower", "OutcomeStore", "Patience", "PatientHistory", "Service", "Sharing"]

_LOGGER = logging.getLogger(__name__)

_MAX_MESSAGES = 512
_MAX_WINDOWS = 256
"""Per call of the network: larger batches are no faster per window and delay the rest."""
_IDLE_S = 0.25
"""How long to wait for a message before looking after the streams that have none."""
_EXPIRY_INTERVAL_S = 10.0
"""Often and little: the embedded database does one thing at a time."""

_FIGURES_INTERVAL_S = 1.0
"""Between two updates of the sensors' metrics."""
_CHECKED_AS = {"classifier": "model"}
"""What the parts that are waited for are called in the service's condition, where that is something else."""

_Result = TypeVar("_Result")


class Broker(Protocol):
    """What the loop needs of the broker; see `broker.BrokerSession`."""

    @property
    def n_waiting(self) -> int:
        """How many messages wait to be taken."""
        ...

    def receive(self, max_messages: int, timeout_s: float) -> list[Received]:
        """Take what has arrived."""
        ...

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Say that messages need not come again."""
        ...

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at least once."""
        ...


class OutcomeStore(Protocol):
    """What the loop needs of the database; see `store.Store`."""

    def prepare(self, manifest: ModelManifest, now_us: int) -> None:
        """Make ready for the results of a model."""
        ...

    def write(self, outcome: Outcome) -> None:
        """Store everything, idempotently."""
        ...

    def expire(self, collection: str, before_us: int) -> int:
        """Delete some of a collection's oldest documents from before a time; return how many went."""
        ...


class Follower(Protocol):
    """What the loop needs to know of the model's versions; see `following.ModelFollower`."""

    @property
    def refusal(self) -> Refusal | None:
        """Why the newest version is not used."""
        ...

    def choose(self, in_hand: Classifier, misfit: Callable[[ModelManifest], str | None]) -> Classifier:
        """Find the classifier to use from now on."""
        ...


class PartitionLeases(Protocol):
    """What the loop needs to know of the leases; see `leases.Leases`."""

    @property
    def is_certain(self) -> bool:
        """Whether nobody can have taken one."""
        ...

    def assigned(self) -> Mapping[int, int]:
        """The partitions to serve now, with the generations of their leases."""
        ...

    def holds(self, partition: int, generation: int) -> bool:
        """Whether a lease is certain to hold."""
        ...

    def release(self, partitions: Collection[int]) -> None:
        """Let others have partitions."""
        ...

    def retire(self) -> None:
        """Claim nothing any more."""
        ...


class PartitionSessions(Protocol):
    """What the loop needs of the partitions' sessions; see `broker.PartitionedBroker`."""

    def open(self, generations: Mapping[int, int]) -> None:
        """Take up sessions."""
        ...

    def close(self, partitions: Collection[int]) -> None:
        """Leave sessions."""
        ...


@dataclass(frozen=True, slots=True)
class Sharing:
    """How several preprocessors share the work.

    Attributes:
        leases: Say which partitions this one serves.
        sessions: Bring the partitions' messages.
        served: Which ones it serves at the moment; changed by the loop only.
    """

    leases: PartitionLeases
    sessions: PartitionSessions
    served: Served


class Patience:
    """Waits for parts that are away, counts the tries, and notes in the service's condition what is missing."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition

    def retry_while_away(self, stop: Event, part: str, call: Callable[[], _Result]) -> _Result:
        """See `patience.retry_while_away`."""
        name = _CHECKED_AS.get(part, part)

        def note(problem: str) -> None:
            metrics.RETRIES.labels(part).inc()
            self._condition.lacks(name, problem)

        result = patience.retry_while_away(stop, part, call, note)
        self._condition.has(name)
        return result

    def await_model(self, stop: Event, url: str) -> Classifier:
        """Open the newest version of a model as soon as there is one that can be used; see `open_classifier`.

        Raises:
            StoppedError: If `stop` was set before.
        """
        told: set[str] = set()
        while not stop.is_set():
            try:
                classifier = open_classifier(url)
            except (ManifestError, ClassifierError) as error:
                problem = f"there is no model that can be used: {first_line(error)}"
                metrics.RETRIES.labels("model").inc()
                self._condition.lacks("model", problem)
                if problem not in told:
                    told.add(problem)
                    _LOGGER.warning("waiting: %s", problem)
            else:
                self._condition.has("model")
                return classifier
            stop.wait(POLL_INTERVAL_S)
        raise StoppedError


class PatientHistory:
    """A history that waits for the database; see `pipeline.History`."""

    def __init__(self, history: History, stop: Event, patience: Patience) -> None:
        self._history = history
        self._stop = stop
        self._patience = patience

    def sensor(self, sensor_id: str) -> SensorHistory:
        """See `pipeline.History.sensor`."""
        return self._patience.retry_while_away(self._stop, "database", lambda: self._history.sensor(sensor_id))

    def stream(self, message: SamplesMessage, span_us: int) -> StreamHistory:
        """See `pipeline.History.stream`."""
        return self._patience.retry_while_away(self._stop, "database", lambda: self._history.stream(message, span_us))

    def sensors_with_open_set(self) -> list[str]:
        """See `pipeline.History.sensors_with_open_set`."""
        return self._patience.retry_while_away(self._stop, "database", self._history.sensors_with_open_set)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages that are handled together, and what follows from them."""

    received: Sequence[Received]
    settled: Sequence[SampleRange]
    """What the gateways need not send again once the batch is stored: whatever could be read, stored by it or before
    it, or dropped because it does not fit its stream and never will."""
    outcome: Outcome
    began_s: float


class Service:
    """One preprocessor: its pipeline between a broker, a classifier and a store."""

    def __init__(
        self,
        broker: Broker,
        classifier: Classifier,
        follower: Follower,
        store: OutcomeStore,
        pipeline: Pipeline,
        *,
        kept_s: Mapping[str, float],
        condition: Condition | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            broker: Brings messages.
            classifier: To begin with; it is closed when another one takes its place, and that one in its turn.
            follower: Finds that other one.
            store: Keeps what follows from the messages.
            pipeline: For the classifier's model.
            kept_s: How long documents are kept, by collection; those of others are kept for good.
            condition: Where to note what is missing: "database", "model".
            sharing: How the work is shared with other preprocessors, if it is.
        """
        self._broker = broker
        self._classifier = classifier
        self._follower = follower
        self._store = store
        self._pipeline = pipeline
        self._kept_s = kept_s
        self._condition = Condition(("database", "model")) if condition is None else condition
        self._patience = Patience(self._condition)
        self._figures = SensorFigures()
        self._shown_s = float("-inf")
        self._unstored_s: deque[float] = deque()
        """When the first message of each batch came that is not stored yet, oldest batch first."""
        self._sharing = sharing
        self._is_lapsed = False
        """Whether a batch was given up because somebody else may have its sensors by now."""
        self._reports = StoredReports()
        self._storing: Future[None] | None = None
        self._expired_s = float("-inf")
        self._looked_s = float("-inf")

    def run(self, stop: Event) -> None:
        """Work until told to stop; batches that were begun are finished first, if the parts allow."""
        manifest = self._classifier.manifest
        metrics.MODEL_VERSION.labels(manifest.name).set(manifest.version)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="store") as background:
                while not stop.is_set():
                    self._condition.move()
                    self._follow(stop)
                    received = self._broker.receive(_MAX_MESSAGES, _IDLE_S)
                    if self._sharing is not None:
                        # Only now, since it is while it waits that a process is most likely paused for long.
                        self._share(self._sharing, stop)
                        received = [one for one in received if one.partition in self._sharing.served.generations]
                    if received:
                        self._unstored_s.append(received[0].received_s)
                    batch = self._work_out(received, stop)
                    self._show_sensors()
                    self._finish_storing()
                    self._storing = background.submit(self._complete, batch, stop)
                    self._expire(stop)
                self._finish_storing()
                if self._sharing is not None:
                    self._sharing.leases.retire()
                    self._share(self._sharing, stop)
        except StoppedError:
            _LOGGER.info("stopped while a part was away; unacknowledged messages stay with the broker")
        finally:
            self._classifier.close()
        self._report(self._reports.rest())

    @property
    def n_streams(self) -> int:
        """How many streams are being followed."""
        return self._pipeline.n_streams

    @property
    def n_waiting(self) -> int:
        """How many messages have come and were not begun with."""
        return self._broker.n_waiting

    @property
    def model(self) -> ModelManifest:
        """Of the model that classifies."""
        return self._classifier.manifest

    @property
    def oldest_waiting_s(self) -> float:
        """How long the oldest message waits that has come and is not stored; 0 if all are."""
        with contextlib.suppress(IndexError):  # stored just now, by the other thread
            return time.monotonic() - self._unstored_s[0]
        return 0.0

    def _share(self, sharing: Sharing, stop: Event) -> None:
        """Give up and take up partitions as the leases say, with everything stored that was begun."""
        leases, served, before = sharing.leases, sharing.served, sharing.served.generations
        if leases.assigned() == before and not self._is_lapsed:
            return
        self._finish_storing()
        assigned = {} if self._is_lapsed else leases.assigned()
        gone = {p: generation for p, generation in before.items() if assigned.get(p) != generation}
        come = {p: generation for p, generation in assigned.items() if before.get(p) != generation}
        left = {p for p, generation in gone.items() if not self._is_lapsed and leases.holds(p, generation)}
        sharing.sessions.close(gone)
        # Of leases that are lost nothing is written: whoever has them now knows better.
        self._pipeline.forget(lambda sensor_id: served.belongs(sensor_id, gone.keys() - left), Outcome())
        outcome = Outcome()
        self._pipeline.forget(lambda sensor_id: served.belongs(sensor_id, left), outcome)
        # A stream that comes back is counted from 0.
        self._figures.show(self._pipeline.streams())
        self._patience.retry_while_away(stop, "database", lambda: self._store.write(outcome))
        self._patience.retry_while_away(stop, "database", lambda: leases.release(left))
        served.generations = assigned
        self._is_lapsed = False
        if come:
            self._pipeline.adopt(time.monotonic())
            sharing.sessions.open(come)

    def _work_out(self, received: Sequence[Received], stop: Event) -> _Batch:
        """Find out what follows from messages."""
        messages = [message for message in map(_decode, received) if message is not None]
        if self._sharing is not None:
            _check_partitions(messages, self._sharing.served)
        settled = [SampleRange.of(message) for message in messages]
        overtaking = any(one.overtaking for one in received)
        while True:
            batch = _Batch(received, settled, Outcome(), time.monotonic())
            tasks = self._pipeline.extract(messages, batch.outcome, batch.began_s, overtaking=overtaking)
            try:
                self._classify([task for task in tasks if task.needs_classifying], stop)
            except ModelVersionGoneError as error:
                # Nothing of the batch was stored or published: its messages are worked out again from the beginning.
                self._take_up(self._await_version(error, stop), stop)
                continue
            self._pipeline.conclude(tasks, batch.outcome, time.monotonic())
            return batch

    def _finish_storing(self) -> None:
        if self._storing is not None:
            self._storing.result()
            self._storing = None

    def _follow(self, stop: Event) -> None:
        """Take up another version of the model, if it is there and fits the sensors."""
        if time.monotonic() - self._looked_s < POLL_INTERVAL_S:
            return
        self._looked_s = time.monotonic()
        chosen = self._choose(self._pipeline.misfit)
        if chosen is not self._classifier:
            self._take_up(chosen, stop)

    def _choose(self, misfit: Callable[[ModelManifest], str | None]) -> Classifier:
        before = self._follower.refusal
        chosen = self._follower.choose(self._classifier, misfit)
        if self._follower.refusal not in {None, before}:
            metrics.MODEL_REFUSALS.inc()
        return chosen

    def _await_version(self, error: ModelVersionGoneError, stop: Event) -> Classifier:
        """Wait until the model server has a version in place of the one that it has unloaded, or has that one again.

        A version that does not fit a sensor is taken now: there is no other one for all the sensors that it fits.

        Raises:
            StoppedError: If `stop` was set before.
        """
        n_tries = 0
        while not stop.is_set():
            chosen = self._choose(lambda _: None)
            if chosen is not self._classifier or self._answers():
                return chosen
            metrics.RETRIES.labels("model").inc()
            self._condition.lacks("model", f"no version of the model can be used: {first_line(error)}")
            n_tries += 1
            if n_tries == 1:
                _LOGGER.warning("no version of the model can be used, waiting for one: %s", first_line(error))
            stop.wait(POLL_INTERVAL_S)
        raise StoppedError

    def _answers(self) -> bool:
        """Whether the classifier in use works (again)."""
        try:
            probe(self._classifier)
        except (ModelVersionGoneError, ClassifierUnavailableError):
            return False
        return True

    def _take_up(self, chosen: Classifier, stop: Event) -> None:
        """Go on with a classifier from what is stored; between two batches, or in place of one that is given up."""
        self._finish_storing()
        self._condition.has("model")
        self._figures.begin_anew()
        outcome = Outcome()
        self._pipeline.leave(outcome)
        self._patience.retry_while_away(stop, "database", lambda: self._store.write(outcome))
        manifest, before = chosen.manifest, self._classifier
        used_us = now_us()
        self._patience.retry_while_away(stop, "database", lambda: self._store.prepare(manifest, used_us))
        self._pipeline = self._pipeline.successor(manifest, time.monotonic())
        if chosen is before:
            return
        self._classifier = chosen
        _LOGGER.info(
            "model %s: version %d takes over from version %d", manifest.name, manifest.version, before.manifest.version
        )
        metrics.MODEL_VERSION.labels(manifest.name).set(manifest.version)
        metrics.MODEL_SWITCHES.inc()
        before.close()

    def _complete(self, batch: _Batch, stop: Event) -> None:
        """Store a batch, publish its results, and only then acknowledge and report its messages."""
        if self._sharing is not None and (self._is_lapsed or not self._sharing.leases.is_certain):
            self._is_lapsed = True
            if batch.received:
                self._unstored_s.popleft()
            return
        self._patience.retry_while_away(stop, "database", lambda: self._store.write(batch.outcome))
        for result in batch.outcome.messages:
            self._broker.publish(sensor_topic(result.sensor_id, SensorTopic.CLASSIFICATION), result.encode())
        self._broker.acknowledge(batch.received)
        if batch.received:
            self._unstored_s.popleft()
        self._reports.note(batch.settled)
        self._report(self._reports.due(time.monotonic()))
        self._count(batch)

    def _report(self, messages: Sequence[StoredMessage]) -> None:
        for message in messages:
            self._broker.publish(sensor_topic(message.sensor_id, SensorTopic.STORED), message.encode())

    def _classify(self, tasks: Sequence[WindowTask], stop: Event) -> None:
        for first in range(0, len(tasks), _MAX_WINDOWS):
            batch = tasks[first : first + _MAX_WINDOWS]
            windows = np.stack([task.window.samples for task in batch if task.window.samples is not None])
            probabilities = self._patience.retry_while_away(stop, "classifier", partial(self._ask_network, windows))
            for task, row in zip(batch, probabilities, strict=True):
                task.classified(row)

    def _ask_network(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        with metrics.INFERENCE_SECONDS.time():
            return self._classifier.classify(windows)

    def _show_sensors(self) -> None:
        if time.monotonic() - self._shown_s >= _FIGURES_INTERVAL_S:
            self._shown_s = time.monotonic()
            self._figures.show(self._pipeline.streams())

    def _expire(self, stop: Event) -> None:
        if time.monotonic() - self._expired_s < _EXPIRY_INTERVAL_S:
            return
        self._expired_s = time.monotonic()
        for collection, kept_s in self._kept_s.items():
            before_us = now_us() - round(kept_s * MICROSECONDS)
            expire = partial(self._store.expire, collection, before_us)
            n_expired = self._patience.retry_while_away(stop, "database", expire)
            metrics.EXPIRED.labels(collection).inc(n_expired)
            if n_expired:
                _LOGGER.info("deleted %d expired documents of %s", n_expired, collection)
            if n_expired >= BATCH:
                # There may be more, as after a long stop: between the next two batches.
                self._expired_s = float("-inf")

    def _count(self, batch: _Batch) -> None:
        received, outcome = batch.received, batch.outcome
        metrics.MESSAGES.labels("stored").inc(len(outcome.samples))
        metrics.MESSAGES.labels("dropped").inc(len(received) - len(outcome.samples))
        now_s = time.time()
        for document in outcome.classifications:
            metrics.WINDOWS.labels(document["unclassified_reason"] or "classified").inc()
            metrics.WINDOW_DELAY.observe(max(0.0, now_s - document["window_end_us"] / MICROSECONDS))
        if received:
            metrics.BATCH_MESSAGES.observe(len(received))
            metrics.BATCH_SECONDS.observe(time.monotonic() - batch.began_s)


def _check_partitions(messages: Iterable[SamplesMessage], served: Served) -> None:
    """Refuse to share the work by other partitions than the broker's.

    Raises:
        RepSenseError: If a sensor is in another partition by the broker than by `PARTITIONS`.
    """
    for message in messages:
        if not served.includes(message.sensor_id):
            msg = (
                f"the broker does not put {message.sensor_id} into the partition that it has among "
                f"{served.n_partitions}: PARTITIONS must be the number in the broker's nats-partitions.conf"
            )
            raise RepSenseError(msg)


def _decode(received: Received) -> SamplesMessage | None:
    """Parse a message; one that cannot be used is logged and then acknowledged like any other."""
    try:
        message = SamplesMessage.decode(received.payload)
    except MessageError as error:
        _LOGGER.warning("a message on %s is dropped: %s", received.topic, error)
        return None
    topic = parse_topic(received.topic)
    if topic is None or topic.id != message.sensor_id:
        _LOGGER.warning("a message on %s is dropped: it speaks of sensor %s", received.topic, message.sensor_id)
        return None
    return message
