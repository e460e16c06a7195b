"""What the gateway costs: processor time for each sensor, and from a notification to a reader at the broker."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from support import servers
from support.mqtt import subscribed
from support.servers import ROOT

from benchmarks.gateway_process import RATE_HZ
from benchmarks.tables import milliseconds, print_table
from repsense.messages import SamplesMessage
from repsense.timestamps import MICROSECONDS, to_epoch_us
from repsense.topics import SensorTopic, all_sensors_topic

_SETTLING_S = 5.0
_MEASURED_S = 15.0
_LOADS = [("repsense", n) for n in (1, 10, 50, 100, 200)] + [("witmotion", n) for n in (1, 10, 25, 50)]


class _Arrivals:
    """Notes what came and when; it is read afterwards."""

    def __init__(self) -> None:
        self.received: list[tuple[float, bytes]] = []

    def add(self, _topic: str, payload: bytes) -> None:
        """Take one message."""
        self.received.append((time.time(), payload))


def run(folder: Path) -> None:
    """Measure sensors of 100 Hz x 6 channels that send ten samples in a notification, or one."""
    rows = []
    for kind, n_sensors in _LOADS:
        with servers.broker(folder / f"{kind}-{n_sensors}") as broker:
            rows.append([kind, n_sensors, *_measure(broker.port, kind, n_sensors, broker.log.parent / "spool")])
    print_table(
        "Gateway at 100 Hz x 6 channels, spool on disk (batches of 200 ms; from the last notification of a batch)",
        ["kind", "sensors", "CPU", "CPU a sensor", "MB", "p50", "p99", "samples lost"],
        rows,
    )


def _measure(port: int, kind: str, n_sensors: int, spool: Path) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.gateway_process", kind, str(n_sensors), str(port), str(spool)]
    arrivals = _Arrivals()
    with (
        subscribed(port, all_sensors_topic(SensorTopic.SAMPLES), arrivals.add),
        subprocess.Popen(command, cwd=ROOT) as gateway,
    ):
        process = psutil.Process(gateway.pid)
        time.sleep(_SETTLING_S)
        n_before, before_s = len(arrivals.received), sum(process.cpu_times()[:2])
        time.sleep(_MEASURED_S)
        cpu = (sum(process.cpu_times()[:2]) - before_s) / _MEASURED_S
        megabytes = process.memory_info().rss / 2**20
        gateway.kill()
    delays_s, n_lost = _evaluated(arrivals, n_before)
    p50, p99 = np.percentile(delays_s, [50, 99])
    return [
        f"{cpu:.0%}",
        f"{cpu / n_sensors:.2%}",
        f"{megabytes:.0f}",
        milliseconds(float(p50)),
        milliseconds(float(p99)),
        str(n_lost),
    ]


def _evaluated(arrivals: _Arrivals, first: int) -> tuple[list[float], int]:
    """Delays from the time of a message's last sample, and how many samples are missing between messages."""
    delays_s = []
    ends: dict[str, int] = {}
    n_lost = 0
    for at_s, payload in arrivals.received[first:]:
        message = SamplesMessage.decode(payload)
        last_us = to_epoch_us(message.first_sample_at) + (len(message.samples) - 1) / RATE_HZ * MICROSECONDS
        delays_s.append(at_s - last_us / MICROSECONDS)
        n_lost += max(0, message.sequence - ends.get(message.stream_id, message.sequence))
        ends[message.stream_id] = message.sequence + len(message.samples)
    return delays_s, n_lost
