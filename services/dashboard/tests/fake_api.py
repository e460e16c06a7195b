"""A stand-in for the REST API: says whatever a test wants, over real HTTP."""

import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

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


def make_fault(kind: str, title: str, detail: str, advice: str, **changes: object) -> dict[str, Any]:
    """Return something that is wrong since five minutes ago."""
    return {
        "kind": kind,
        "part": kind.partition("-")[0],
        "severity": "error",
        "title": title,
        "detail": detail,
        "advice": advice,
        "since": iso(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)),
        "subjects": [],
    } | changes


def make_status(faults: list[dict[str, Any]]) -> dict[str, Any]:
    is_impaired = any(fault["severity"] == "error" for fault in faults)
    return {"state": "impaired" if is_impaired else "ok", "checked_at": iso(datetime.now(UTC)), "faults": faults}


@dataclass(frozen=True)
class Request:
    """What a page asks."""

    method: str
    path: str
    """Without the query, with what it names decoded: "/v1/recordings/r1"."""
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        return json.loads(self.body)

    def value(self, name: str) -> str | None:
        """Return the first value of a parameter."""
        return self.query.get(name, [None])[0]


@dataclass(frozen=True)
class Response:
    """What the API answers: a document as JSON (a problem from status 400 on), bytes as they are, None as nothing."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Request], Response | None]
"""Answers a request, or returns None for what it does not know."""


def problem(status: int, title: str, detail: str, kind: str = "about:blank") -> Response:
    """Return an RFC 9457 problem; `kind` is the type without its prefix."""
    type_ = kind if kind == "about:blank" else f"urn:repsense:{kind}"
    return Response(status, {"type": type_, "title": title, "status": status, "detail": detail})


@dataclass
class World:
    """What the API says; tests change it while the page is open."""

    sensors: list[dict[str, Any]] = field(default_factory=list)
    classification: dict[str, Any] | None = None
    running_set: dict[str, Any] | None = None
    sets: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "bodyweight"}])
    problem: dict[str, Any] | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    knows_status: bool = True
    routes: list[Route] = field(default_factory=list)
    """What more the API knows: asked in this order, before what is built in."""
    api_key: str | None = None
    """What requests must come with."""
    requests: list[Request] = field(default_factory=list)
    """Whatever was asked to change something, in order."""
    keep_times: bool = False
    """Answer with the times as they were made, instead of those of a sensor that has just sent."""

    def clear(self) -> None:
        """Become an empty world."""
        vars(self).update(vars(World()))

    def answer(self, request: Request) -> Response:
        """Return what the API says to a request."""
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            kind = "key-wrong" if "authorization" in request.headers else "key-required"
            return problem(401, "The API wants a key", "Send the API's key with each request.", kind)
        if self.knows_status and (request.method, request.path) == ("GET", "/v1/status"):
            return Response(document=make_status(self.faults))
        if self.problem is not None:
            return Response(self.problem["status"], self.problem)
        for route in (*self.routes, self._built_in):
            response = route(request)
            if response is not None:
                return response
        return problem(404, "Not found", f"{request.method} {request.path}", "not-found")

    def _built_in(self, request: Request) -> Response | None:
        match [request.method, *request.path.strip("/").split("/")]:
            case ["GET", "v1", "sensors"]:
                return Response(document={"items": self.sensors})
            case ["GET", "v1", "sensors", sensor_id, "live"]:
                live = self.live(sensor_id)
                return Response(document=live) if live else problem(404, "No such sensor", sensor_id)
            case ["GET", "v1", "sensors", sensor_id, "samples"]:
                seconds, max_points = request.value("seconds"), request.value("max_points")
                return Response(document=self.signal(sensor_id, float(seconds or 10), int(max_points or 300)))
            case ["GET", "v1", "sets"]:
                return Response(document={"items": self.sets[: int(request.value("limit") or 50)], "next_cursor": None})
            case ["GET", "v1", "models"]:
                return Response(document={"items": self.models})
            case _:
                return None

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
    server: "FakeServer"

    def _serve(self) -> None:
        url = urlsplit(self.path)
        request = Request(
            self.command,
            unquote(url.path),
            parse_qs(url.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        if request.method != "GET":
            self.server.world.requests.append(request)
        self._answer(self.server.world.answer(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that http.server looks for

    def _answer(self, response: Response) -> None:
        body, media_type = _encode(response)
        self.send_response(response.status)
        for name, value in ({"Content-Type": media_type} | dict(response.headers)).items():
            self.send_header(name, value)
        if response.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: a request every 200 ms would bury the test's own words."""


def _encode(response: Response) -> tuple[bytes, str]:
    if isinstance(response.document, bytes):
        return response.document, "application/octet-stream"
    body = b"" if response.document is None else json.dumps(response.document).encode()
    return body, "application/json" if response.status < HTTPStatus.BAD_REQUEST else "application/problem+json"


class FakeServer(ThreadingHTTPServer):
    """Answers as `world` does, which may be another one at any time."""

    daemon_threads = True

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running(world: World) -> Iterator[FakeServer]:
    """Serve `world` on a free port of the loopback interface."""
    server = FakeServer(world)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve(world: World) -> Iterator[str]:
    """Serve `world` on a free port of the loopback interface and yield its base URL."""
    with running(world) as server:
        yield server.url


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
