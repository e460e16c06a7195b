"""The loop while partitions come and go: what it serves, what it leaves, and what it does not trust."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self

import numpy as np
import pytest
from numpy.typing import NDArray
from support import pipeline
from support.models import mean_manifest
from support.pipeline import Driver, MemoryStore, messages, movement

from repsense.classifiers import Classifier
from repsense.classifiers.following import Refusal
from repsense.errors import RepSenseError
from repsense.manifest import ModelManifest
from repsense.messages import SamplesMessage
from repsense.topics import SensorTopic, sensor_topic
from repsense_preprocessor.broker import Received
from repsense_preprocessor.partitions import Served, partition_of
from repsense_preprocessor.pipeline import Outcome, Pipeline, PipelineRules
from repsense_preprocessor.service import Service, Sharing

N_PARTITIONS = 12
WORKOUT = movement([(None, 3), (2, 12), (None, 9), (0, 6)])
WRIST, ANKLE = (messages(WORKOUT, sensor_id=name, stream_id=f"{name}-1") for name in ("wrist", "ankle"))
WRISTS, ANKLES = (partition_of(name, N_PARTITIONS) for name in ("wrist", "ankle"))
_PATIENCE_S = 20.0


@dataclass
class _Leases:
    """Leases as a test says; whoever is not certain has none."""

    held: dict[int, int] = field(default_factory=dict)
    surplus: set[int] = field(default_factory=set)
    is_certain: bool = True
    is_retired: bool = False
    released: list[int] = field(default_factory=list)

    def assigned(self) -> Mapping[int, int]:
        if self.is_retired or not self.is_certain:
            return {}
        return {p: generation for p, generation in self.held.items() if p not in self.surplus}

    def holds(self, partition: int, generation: int) -> bool:
        return self.is_certain and self.held.get(partition) == generation

    def release(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self.released.append(partition)
            del self.held[partition]

    def retire(self) -> None:
        self.is_retired = True


@dataclass
class _Broker:
    """Gives out what it is told to, marked with its partition."""

    sent: list[SamplesMessage] = field(default_factory=list)
    opened: list[tuple[int, int]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    n_waiting: int = 0

    def receive(self, max_messages: int, timeout_s: float) -> list[Received]:
        batch, self.sent = self.sent[:max_messages], self.sent[max_messages:]
        if not batch:
            time.sleep(min(0.005, timeout_s))
        return [
            Received(
                sensor_topic(message.sensor_id, SensorTopic.SAMPLES),
                message.encode(),
                message.sequence,
                1,
                partition=partition_of(message.sensor_id, N_PARTITIONS),
            )
            for message in batch
        ]

    def acknowledge(self, messages: Sequence[Received]) -> None:
        self.acknowledged += [message.packet_id for message in messages]

    def publish(self, topic: str, payload: bytes) -> None:
        assert topic
        assert payload

    def open(self, generations: Mapping[int, int]) -> None:
        self.opened += generations.items()

    def close(self, partitions: Collection[int]) -> None:
        self.closed += partitions


class _Store(MemoryStore):
    def prepare(self, manifest: ModelManifest, now_us: int) -> None:
        assert manifest.version
        assert now_us

    def expire(self, collection: str, before_us: int) -> int:
        assert collection
        assert before_us
        return 0


@dataclass
class _Classifier:
    manifest: ModelManifest = field(default_factory=mean_manifest)

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        return pipeline.classify(windows)

    def close(self) -> None:
        pass


class _Follower:
    refusal: Refusal | None = None

    def choose(self, in_hand: Classifier, misfit: object) -> Classifier:
        assert misfit
        return in_hand


class _Loop:
    """A service between made-up parts, in a thread."""

    def __init__(self, store: "_Store") -> None:
        self.leases = _Leases()
        self.broker = _Broker()
        self.store = store
        self.served = Served(N_PARTITIONS)
        self._stop = Event()
        self._service = Service(
            self.broker,
            _Classifier(),
            _Follower(),
            store,
            Pipeline(mean_manifest(), store, PipelineRules(), time.monotonic()),
            kept_s={},
            sharing=Sharing(self.leases, self.broker, self.served),
        )
        self._thread = Thread(target=self._service.run, args=(self._stop,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s
            time.sleep(0.005)


@pytest.fixture
def store() -> _Store:
    return _Store()


def ideal(stream: Sequence[SamplesMessage]) -> MemoryStore:
    """What is stored of one sensor at the end when nothing happens in between."""
    kept = MemoryStore()
    driver = Driver(kept)
    for message in stream:
        driver.push([message])
    outcome = Outcome()
    driver.pipeline.leave(outcome)
    kept.write(outcome)
    return kept


def test_only_what_is_assigned_is_served(store: _Store) -> None:
    with _Loop(store) as loop:
        loop.leases.held = {WRISTS: 1}
        loop.until(lambda: loop.broker.opened == [(WRISTS, 1)])
        loop.broker.sent = [*ANKLE[:20], *WRIST[:20]]
        loop.until(lambda: len(loop.broker.acknowledged) == 20)

    assert {document["sensor_id"] for document in store.samples.values()} == {"wrist"}


def test_another_number_of_partitions_than_the_broker_s_is_refused_in_words(store: _Store) -> None:
    loop = _Loop(store)
    loop.leases.held = {ANKLES: 1}
    loop.broker.receive = lambda *_: [  # type: ignore[method-assign] # what another mapping would bring
        Received(sensor_topic("wrist", SensorTopic.SAMPLES), WRIST[0].encode(), 0, 1, partition=ANKLES)
    ]

    with pytest.raises(RepSenseError, match="does not put wrist into the partition that it has among 12: PARTITIONS"):
        loop._service.run(Event())


def test_what_is_given_up_is_released_when_all_of_it_is_stored_and_another_one_goes_on(store: _Store) -> None:
    with _Loop(store) as first, _Loop(store) as second:
        first.leases.held = {WRISTS: 1, ANKLES: 2}
        first.until(lambda: len(first.broker.opened) == 2)
        first.broker.sent = [*WRIST[:70], *ANKLE]
        first.until(lambda: len(first.broker.acknowledged) == 70 + len(ANKLE))
        first.leases.surplus = {WRISTS}
        first.until(lambda: first.leases.released == [WRISTS])
        assert first.broker.closed == [WRISTS]
        assert store.sensors["wrist"]["n_samples"] == 700
        second.leases.held = {WRISTS: 3}
        second.until(lambda: second.broker.opened == [(WRISTS, 3)])
        second.broker.sent = [*WRIST[70:]]
        second.until(lambda: len(second.broker.acknowledged) == len(WRIST) - 70)

    wrist, ankle = ideal(WRIST), ideal(ANKLE)
    assert store.samples == wrist.samples | ankle.samples
    assert store.classifications == wrist.classifications | ankle.classifications
    assert store.sets == wrist.sets | ankle.sets
    assert store.workouts == wrist.workouts | ankle.workouts


def test_everything_is_released_at_the_end(store: _Store) -> None:
    with _Loop(store) as loop:
        loop.leases.held = {WRISTS: 1, ANKLES: 2}
        loop.until(lambda: len(loop.broker.opened) == 2)

    assert sorted(loop.leases.released) == sorted([WRISTS, ANKLES])
    assert sorted(loop.broker.closed) == sorted([WRISTS, ANKLES])


def test_a_lease_that_somebody_else_has_is_left_without_a_word(store: _Store) -> None:
    with _Loop(store) as loop:
        loop.leases.held = {WRISTS: 1}
        loop.until(lambda: loop.broker.opened == [(WRISTS, 1)])
        loop.broker.sent = WRIST[:70]
        loop.until(lambda: len(loop.broker.acknowledged) == 70)
        sets = {key: dict(one) for key, one in store.sets.items()}
        loop.leases.held = {}
        loop.until(lambda: loop.broker.closed == [WRISTS])

    assert store.sets == sets
    assert not loop.leases.released


def test_a_lease_that_was_lost_and_won_again_is_begun_anew(store: _Store) -> None:
    with _Loop(store) as loop:
        loop.leases.held = {WRISTS: 1}
        loop.until(lambda: loop.broker.opened == [(WRISTS, 1)])
        loop.leases.held = {WRISTS: 5}
        loop.until(lambda: loop.broker.opened == [(WRISTS, 1), (WRISTS, 5)])
        loop.until(lambda: loop.served.generations == {WRISTS: 5})

    assert loop.broker.closed == [WRISTS, WRISTS]


def test_what_was_worked_out_when_the_leases_lapsed_is_neither_stored_nor_acknowledged(store: _Store) -> None:
    class Pausing(_Classifier):
        def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
            if asleep.is_set():
                loop.leases.is_certain = False
            return super().classify(windows)

    asleep = Event()
    loop = _Loop(store)
    loop._service._classifier = Pausing()
    with loop:
        loop.leases.held = {WRISTS: 1}
        loop.until(lambda: loop.broker.opened == [(WRISTS, 1)])
        loop.broker.sent = WRIST[:50]
        loop.until(lambda: len(loop.broker.acknowledged) == 50)
        n_samples = len(store.samples)
        asleep.set()
        loop.broker.sent = WRIST[50:70]
        loop.until(lambda: loop.broker.closed == [WRISTS])
        assert len(store.samples) == n_samples
        assert len(loop.broker.acknowledged) == 50

        asleep.clear()
        loop.leases.is_certain = True
        loop.until(lambda: len(loop.broker.opened) == 2)
        loop.broker.sent = WRIST[50:]
        loop.until(lambda: len(loop.broker.acknowledged) == len(WRIST))

    expected = ideal(WRIST)
    assert store.classifications == expected.classifications
    assert store.sets == expected.sets
