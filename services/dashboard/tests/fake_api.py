"""A stand-in for the REST API: says whatever a test wants, over real HTTP."""

import json
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz")
_UNITS = {"a": "m/s^2", "g": "rad/s", "m": "uT"}
_BASELINE = {"ax": -2.0, "ay": 1.5, "az": 9.3, "gx": 0.0, "gy": 0.0, "gz": 0.0, "mx": 22.0, "my": -31.0, "mz": 12.0}
_SWING = {"a": 3.0, "g": 1.4, "m": 14.0}
_SAMPLE_RATE_HZ = 50.0


def iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def make_sensor(sensor_id: str = "wrist", **changes: object) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "sensor_id": sensor_id,
        "name": "Wrist",
        "state": "online",
        "state_reason": None,
        "gateway_id": "gym-1",
        "simulated": False,
        "stream_id": "s1",
        "channels": list(CHANNELS),
        "sample_rate_hz": 49.8,
        "first_seen_at": iso(now - timedelta(hours=1)),
        "last_sample_at": iso(now),
        "n_samples": 180_000,
        "n_lost": 540,
        "n_duplicate": 0,
        "loss_share": 0.003,
        "problem": None,
    } | changes


def make_label(exercise: str, form: str | None = None) -> dict[str, Any]:
    return {"exercise": exercise, "form": form}


def make_classification(
    exercise: str | None, form: str | None = None, confidence: float | None = 0.97, **changes: object
) -> dict[str, Any]:
    """Return a classification; without an exercise one that does not know."""
    now = datetime.now(UTC)
    label = make_label(exercise, form) if exercise else None
    others = [make_label("push-up", "incorrect"), make_label("squat", "correct"), make_label("lunge")]
    first = confidence or 0.0
    rest = 1 - first
    shares = [first, *(rest * part for part in (0.6, 0.3, 0.1))]
    labels = [label or make_label("sit-up", "correct"), *(other for other in others if other != label)]
    return {
        "sensor_id": "wrist",
        "model_name": "bodyweight",
        "model_version": 1,
        "window_start_at": iso(now - timedelta(seconds=2)),
        "window_end_at": iso(now),
        "label": label,
        "confidence": confidence,
        "window_label": label,
        "probabilities": [{"label": each, "probability": share} for each, share in zip(labels, shares, strict=False)],
        "unclassified_reason": None,
        "set_id": None,
        "simulated": False,
    } | changes


def make_set(
    set_id: str, exercise: str, form: str | None = None, *, ago_s: float = 300, **changes: object
) -> dict[str, Any]:
    started_at = datetime.now(UTC) - timedelta(seconds=ago_s)
    return {
        "set_id": set_id,
        "sensor_id": "wrist",
        "workout_id": "w1",
        "state": "closed",
        "exercise": exercise,
        "form": form,
        "form_windows": {},
        "incorrect_share": None,
        "started_at": iso(started_at),
        "ended_at": iso(started_at + timedelta(seconds=42)),
        "duration_s": 42.0,
        "n_windows": 80,
        "confidence": 0.95,
        "model_name": "bodyweight",
        "model_version": 1,
        "simulated": False,
    } | changes


@dataclass
class World:
    """What the API says; tests change it while the page is open."""

    sensors: list[dict[str, Any]] = field(default_factory=list)
    classification: dict[str, Any] | None = None
    running_set: dict[str, Any] | None = None
    sets: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "bodyweight"}])
    problem: dict[str, Any] | None = None
    keep_times: bool = False
    """Answer with the times as they were made, instead of those of a sensor that has just sent."""

    def clear(self) -> None:
        """Become an empty world."""
        vars(self).update(vars(World()))

    def live(self, sensor_id: str) -> dict[str, Any] | None:
        for sensor in self.sensors:
            if sensor["sensor_id"] == sensor_id:
                return {
                    "sensor": self._now(sensor, "last_sample_at") if sensor["state"] == "online" else sensor,
                    "classification": self._now(self.classification, "window_end_at"),
                    "running_set": self.running_set,
                }
        return None

    def _now(self, document: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
        if document is None or self.keep_times:
            return document
        return document | {key: iso(datetime.now(UTC))}

    def signal(self, sensor_id: str, seconds: float, max_points: int) -> dict[str, Any]:
        """Return a signal that moves with the clock, as of somebody who does a repetition in two seconds."""
        channels = next(sensor["channels"] for sensor in self.sensors if sensor["sensor_id"] == sensor_id)
        end = math.floor(time.time() * 10) / 10  # batches of 100 ms
        n_points = min(max_points, int(seconds * _SAMPLE_RATE_HZ))
        offsets = [number * seconds / n_points for number in range(n_points)]
        return {
            "sensor_id": sensor_id,
            "channels": channels,
            "units": {channel: _UNITS[channel[0]] for channel in channels},
            "start_at": iso(datetime.fromtimestamp(end - offsets[-1], UTC)),
            "offsets_s": [round(offset, 4) for offset in offsets],
            "samples": [[_value(channel, end - offsets[-1] + offset) for channel in channels] for offset in offsets],
        }


def _value(channel: str, at: float) -> float:
    group, axis = channel[0], channel[1]
    phase = "xyz".index(axis) * 1.3 + "agm".index(group) * 0.7
    turn = math.tau * at / 2.1 + phase
    noise = random.Random(round(at * 100) * 31 + CHANNELS.index(channel)).gauss(0, 0.06)  # noqa: S311
    return round(_BASELINE[channel] + _SWING[group] * (math.sin(turn) + 0.35 * math.sin(2 * turn) + noise), 3)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        world = self.server.world
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if world.problem is not None:
            self._answer(world.problem["status"], world.problem)
            return
        match url.path.strip("/").split("/"):
            case ["v1", "sensors"]:
                self._answer(200, {"items": world.sensors})
            case ["v1", "sensors", sensor_id, "live"]:
                live = world.live(sensor_id)
                self._answer(200 if live else 404, live or {"title": "No such sensor", "detail": sensor_id})
            case ["v1", "sensors", sensor_id, "samples"]:
                self._answer(200, world.signal(sensor_id, float(query["seconds"]), int(query["max_points"])))
            case ["v1", "sets"]:
                self._answer(200, {"items": world.sets[: int(query["limit"])], "next_cursor": None})
            case ["v1", "models"]:
                self._answer(200, {"items": world.models})
            case _:
                self._answer(404, {"title": "Not found", "detail": self.path})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: a request every 200 ms would bury the test's own words."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world


@contextmanager
def serve(world: World) -> Iterator[str]:
    """Serve `world` on a free port of the loopback interface and yield its base URL."""
    server = _Server(world)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def show_push_ups(world: World, *, simulated: bool = True) -> None:
    """Put the picture-book situation into the world: somebody in the middle of a set, with sets behind them."""
    world.sensors = [make_sensor(simulated=simulated)]
    world.classification = make_classification("push-up", "correct", simulated=simulated)
    world.running_set = make_set(
        "running",
        "push-up",
        "correct",
        ago_s=38,
        state="open",
        ended_at=None,
        duration_s=38.0,
        incorrect_share=0.06,
        simulated=simulated,
    )
    past = [
        ("sit-up", "correct", 44.0), ("squat", "incorrect", 51.0), ("push-up", "correct", 39.0),
        ("lunge", None, 62.0), ("squat", "correct", 48.0), ("jumping jack", "correct", 75.0),
    ]  # fmt: skip
    world.sets = [
        make_set(f"past-{number}", exercise, form, ago_s=240 + 130 * number, duration_s=lasted, simulated=simulated)
        for number, (exercise, form, lasted) in enumerate(past)
    ]
