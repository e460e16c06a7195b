"""From the last sample of a window leaving the gateway to its classification arriving."""

import time
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from support.mqtt import connect
from support.stack import NativeStack, native_stack

from benchmarks.load import Load, arrivals_by_live, arrivals_by_mqtt
from benchmarks.tables import milliseconds, print_table

_DURATION_S = 30.0
_N_ROUND_TRIPS = 500


def run(folder: Path) -> None:
    """Measure with 1 and 10 sensors, beside what the broker alone takes for a message of the same size."""
    rows = []
    with native_stack(folder, SENSOR="--help") as stack:
        bare_s = _broker_alone(stack)
        rows.append(["broker alone", "MQTT", _N_ROUND_TRIPS, *_percentiles(bare_s), "1.0"])
        for n_sensors in (1, 10):
            load = Load(stack.ports["MQTT_PORT"], n_sensors, f"latency-{n_sensors}")
            with arrivals_by_mqtt(stack.ports["MQTT_PORT"]) as by_mqtt, arrivals_by_live(stack.api) as by_live:
                load.run(_DURATION_S)
                time.sleep(1)
            load.close()
            for way, arrivals in (("MQTT", by_mqtt), ("/v1/live", by_live)):
                delays_s = arrivals.delays_s(load)
                ratio = np.median(delays_s) / np.median(bare_s)
                rows.append([f"{n_sensors} sensors", way, len(delays_s), *_percentiles(delays_s), f"{ratio:.1f}"])
    print_table(
        "Delay from a window's last sample to its result (50 Hz x 9 channels)",
        ["load", "by", "n", "p50", "p99", "max", "p50 / broker alone"],
        rows,
    )


def _percentiles(seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[str]:
    return [milliseconds(float(value)) for value in (*np.percentile(seconds, [50, 99]), seconds.max())]


def _broker_alone(stack: NativeStack) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Publish and receive a message of 2 kB, one after another."""
    arrived: list[float] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda *_: arrived.append(time.perf_counter())
    connect(client, stack.ports["MQTT_PORT"])
    client.subscribe("benchmark/echo", qos=1)
    client.loop_start()
    delays_s = []
    for number in range(_N_ROUND_TRIPS):
        sent_s = time.perf_counter()
        client.publish("benchmark/echo", b"x" * 2_000, qos=1)
        while len(arrived) <= number:
            time.sleep(0.0002)
        delays_s.append(arrived[number] - sent_s)
    client.disconnect()
    client.loop_stop()
    return np.array(delays_s)
