"""Many sensors at once: publishes what simulated people do, and times what comes back."""

import contextlib
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from support.mqtt import connect, subscribed

from repsense.channels import CHANNELS
from repsense.messages import SamplesMessage
from repsense.topics import SensorTopic, all_sensors_topic, sensor_topic
from repsense_ble_gateway.simulation.person import Person

__all__ = ["BATCH", "RATE_HZ", "Arrivals", "Load", "arrivals_by_live", "arrivals_by_mqtt"]

RATE_HZ = 50.0
BATCH = 10
"""Samples per message: 200 ms."""
_PEOPLE = 8
_RECORDED_S = 60.0
_PATIENCE_S = 60.0
_MAX_WAITING = 5_000
"""Publications that the broker has not confirmed: paho looks through all that it holds back at each confirmation."""


class Load:
    """Sensors of 50 Hz x 9 channels that publish in real time, each at its own moment of the 200 ms."""

    def __init__(self, port: int, n_sensors: int, prefix: str) -> None:
        """Prepare sensors whose ids begin with a prefix; the messages are made beforehand as far as possible."""
        self.sent_s: dict[tuple[str, int], float] = {}
        """When the message that begins with a sequence number was published, by sensor and number."""
        self.lag_s = 0.0
        """How far the load itself fell behind its plan; above some ms it is the load that is too slow."""
        self._sensor_ids = [f"{prefix}-{number}" for number in range(n_sensors)]
        self._batches = [_batches(seed) for seed in range(min(_PEOPLE, n_sensors))]
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(10_000)
        connect(self._client, port)
        self._client.loop_start()

    def run(self, duration_s: float, pace: float = 1.0) -> None:
        """Publish what is sent in so long; with a pace of 0 as fast as the broker takes it."""
        period_s = BATCH / RATE_HZ
        topics = [sensor_topic(sensor_id, SensorTopic.SAMPLES) for sensor_id in self._sensor_ids]
        streams = [f"{sensor_id}-{time.time_ns()}" for sensor_id in self._sensor_ids]
        begin, begin_s = datetime.now(UTC), time.perf_counter()
        waiting: deque[mqtt.MQTTMessageInfo] = deque()
        for number in range(int(duration_s / period_s)):
            for index, sensor_id in enumerate(self._sensor_ids):
                due_s = begin_s + (number + index / len(self._sensor_ids)) * period_s * pace
                wait_s = due_s - time.perf_counter()
                if wait_s > 0:
                    time.sleep(wait_s)
                self.lag_s = max(self.lag_s, time.perf_counter() - due_s)
                batches = self._batches[index % len(self._batches)]
                at = begin + timedelta(seconds=(number + index / len(self._sensor_ids) - 1) * period_s)
                payload = (
                    f'{{"schema_version":1,"sensor_id":"{sensor_id}","stream_id":"{streams[index]}",'
                    f'"sequence":{number * BATCH},"first_sample_at":"{at.isoformat()}",{batches[number % len(batches)]}'
                )
                self.sent_s[sensor_id, number * BATCH] = time.perf_counter()
                waiting.append(self._client.publish(topics[index], payload, qos=1))
                if len(waiting) > _MAX_WAITING:
                    waiting.popleft().wait_for_publish(_PATIENCE_S)
        for message in waiting:
            message.wait_for_publish(_PATIENCE_S)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


def _batches(seed: int) -> list[str]:
    """The part of each message that does not depend on sensor and time."""
    samples = []
    for stretch in Person(seed, RATE_HZ).workout():
        samples.append(stretch.samples)
        if sum(map(len, samples)) > _RECORDED_S * RATE_HZ:
            break
    recorded = np.concatenate(samples)
    fragments = []
    for first in range(0, len(recorded) - BATCH + 1, BATCH):
        message = SamplesMessage(
            sensor_id="x",
            stream_id="x",
            sequence=0,
            first_sample_at=datetime(2026, 1, 1, tzinfo=UTC),
            sample_rate_hz=RATE_HZ,
            channels=CHANNELS,
            samples=recorded[first : first + BATCH].round(4).tolist(),
            simulated=True,
        )
        _, changing = message.encode().decode().split('"sample_rate_hz"')
        fragments.append(f'"sample_rate_hz"{changing}')
    return fragments


@dataclass
class Arrivals:
    """When the result for each window came, by sensor and the window's last sample."""

    at_s: dict[tuple[str, int], float] = field(default_factory=dict)
    doubled: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, payload: str | bytes) -> None:
        """Note the arrival of one classification."""
        now_s = time.perf_counter()
        result = json.loads(payload)
        key = (result["sensor_id"], result["last_sequence"])
        if key in self.at_s:
            self.doubled[key] += 1
        self.at_s.setdefault(key, now_s)

    def delays_s(self, load: Load) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """From the publication of a window's last sample to the arrival of its result."""
        return np.array(
            [
                arrived_s - load.sent_s[sensor_id, last_sequence // BATCH * BATCH]
                for (sensor_id, last_sequence), arrived_s in sorted(self.at_s.items())
                if (sensor_id, last_sequence // BATCH * BATCH) in load.sent_s
            ]
        )


@contextlib.contextmanager
def arrivals_by_mqtt(port: int) -> Iterator[Arrivals]:
    """Listen to classifications on the broker."""
    arrivals = Arrivals()
    classifications = all_sensors_topic(SensorTopic.CLASSIFICATION)
    with subscribed(port, classifications, lambda _, payload: arrivals.add(payload)):
        yield arrivals


@contextlib.contextmanager
def arrivals_by_live(api: str) -> Iterator[Arrivals]:
    """Listen to /v1/live."""
    arrivals = Arrivals()
    with httpx.Client(timeout=None) as client, client.stream("GET", f"{api}/v1/live") as stream:  # noqa: S113 - endless

        def read() -> None:
            with contextlib.suppress(httpx.HTTPError):
                for line in stream.iter_lines():
                    if line.startswith("data:") and '"last_sequence"' in line:
                        arrivals.add(line.removeprefix("data:"))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield arrivals
