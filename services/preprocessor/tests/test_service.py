"""The loop between made-up parts: what it reports as stored, and what it does when the version of the model changes."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from numpy.typing import NDArray
from pymongo.errors import ConnectionFailure
from support import pipeline
from support.models import mean_manifest, write_mean_model
from support.pipeline import Driver, MemoryStore, messages, movement

from repsense.classifiers import Classifier
from repsense.classifiers.following import Refusal
from repsense.condition import Condition
from repsense.errors import ModelVersionGoneError
from repsense.manifest import ModelManifest
from repsense.messages import SamplesMessage, StoredMessage
from repsense.patience import StoppedError
from repsense.topics import SensorTopic, parse_topic, sensor_topic
from repsense_preprocessor import metrics, service, stored_reports
from repsense_preprocessor.broker import Received
from repsense_preprocessor.pipeline import Outcome, Pipeline, PipelineRules
from repsense_preprocessor.service import Patience, Service

WORKOUT = movement([(None, 3), (2, 12), (None, 9), (0, 6)])
_PATIENCE_S = 20


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "POLL_INTERVAL_S", 0.01)


class _Broker:
    """Gives out batches of messages, and what has to be done in between."""

    def __init__(self, steps: Sequence[list[SamplesMessage] | Callable[[], None]]) -> None:
        self._steps = list(steps)
        self.n_given = 0
        self.n_acknowledged = 0
        self.published: list[bytes] = []
        self.stored: list[StoredMessage] = []
        self.n_waiting = 0

    def receive(self, max_messages: int, timeout_s: float) -> list[Received]:
        del max_messages
        while self._steps and not isinstance(self._steps[0], list):
            step = self._steps.pop(0)
            assert callable(step)
            step()
        if not self._steps:
            time.sleep(min(0.005, timeout_s))
            return []
        batch = self._steps.pop(0)
        assert isinstance(batch, list)
        self.n_given += len(batch)
        return [
            Received(sensor_topic(message.sensor_id, SensorTopic.SAMPLES), message.encode(), number, 1, overtaking=True)
            for number, message in enumerate(batch)
        ]

    def acknowledge(self, messages: Sequence[Received]) -> None:
        self.n_acknowledged += len(messages)

    def publish(self, topic: str, payload: bytes) -> None:
        parsed = parse_topic(topic)
        assert parsed is not None
        if parsed.kind == SensorTopic.STORED:
            message = StoredMessage.decode(payload)
            assert message.sensor_id == parsed.id
            self.stored.append(message)
        else:
            self.published.append(payload)


class _Store(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[int] = []
        self.away = Event()
        self.n_refused = 0

    def prepare(self, manifest: ModelManifest, now_us: int) -> None:
        assert now_us
        self.prepared.append(manifest.version)

    def write(self, outcome: Outcome) -> None:
        if self.away.is_set():
            self.n_refused += 1
            msg = "no server"
            raise ConnectionFailure(msg)
        versions = {document["model_version"] for document in outcome.classifications}
        assert versions <= {*self.prepared}
        super().write(outcome)


@dataclass
class _Classifier:
    manifest: ModelManifest
    gone: Event = field(default_factory=Event)
    closed: bool = False
    n_batches: int = 0

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        assert not self.closed
        if self.gone.is_set():
            msg = f"version {self.manifest.version} is gone"
            raise ModelVersionGoneError(msg)
        self.n_batches += 1
        return pipeline.classify(windows)

    def close(self) -> None:
        self.closed = True


class _Follower:
    """Offers what a test puts there."""

    def __init__(self) -> None:
        self.offer: Classifier | None = None
        self.refusal: Refusal | None = None
        self.n_asked = 0

    def choose(self, in_hand: Classifier, misfit: Callable[[ModelManifest], str | None]) -> Classifier:
        self.n_asked += 1
        if self.offer is None or self.offer is in_hand:
            return in_hand
        reason = misfit(self.offer.manifest)
        self.refusal = None if reason is None else Refusal(self.offer.manifest.version, reason)
        return in_hand if reason is not None else self.offer


@dataclass
class _World:
    """A service that runs in a thread of its own."""

    store: _Store = field(default_factory=_Store)
    one: _Classifier = field(default_factory=lambda: _Classifier(mean_manifest()))
    two: _Classifier = field(default_factory=lambda: _Classifier(mean_manifest(version=2)))
    follower: _Follower = field(default_factory=_Follower)

    def run(
        self, steps: Sequence[list[SamplesMessage] | Callable[[], None]], until: Callable[[_Broker], bool]
    ) -> _Broker:
        self.store.prepare(self.one.manifest, 1)
        broker, stop = _Broker(steps), Event()
        begun = Pipeline(self.one.manifest, self.store, PipelineRules(), time.monotonic())
        worker = Service(broker, self.one, self.follower, self.store, begun, kept_s={})
        thread = Thread(target=worker.run, args=(stop,))
        thread.start()
        try:
            deadline_s = time.monotonic() + _PATIENCE_S
            while not until(broker):
                assert thread.is_alive()
                assert time.monotonic() < deadline_s
                time.sleep(0.001)
        finally:
            stop.set()
            thread.join(_PATIENCE_S)
        assert not thread.is_alive()
        return broker


def everything_acknowledged(n_messages: int) -> Callable[[_Broker], bool]:
    return lambda broker: broker.n_acknowledged == n_messages


def ideal(stream: Sequence[SamplesMessage]) -> MemoryStore:
    store = MemoryStore()
    driver = Driver(store)
    for message in stream:
        driver.push([message])
    return store


def assert_each_window_once(store: MemoryStore, stream: Sequence[SamplesMessage]) -> list[int]:
    """Return the versions that answered, in the order of the windows."""
    found = sorted(store.classifications.values(), key=lambda document: document["window_start_us"])
    expected = sorted(ideal(stream).classifications.values(), key=lambda document: document["window_start_us"])
    assert [c["window_start_us"] for c in found] == [c["window_start_us"] for c in expected]
    assert [c["label"] for c in found] == [c["label"] for c in expected]
    assert store.samples.keys() == ideal(stream).samples.keys()
    assert {key: s["n_windows"] for key, s in store.sets.items()} == {
        key: s["n_windows"] for key, s in ideal(stream).sets.items()
    }
    return [c["model_version"] for c in found]


def batches(stream: list[SamplesMessage], size: int) -> list[list[SamplesMessage] | Callable[[], None]]:
    return [stream[first : first + size] for first in range(0, len(stream), size)]


def test_a_stream_whose_beginning_was_overtaken_has_all_of_its_windows() -> None:
    world, stream = _World(), messages(WORKOUT)

    world.run([stream[20:40], stream[:20], stream[40:]], everything_acknowledged(len(stream)))

    assert_each_window_once(world.store, stream)


def test_an_offered_version_is_entered_into_the_list_and_takes_over_between_two_batches() -> None:
    world, stream = _World(), messages(WORKOUT)
    steps = batches(stream, 3)
    steps.insert(20, lambda: setattr(world.follower, "offer", world.two))
    # It looks every 10 ms here.
    steps.insert(22, lambda: time.sleep(0.03))
    n_switches = metrics.MODEL_SWITCHES._value.get()

    world.run(steps, everything_acknowledged(len(stream)))

    versions = assert_each_window_once(world.store, stream)
    assert versions == sorted(versions)
    assert set(versions) == {1, 2}
    assert world.store.prepared == [1, 2]
    assert world.one.closed
    assert world.two.closed
    assert metrics.MODEL_SWITCHES._value.get() == n_switches + 1
    assert metrics.MODEL_VERSION.labels("mean")._value.get() == 2


@pytest.mark.parametrize("size", [1, 3, 10])
@pytest.mark.parametrize("moment", [6, 7, 8, 12])
def test_a_version_that_goes_in_the_midst_of_a_batch_is_replaced_and_the_batch_worked_out_again(
    size: int, moment: int
) -> None:
    world, stream = _World(), messages(WORKOUT)
    steps = batches(stream, size)

    def go() -> None:
        world.follower.offer = world.two
        world.one.gone.set()

    steps.insert(moment, go)
    broker = world.run(steps, everything_acknowledged(len(stream)))

    versions = assert_each_window_once(world.store, stream)
    assert versions == sorted(versions)
    assert broker.n_given == len(stream)
    assert len(broker.published) == len(versions)


def test_without_a_version_messages_wait_unacknowledged(caplog: pytest.LogCaptureFixture) -> None:
    world, stream = _World(), messages(WORKOUT)
    steps = batches(stream, 5)
    steps.insert(10, world.one.gone.set)
    retries = metrics.RETRIES.labels("model")
    n_before = retries._value.get()

    def done(broker: _Broker) -> bool:
        if world.follower.offer is None and retries._value.get() >= n_before + 3:
            assert broker.n_acknowledged < broker.n_given
            world.follower.offer = world.two
        return broker.n_acknowledged == len(stream)

    world.run(steps, done)

    assert set(assert_each_window_once(world.store, stream)) == {1, 2}
    waiting = [message for message in caplog.messages if message.startswith("no version of the model can be used")]
    assert waiting == ["no version of the model can be used, waiting for one: version 1 is gone"]


def test_the_same_version_goes_on_when_it_is_there_again() -> None:
    world, stream = _World(), messages(WORKOUT)
    steps = batches(stream, 5)
    steps.insert(10, world.one.gone.set)
    n_before = metrics.RETRIES.labels("model")._value.get()

    def back(broker: _Broker) -> bool:
        if metrics.RETRIES.labels("model")._value.get() > n_before:
            world.one.gone.clear()
        return broker.n_acknowledged == len(stream)

    world.run(steps, back)

    assert set(assert_each_window_once(world.store, stream)) == {1}


def test_a_version_that_a_streaming_sensor_cannot_serve_waits_and_is_counted_once() -> None:
    world, stream = _World(), messages(WORKOUT)
    fast = _Classifier(mean_manifest(version=2, sample_rate_hz=100.0))
    steps = batches(stream, 5)
    steps.insert(5, lambda: setattr(world.follower, "offer", fast))
    n_before = metrics.MODEL_REFUSALS._value.get()

    world.run(
        steps,
        lambda broker: broker.n_acknowledged == len(stream) and metrics.MODEL_REFUSALS._value.get() > n_before,
    )

    assert set(assert_each_window_once(world.store, stream)) == {1}
    assert metrics.MODEL_REFUSALS._value.get() == n_before + 1
    assert world.follower.refusal is not None
    assert "the sensor delivers 50 Hz but the model needs 100 Hz" in world.follower.refusal.reason


def test_it_stops_while_it_waits_for_a_version() -> None:
    world, stream = _World(), messages(WORKOUT)
    steps = batches(stream, 5)
    steps.insert(10, world.one.gone.set)
    n_before = metrics.RETRIES.labels("model")._value.get()

    broker = world.run(steps, lambda _: metrics.RETRIES.labels("model")._value.get() > n_before)

    assert broker.n_acknowledged < broker.n_given
    assert world.one.closed


def test_a_model_that_is_missing_at_the_start_is_waited_for_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    condition = Condition(("model",))
    with ThreadPoolExecutor(1) as background:
        opening = background.submit(Patience(condition).await_model, Event(), f"onnx:{tmp_path / 'mean'}")
        n_before = metrics.RETRIES.labels("model")._value.get()
        while metrics.RETRIES.labels("model")._value.get() < n_before + 3:
            time.sleep(0.001)
        assert condition.problems()["model"].startswith("there is no model that can be used: no model in")
        write_mean_model(tmp_path / "made")
        (tmp_path / "made").rename(tmp_path / "mean")
        classifier = opening.result(_PATIENCE_S)

    assert classifier.manifest.name == "mean"
    assert condition.problems() == {}
    assert len([message for message in caplog.messages if message.startswith("waiting: there is no model")]) == 1


def test_who_waits_for_a_first_model_can_be_stopped(tmp_path: Path) -> None:
    stop = Event()
    with ThreadPoolExecutor(1) as background:
        opening = background.submit(Patience(Condition(("model",))).await_model, stop, f"onnx:{tmp_path / 'mean'}")
        stop.set()
        with pytest.raises(StoppedError):
            opening.result(_PATIENCE_S)


def told(broker: _Broker) -> list[tuple[int, int]]:
    """The ranges that were reported, oldest first."""
    return [reported for message in broker.stored for reported in message.ranges]


def indices(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {index for first, end in ranges for index in range(first, end)}


def samples_of(stream: Sequence[SamplesMessage]) -> set[int]:
    return indices((message.sequence, message.sequence + len(message.samples)) for message in stream)


def test_what_is_stored_is_reported_and_nothing_is_left_out_at_the_end() -> None:
    world, stream = _World(), messages(WORKOUT)

    broker = world.run(batches(stream, 3), everything_acknowledged(len(stream)))

    assert {(message.sensor_id, message.stream_id) for message in broker.stored} == {
        (stream[0].sensor_id, stream[0].stream_id)
    }
    assert indices(told(broker)) == samples_of(stream)
    assert broker.stored[0].ranges == ((0, stream[3].sequence),)


def test_a_report_comes_without_a_further_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_reports, "_INTERVAL_S", 0.05)
    world, stream = _World(), messages(WORKOUT)[:20]

    world.run(batches(stream, 5), lambda broker: indices(told(broker)) == samples_of(stream))


def test_nothing_is_reported_before_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_reports, "_INTERVAL_S", 0.0)
    world, stream = _World(), messages(WORKOUT)
    steps = batches(stream, 5)
    steps.insert(4, world.store.away.set)
    reported_while_away: list[set[int]] = []

    def back(broker: _Broker) -> bool:
        if world.store.away.is_set() and world.store.n_refused > 1:
            stored = {int(document["sequence"]) for document in world.store.samples.values()}
            reported_while_away.append({m.sequence for m in stream if m.sequence in indices(told(broker))} - stored)
            world.store.away.clear()
        return broker.n_acknowledged == len(stream)

    broker = world.run(steps, back)

    assert reported_while_away == [set()]
    assert indices(told(broker)) == samples_of(stream)


def test_what_was_not_stored_when_it_was_stopped_is_not_reported() -> None:
    world, stream = _World(), messages(WORKOUT)
    steps = batches(stream, 5)
    steps.insert(4, world.store.away.set)

    broker = world.run(steps, lambda _: world.store.n_refused > 0)

    stored = [
        message for message in stream if message.sequence in {d["sequence"] for d in world.store.samples.values()}
    ]
    assert len(stored) < broker.n_given
    assert indices(told(broker)) == samples_of(stored)


def test_what_comes_twice_is_reported_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_reports, "_INTERVAL_S", 0.0)
    world, stream = _World(), messages(WORKOUT)[:10]

    broker = world.run([stream, stream[2:4]], everything_acknowledged(12))

    assert told(broker) == [
        (0, stream[-1].sequence + len(stream[-1].samples)),
        (stream[2].sequence, stream[4].sequence),
    ]


def test_a_message_that_breaks_its_stream_s_promise_need_not_be_sent_again() -> None:
    world, stream = _World(), messages(WORKOUT)[:10]
    stream[5] = stream[5].model_copy(update={"sample_rate_hz": 25.0})

    broker = world.run([stream], everything_acknowledged(10))

    assert len(world.store.samples) == 9
    assert indices(told(broker)) == samples_of(stream)


def test_a_message_that_cannot_be_read_is_not_reported() -> None:
    world, stream = _World(), messages(WORKOUT)[:10]
    unreadable = stream[5].model_copy(update={"schema_version": 2})

    broker = world.run([[*stream[:5], unreadable, *stream[6:]]], everything_acknowledged(10))

    assert indices(told(broker)) == samples_of(stream) - samples_of([stream[5]])
