from itertools import islice

import numpy as np
import pytest
from support.sources import first_events

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense_ble_gateway.packets import Packet
from repsense_ble_gateway.packets.repsense import decode_packet
from repsense_ble_gateway.simulation.exercises import EXERCISES
from repsense_ble_gateway.simulation.person import Person
from repsense_ble_gateway.sources import Moved, Received
from repsense_ble_gateway.sources.pacing import Pace
from repsense_ble_gateway.sources.simulator import SimulatorSource, simulated_packets


@pytest.fixture
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait_until(pace: Pace, time_s: float) -> int:
        return pace.began_us + round(time_s * 1e6)

    monkeypatch.setattr(Pace, "wait_until", wait_until)


def _packets(source: SimulatorSource, n_events: int) -> list[Packet]:
    return [decode_packet(event.payload) for event in first_events(source, n_events) if isinstance(event, Received)]


def test_the_packets_hold_every_sample_once() -> None:
    packets = [item for item in islice(simulated_packets(Person(1, 50.0), 50.0), 500) if isinstance(item, Packet)]
    assert [packet.sequence for packet in packets] == list(range(0, 5 * len(packets), 5))
    samples = np.concatenate([packet.samples for packet in packets])
    stretches = np.concatenate([stretch.samples for stretch in islice(Person(1, 50.0).workout(), 10)])
    np.testing.assert_array_equal(samples, stretches[: len(samples)])


def test_the_truth_names_the_sample_from_which_it_holds() -> None:
    truths = [item for item in islice(simulated_packets(Person(1, 50.0), 50.0), 500) if isinstance(item, Moved)]
    expected: list[tuple[int, tuple[Label | None, int]]] = []
    position = 0
    for stretch in islice(Person(1, 50.0).workout(), 10):
        for offset, repetition in enumerate(stretch.repetition):
            entry = (stretch.label, int(repetition))
            if not expected or expected[-1][1] != entry:
                expected.append((position + offset, entry))
        position += len(stretch.repetition)
    assert [(truth.sequence, (truth.label, truth.repetition)) for truth in truths] == expected[: len(truths)]


def test_the_truth_comes_before_its_samples() -> None:
    sent = 0
    for item in islice(simulated_packets(Person(3, 50.0), 50.0), 3000):
        if isinstance(item, Moved):
            assert item.sequence >= sent
        else:
            assert item.sequence == sent
            sent += len(item.samples)


@pytest.mark.usefixtures("_without_waiting")
def test_lost_notifications_leave_gaps_and_change_nothing_else() -> None:
    whole = _packets(SimulatorSource("s", "Simulated", seed=5), 2000)
    lossy = _packets(SimulatorSource("s", "Simulated", seed=5, loss=0.1), 1500)
    samples = {packet.sequence: packet.samples for packet in whole}
    last = lossy[-1].sequence
    assert last is not None
    share = 1 - len(lossy) / (last / 5 + 1)
    assert 0.07 < share < 0.13
    for packet in lossy:
        np.testing.assert_array_equal(packet.samples, samples[packet.sequence])


@pytest.mark.usefixtures("_without_waiting")
def test_a_simulated_sensor_has_all_channels_and_says_what_it_is() -> None:
    source = SimulatorSource("s", "Simulated sensor", seed=5)
    assert source.simulated
    received = next(event for event in first_events(source, 5) if isinstance(event, Received))
    packet = decode_packet(received.payload)
    assert (packet.channels, packet.sample_rate_hz) == (CHANNELS, 50.0)


def test_jitter_delays_notifications_but_changes_neither_their_order_nor_what_they_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrivals_s: list[float] = []

    async def note(pace: Pace, time_s: float) -> int:
        arrivals_s.append(time_s)
        return pace.began_us

    monkeypatch.setattr(Pace, "wait_until", note)

    def sent(jitter_s: float) -> tuple[list[bytes], np.ndarray[tuple[int], np.dtype[np.float64]]]:
        arrivals_s.clear()
        events = first_events(SimulatorSource("s", "Simulated", seed=5, jitter_s=jitter_s), 300)
        payloads = [event.payload for event in events if isinstance(event, Received)]
        return payloads, np.array(arrivals_s[: len(payloads)])

    steady, steady_s = sent(0.0)
    jittered, jittered_s = sent(0.3)

    assert jittered == steady
    np.testing.assert_allclose(np.diff(steady_s), np.diff(steady_s)[0], atol=1e-9)
    assert (np.diff(jittered_s) >= 0).all()
    assert np.ptp(jittered_s - steady_s) > 0.3


def test_a_person_may_be_told_to_do_sets_of_one_exercise_only() -> None:
    (lunge,) = [exercise for exercise in EXERCISES if exercise.label == Label(exercise="lunge")]
    labels = [stretch.label for stretch in islice(Person(1, 50.0, [lunge]).workout(), 20)]
    assert set(labels) == {None, lunge.label}
    assert labels.count(lunge.label) >= 4


def test_a_person_may_be_told_not_to_rest() -> None:
    stretches = list(islice(Person(1, 50.0, rest_s=(0.0, 0.0)).workout(), 30))
    moving_s = sum(len(stretch.samples) for stretch in stretches if stretch.label is not None) / 50.0
    whole_s = sum(len(stretch.samples) for stretch in stretches) / 50.0
    assert moving_s > 0.85 * whole_s
