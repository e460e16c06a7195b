"""How many sensors one preprocessor process sustains without loss or growing lag."""

import time
from pathlib import Path

import numpy as np
import psutil
from support.servers import ROOT
from support.stack import NativeStack, native_stack

from benchmarks.load import BATCH, RATE_HZ, Load, arrivals_by_mqtt
from benchmarks.tables import milliseconds, print_table
from repsense.manifest import latest_version, load_manifest

_DURATION_S = 30.0
_SENSORS = (100, 200, 400, 500)
_PARTS = {"CPU preprocessor": "repsense-preprocessor", "database": "nx-27017", "broker": "nats-server"}


def run(folder: Path) -> None:
    """Raise the number of sensors step by step, each on a stack of its own."""
    rows = []
    for n_sensors in _SENSORS:
        with native_stack(folder / str(n_sensors), SENSOR="--help") as stack:
            rows.append(_measure(stack, n_sensors))
    print_table(
        "Sensors (50 Hz x 9 channels) per preprocessor process, everything on one machine",
        [
            "sensors",
            "windows",
            "lost",
            "doubled",
            "p50",
            "p99",
            "p50 by thirds",
            "load late by",
            "CPU preprocessor",
            "database",
            "broker",
        ],
        rows,
    )


def _measure(stack: NativeStack, n_sensors: int) -> list[object]:
    manifest = load_manifest(latest_version(ROOT / "models" / "bodyweight"))
    load = Load(stack.ports["MQTT_PORT"], n_sensors, "capacity")
    parts = {name: _process(stack, name) for name in _PARTS.values()}
    with arrivals_by_mqtt(stack.ports["MQTT_PORT"]) as arrivals:
        before = {name: sum(part.cpu_times()[:2]) for name, part in parts.items()}
        load.run(_DURATION_S)
        after = {name: sum(part.cpu_times()[:2]) for name, part in parts.items()}
        n_resampled = 1 + (int(_DURATION_S * RATE_HZ / BATCH) * BATCH - 1) // round(RATE_HZ / manifest.sample_rate_hz)
        n_expected = n_sensors * (1 + (n_resampled - manifest.window_size) // manifest.stride)
        deadline_s = time.perf_counter() + _DURATION_S
        while len(arrivals.at_s) < n_expected and time.perf_counter() < deadline_s:
            time.sleep(0.1)
    load.close()
    delays_s = arrivals.delays_s(load)
    by_time = [delay for _, delay in sorted(zip(_sent_s(arrivals.at_s, load), delays_s.tolist(), strict=True))]
    # A lag that grows shows as thirds that rise: more comes than is worked off.
    thirds = [f"{np.median(third) * 1e3:.0f}" for third in np.array_split(np.array(by_time), 3)]
    return [
        n_sensors,
        len(arrivals.at_s),
        n_expected - len(arrivals.at_s),
        sum(arrivals.doubled.values()),
        *(milliseconds(float(value)) for value in np.percentile(delays_s, [50, 99])),
        f"{' → '.join(thirds)} ms",
        milliseconds(load.lag_s),
        *(f"{(after[name] - before[name]) / _DURATION_S:.0%}" for name in parts),
    ]


def _sent_s(at_s: dict[tuple[str, int], float], load: Load) -> list[float]:
    return [load.sent_s[sensor_id, last // BATCH * BATCH] for sensor_id, last in sorted(at_s)]


def _process(stack: NativeStack, name: str) -> psutil.Process:
    for process in stack.processes():
        if any(part.endswith(name) for part in process.cmdline()[:2]):
            return process
    message = f"{name} is not running"
    raise RuntimeError(message)
