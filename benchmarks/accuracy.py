"""Right labels through the whole stack: recordings that the model was not trained on, and the simulator."""

import json
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
from support.mqtt import listening
from support.servers import BIN, ROOT
from support.stack import NativeStack, native_stack

from benchmarks.tables import print_table
from repsense.manifest import latest_version, load_manifest
from repsense.messages import TruthMessage
from repsense.topics import SensorTopic, all_sensors_topic

_DATA = ROOT.parent / "shared" / "data" / "bodyweight"
_CONFIGURATION = ROOT / "services" / "trainer" / "configurations" / "bodyweight.toml"
_SESSIONS = ("1", "4", "8", "13", "15")
"""The first, the last, and those that a network finds hardest."""
_SPEED = "20"
_SIMULATED_S = 300.0


def run(folder: Path) -> None:
    """Replay each left-out session through a stack with a model that was trained without it; then simulate."""
    if _DATA.is_dir():
        rows = [_left_out(folder / session, session) for session in _SESSIONS]
        print_table(
            "Recordings of sessions that the model was not trained on, through the whole stack",
            ["session", "windows", "right (window)", "right or late by smoothing (label)", "unknown"],
            rows,
        )
    else:
        print("\nNo recordings beside the checkout: the accuracy on left-out sessions is not measured.")
    with native_stack(folder / "simulator", SENSOR="simulator --sensors 4 --seed 11") as stack:
        print_table(
            f"Simulated people, {_SIMULATED_S:.0f} s, windows that lie within a set",
            ["exercise", "windows", "right (window)", "right (label)"],
            _simulated(stack),
        )


def _left_out(folder: Path, session: str) -> list[object]:
    command = ["train", str(_DATA), "--config", str(_CONFIGURATION), "--models", str(folder / "models")]
    options = ["--leave-out", session, "--no-evaluate", "--promote"]
    subprocess.run([BIN / "repsense-train", *command, *options], check=True, capture_output=True)
    model = folder / "models" / "bodyweight"
    with native_stack(folder, SENSOR="--help", MODEL_URL=f"onnx:{model}") as stack:
        with (
            listening(stack.ports["MQTT_PORT"], all_sensors_topic(SensorTopic.TRUTH)) as truths,
            listening(stack.ports["MQTT_PORT"], all_sensors_topic(SensorTopic.CLASSIFICATION)) as results,
        ):
            recording = [str(_DATA / "recordings.csv.gz"), "--rate-hz", "2", "--select", f"session={session}"]
            stack.run_gateway("replay", *recording, "--speed", _SPEED).wait()
            manifest = load_manifest(latest_version(model))
            n_activities = len({json.loads(payload)["stream_id"] for _, payload in truths.messages})
            n_expected = n_activities * (80 - manifest.window_size + 1)
            results.wait(lambda got: len(got) >= n_expected)
        names = _label_names()
        truth = {m.stream_id: names[m.label.exercise] for m in _truths(truths.messages) if m.label is not None}
        windows = [json.loads(payload) for _, payload in results.messages]
    right = [_text(w["window_label"]) == truth[w["stream_id"]] for w in windows]
    label = [_text(w["label"]) == truth[w["stream_id"]] for w in windows]
    unknown = [w["label"] is None for w in windows]
    return [session, len(windows), *(f"{sum(part) / len(windows):.2%}" for part in (right, label, unknown))]


def _simulated(stack: NativeStack) -> list[list[object]]:
    with (
        listening(stack.ports["MQTT_PORT"], all_sensors_topic(SensorTopic.TRUTH)) as truths,
        listening(stack.ports["MQTT_PORT"], all_sensors_topic(SensorTopic.CLASSIFICATION)) as results,
    ):
        time.sleep(_SIMULATED_S)
    model = httpx.get(f"{stack.api}/v1/models").json()["items"][0]["manifest"]
    length = round((model["window_size"] - 1) / model["sample_rate_hz"] * 50)
    changes: dict[str, list[tuple[int, str | None]]] = defaultdict(list)
    for message in _truths(truths.messages):
        changes[message.stream_id].append((message.sequence, None if message.label is None else str(message.label)))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for _, payload in results.messages:
        window = json.loads(payload)
        during = _during(changes[window["stream_id"]], window["last_sequence"] - length, window["last_sequence"])
        if len(during) == 1 and (truth := during.pop()) is not None:
            counts[truth][0] += 1
            counts[truth][1] += _text(window["window_label"]) == truth
            counts[truth][2] += _text(window["label"]) == truth
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    return [
        [name, n, f"{right / n:.1%}", f"{label / n:.1%}"]
        for name, (n, right, label) in [*sorted(counts.items()), ("all", total)]
    ]


def _during(changes: list[tuple[int, str | None]], first: int, last: int) -> set[str | None]:
    """What was true at any moment of a stretch; a stretch that begins before all that is known has no truth."""
    before = [truth for sequence, truth in changes if sequence <= first]
    within = {truth for sequence, truth in changes if first < sequence <= last}
    return {before[-1] if before else None, *within}


def _truths(messages: list[tuple[str, bytes]]) -> list[TruthMessage]:
    return sorted((TruthMessage.decode(payload) for _, payload in messages), key=lambda m: m.sequence)


def _label_names() -> dict[str, str]:
    import tomllib  # noqa: PLC0415

    labels: dict[str, dict[str, Any]] = tomllib.loads(_CONFIGURATION.read_text())["data"]["labels"]
    return {name: _text(label) or "" for name, label in labels.items()}


def _text(label: dict[str, str | None] | None) -> str | None:
    if label is None:
        return None
    form = label.get("form")
    return label["exercise"] if form is None else f"{label['exercise']} ({form})"
