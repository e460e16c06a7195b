"""The loop of the preprocessor: take what has arrived, work out what follows, store it, publish it, acknowledge it.

Batches make themselves: whatever arrives while one is being stored is the next one. At 50 messages a second a batch
is one message and its result is out a few milliseconds later; at 2,000 a second it is dozens, and the cost of the
network and of each write is shared. While a batch is being stored the next one is worked out, no more than one ahead.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Protocol, TypeVar

import numpy as np
from pymongo.errors import PyMongoError
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from repsense.classifiers import Classifier
from repsense.errors import ClassifierUnavailableError, MessageError
from repsense.messages import SamplesMessage
from repsense.timestamps import MICROSECONDS
from repsense.topics import SensorTopic, parse_topic, sensor_topic
from repsense_preprocessor import metrics
from repsense_preprocessor.broker import Received
from repsense_preprocessor.pipeline import History, Outcome, Pipeline, SensorHistory, StreamHistory, WindowTask

__all__ = ["Broker", "OutcomeStore", "PatientHistory", "Service", "StoppedError", "retry_while_away"]

_LOGGER = logging.getLogger(__name__)

_MAX_MESSAGES = 512
_MAX_WINDOWS = 256
"""Per call of the network: larger batches are no faster per window and delay the rest."""
_IDLE_S = 0.25
"""How long to wait for a message before looking after the streams that have none."""
_EXPIRY_INTERVAL_S = 10.0
"""Often and little: the embedded database does one thing at a time."""

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

    def write(self, outcome: Outcome) -> None:
        """Store everything, idempotently."""
        ...

    def expire_samples(self, before_us: int) -> int:
        """Delete old samples; return how many documents went."""
        ...


class StoppedError(Exception):
    """The process was told to stop while it waited for a part that is away."""


def retry_while_away(stop: Event, part: str, call: Callable[[], _Result]) -> _Result:
    """Call until it works, with growing pauses, while the database or the model server is away.

    Args:
        stop: Ends the waiting.
        part: What is called, for the log and the metrics.
        call: What to do; it may be done more than once.

    Raises:
        StoppedError: If `stop` was set before it worked.
    """

    def report(state: RetryCallState) -> None:
        metrics.RETRIES.labels(part).inc()
        error = state.outcome.exception() if state.outcome is not None else None
        if state.attempt_number == 1:
            _LOGGER.warning("the %s is away, trying again until it is back: %s", part, _first_line(error))

    retrying = Retrying(
        retry=retry_if_exception_type((PyMongoError, ClassifierUnavailableError)),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=report,
    )
    try:
        result = retrying(call)
    except RetryError as error:
        raise StoppedError from error
    if retrying.statistics.get("attempt_number", 1) > 1:
        _LOGGER.info("the %s is back", part)
    return result


class PatientHistory:
    """A history that waits for the database; see `pipeline.History`."""

    def __init__(self, history: History, stop: Event) -> None:
        self._history = history
        self._stop = stop

    def sensor(self, sensor_id: str) -> SensorHistory:
        """See `pipeline.History.sensor`."""
        return retry_while_away(self._stop, "database", lambda: self._history.sensor(sensor_id))

    def stream(self, message: SamplesMessage, span_us: int) -> StreamHistory:
        """See `pipeline.History.stream`."""
        return retry_while_away(self._stop, "database", lambda: self._history.stream(message, span_us))

    def sensors_with_open_set(self) -> list[str]:
        """See `pipeline.History.sensors_with_open_set`."""
        return retry_while_away(self._stop, "database", self._history.sensors_with_open_set)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages that are handled together, and what follows from them."""

    received: Sequence[Received]
    outcome: Outcome
    began_s: float


class Service:
    """One preprocessor: its pipeline between a broker, a classifier and a store."""

    def __init__(
        self,
        broker: Broker,
        classifier: Classifier,
        store: OutcomeStore,
        pipeline: Pipeline,
        *,
        samples_retention_s: float,
    ) -> None:
        self._broker = broker
        self._classifier = classifier
        self._store = store
        self._pipeline = pipeline
        self._retention_s = samples_retention_s
        self._expired_s = float("-inf")

    def run(self, stop: Event) -> None:
        """Work until told to stop; batches that were begun are finished first, if the parts allow."""
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="store") as background:
                storing: Future[None] | None = None
                while not stop.is_set():
                    batch = self._work_out(self._broker.receive(_MAX_MESSAGES, _IDLE_S), stop)
                    if storing is not None:
                        storing.result()
                    storing = background.submit(self._complete, batch, stop)
                    self._expire_samples(stop)
                if storing is not None:
                    storing.result()
        except StoppedError:
            _LOGGER.info("stopped while a part was away; unacknowledged messages stay with the broker")

    def _work_out(self, received: Sequence[Received], stop: Event) -> _Batch:
        """Find out what follows from messages."""
        batch = _Batch(received, Outcome(), time.monotonic())
        messages = [message for message in map(_decode, received) if message is not None]
        tasks = self._pipeline.extract(messages, batch.outcome, batch.began_s)
        self._classify([task for task in tasks if task.needs_classifying], stop)
        self._pipeline.conclude(tasks, batch.outcome, time.monotonic())
        return batch

    def _complete(self, batch: _Batch, stop: Event) -> None:
        """Store a batch, publish its results, and only then acknowledge its messages."""
        retry_while_away(stop, "database", lambda: self._store.write(batch.outcome))
        for result in batch.outcome.messages:
            self._broker.publish(sensor_topic(result.sensor_id, SensorTopic.CLASSIFICATION), result.encode())
        self._broker.acknowledge(batch.received)
        self._count(batch)

    def _classify(self, tasks: Sequence[WindowTask], stop: Event) -> None:
        for first in range(0, len(tasks), _MAX_WINDOWS):
            batch = tasks[first : first + _MAX_WINDOWS]
            windows = np.stack([task.window.samples for task in batch if task.window.samples is not None])
            probabilities = retry_while_away(stop, "classifier", partial(self._classifier.classify, windows))
            for task, row in zip(batch, probabilities, strict=True):
                task.classified(row)

    def _expire_samples(self, stop: Event) -> None:
        if time.monotonic() - self._expired_s < _EXPIRY_INTERVAL_S:
            return
        self._expired_s = time.monotonic()
        before_us = round((time.time() - self._retention_s) * MICROSECONDS)
        n_expired = retry_while_away(stop, "database", lambda: self._store.expire_samples(before_us))
        if n_expired:
            _LOGGER.info("deleted %d expired chunks of samples", n_expired)

    def _count(self, batch: _Batch) -> None:
        received, outcome = batch.received, batch.outcome
        metrics.QUEUED.set(self._broker.n_waiting)
        metrics.STREAMS.set(self._pipeline.n_streams)
        metrics.MESSAGES.labels("stored").inc(len(outcome.samples))
        metrics.MESSAGES.labels("dropped").inc(len(received) - len(outcome.samples))
        now_s = time.time()
        for document in outcome.classifications:
            metrics.WINDOWS.labels(document["unclassified_reason"] or "classified").inc()
            metrics.WINDOW_DELAY.observe(max(0.0, now_s - document["window_end_us"] / MICROSECONDS))
        if received:
            metrics.BATCH_MESSAGES.observe(len(received))
            metrics.BATCH_SECONDS.observe(time.monotonic() - batch.began_s)


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


def _first_line(error: BaseException | None) -> str:
    return str(error).splitlines()[0][:200] if error is not None and str(error) else repr(error)
