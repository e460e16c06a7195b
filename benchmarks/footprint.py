"""Memory of each process of the native stack, and how long it takes to start."""

import time
from pathlib import Path

from support.mqtt import listening
from support.servers import ROOT
from support.stack import native_stack

from benchmarks.tables import print_table
from repsense.manifest import latest_version, load_manifest
from repsense.topics import SensorTopic, all_sensors_topic

_SETTLED_S = 60.0


def run(folder: Path) -> None:
    """Start twice, as a newcomer and as somebody who comes back; then look at the memory after a minute."""
    manifest = load_manifest(latest_version(ROOT / "models" / "bodyweight"))
    starts = []
    memory: dict[str, float] = {}
    for start in ("first start", "second start"):
        began_s = time.perf_counter()
        with native_stack(folder) as stack:
            ready_s = time.perf_counter() - began_s
            with listening(stack.ports["MQTT_PORT"], all_sensors_topic(SensorTopic.CLASSIFICATION)) as results:
                results.wait(lambda got: len(got) > 0)
            first_s = time.perf_counter() - began_s
            starts.append([start, f"{ready_s:.1f} s", f"{first_s:.1f} s", f"{first_s - manifest.window_s:.1f} s"])
            if start == "second start":
                time.sleep(_SETTLED_S)
                for process in stack.processes():
                    name = next((Path(part).name for part in process.cmdline()[:2] if "python" not in part), "python")
                    memory[name] = memory.get(name, 0.0) + process.memory_full_info().pss / 1e6
    print_table(
        "Start of the native stack", ["", "ready", "first classification", "without the window's length"], starts
    )
    rows = [[name, f"{megabytes:.0f} MB"] for name, megabytes in sorted(memory.items(), key=lambda item: -item[1])]
    print_table(
        f"Memory after {_SETTLED_S:.0f} s with one simulated sensor (proportional set size)",
        ["process", "memory"],
        [*rows, ["whole stack", f"{sum(memory.values()):.0f} MB"]],
    )
