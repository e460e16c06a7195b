"""The whole way, from a sensor's packets to the page, through the stack that `make up` starts."""

import csv
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pymongo
import pytest
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright
from support.browser import find_chromium, launch
from support.mqtt import Listener, listening
from support.servers import ROOT
from support.stack import NativeStack, native_stack

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.manifest import latest_version, load_manifest
from repsense.messages import ClassificationMessage, SamplesMessage
from repsense.topics import SensorTopic, all_sensors_topic
from repsense_ble_gateway.simulation.person import Person

pytestmark = pytest.mark.alone

MODEL = load_manifest(latest_version(ROOT / "models" / "bodyweight"))
RATE_HZ = 50.0
SPEED = 5
CHROMIUM = find_chromium()
QUANTUM = np.array([9.80665 / 2048] * 3 + [np.radians(2000 / 32768)] * 3 + [0.15] * 3)
"""One step of a RepSense packet, for each channel."""


@dataclass
class Recorded:
    """A recording on disk of a person whom the model has not met, and what was done in it."""

    path: Path
    samples: NDArray[np.float32]
    labels: list[Label | None]
    """For each sample."""

    @property
    def sets(self) -> list[Label]:
        changes = [now for before, now in pairwise([None, *self.labels]) if now != before]
        return [label for label in changes if label is not None]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    samples: list[NDArray[np.float32]] = []
    labels: list[Label | None] = []
    for stretch in Person(seed=4, sample_rate_hz=RATE_HZ).workout():
        samples.append(stretch.samples)
        labels += [stretch.label] * len(stretch.samples)
        if stretch.label is None and len(labels) > 70 * RATE_HZ:
            break
    path = tmp_path_factory.mktemp("recording") / "workout.csv"
    table = np.concatenate(samples)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["t", *CHANNELS])
        writer.writerows([f"{k / RATE_HZ:.3f}", *map(str, row)] for k, row in enumerate(table.tolist()))
    return Recorded(path, table, labels)


@dataclass
class Replayed:
    """The stack after the recording has gone through it, and what was seen on the way."""

    stack: NativeStack
    samples: Listener
    results: Listener
    live: list[dict[str, Any]]
    """Events of /v1/live."""
    seen: list[str]
    """Exercises that the page showed in large type, in order."""


def watch_live(api: str, events: list[dict[str, Any]]) -> None:
    with httpx.stream("GET", f"{api}/v1/live", timeout=None) as stream:  # noqa: S113 - it ends with the stack
        for line in stream.iter_lines():
            if line.startswith("data:"):
                events.append(json.loads(line.removeprefix("data:")))  # noqa: PERF401 - others read it meanwhile


def watch_page(url: str, seen: list[str], until: threading.Event) -> None:
    assert CHROMIUM is not None
    with sync_playwright() as playwright, launch(playwright, CHROMIUM) as browser:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("text=No sensor yet")
        while not until.is_set():
            text = page.inner_text("body")
            assert "Traceback" not in text
            if not seen or seen[-1] != text:
                seen.append(text)
            page.wait_for_timeout(200)


@pytest.fixture(scope="module")
def replayed(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    folder = tmp_path_factory.mktemp("stack")
    # The stack's own gateway only prints its help: another one is started below, when everybody watches.
    with native_stack(folder, SENSOR="--help") as stack:
        mqtt_port = stack.ports["MQTT_PORT"]
        live: list[dict[str, Any]] = []
        seen: list[str] = []
        over = threading.Event()
        threading.Thread(target=watch_live, args=(stack.api, live), daemon=True).start()
        page = threading.Thread(target=watch_page, args=(stack.dashboard, seen, over), daemon=True)
        if CHROMIUM is not None:
            page.start()
            while not seen and page.is_alive():
                time.sleep(0.05)
        with (
            listening(mqtt_port, all_sensors_topic(SensorTopic.SAMPLES)) as samples,
            listening(mqtt_port, all_sensors_topic(SensorTopic.CLASSIFICATION)) as results,
        ):
            gateway = stack.run_gateway("replay", str(recorded.path), "--speed", str(SPEED), "--sensor-id", "wrist")
            assert gateway.wait(timeout=100) == 0
            n_windows = n_windows_of(recorded)
            results.wait(lambda got: len(got) >= n_windows)
            while len(live) < n_windows:
                time.sleep(0.05)
            time.sleep(1)  # the page refreshes more often than this
            over.set()
            if CHROMIUM is not None:
                page.join()
            yield Replayed(stack, samples, results, live, seen)


def n_windows_of(recorded: Recorded) -> int:
    n_resampled = 1 + (len(recorded.samples) - 1) // round(RATE_HZ / MODEL.sample_rate_hz)
    return 1 + (n_resampled - MODEL.window_size) // MODEL.stride


def documents(stack: NativeStack, collection: str) -> list[dict[str, Any]]:
    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{stack.ports['MONGODB_PORT']}") as client:
        return list(client.repsense[collection].find())


def test_notifications_become_samples_on_the_broker(replayed: Replayed, recorded: Recorded) -> None:
    messages = [SamplesMessage.decode(payload) for _, payload in replayed.samples.messages]
    arrived = np.concatenate([m.array() for m in sorted(messages, key=lambda m: m.sequence)])

    assert arrived.shape == recorded.samples.shape
    assert (np.abs(arrived - recorded.samples) <= QUANTUM * 0.51).all()
    assert {m.sample_rate_hz for m in messages} == {RATE_HZ}
    assert len({m.stream_id for m in messages}) == 1


def test_every_sample_is_in_the_database_once(replayed: Replayed, recorded: Recorded) -> None:
    chunks = sorted(documents(replayed.stack, "samples"), key=lambda chunk: chunk["sequence"])

    assert [c["sequence"] for c in chunks[1:]] == [c["sequence"] + c["n_samples"] for c in chunks[:-1]]
    assert sum(c["n_samples"] for c in chunks) == len(recorded.samples)


def test_every_window_is_classified_stored_and_published_once(replayed: Replayed, recorded: Recorded) -> None:
    stored = documents(replayed.stack, "classifications")
    published = [ClassificationMessage.decode(payload) for _, payload in replayed.results.messages]

    assert len(stored) == len(published) == n_windows_of(recorded)
    assert {c["last_sequence"] for c in stored} == {m.last_sequence for m in published}
    assert {c["unclassified_reason"] for c in stored} <= {None, "still"}


def test_windows_get_the_right_label(replayed: Replayed, recorded: Recorded) -> None:
    step = round(RATE_HZ / MODEL.sample_rate_hz)
    right = []
    for stored in documents(replayed.stack, "classifications"):
        last = stored["last_sequence"]
        truth = set(recorded.labels[last - (MODEL.window_size - 1) * step : last + 1])
        if len(truth) == 1 and truth != {None}:
            right.append(stored["window_label"] == truth.pop().model_dump())  # type: ignore[union-attr]

    assert np.mean(right) >= 0.9


def test_sets_are_found_and_closed(replayed: Replayed, recorded: Recorded) -> None:
    sets = sorted(documents(replayed.stack, "sets"), key=lambda s: s["started_us"])

    assert [(s["exercise"], s["form"]) for s in sets] == [(label.exercise, label.form) for label in recorded.sets]
    assert {s["state"] for s in sets[:-1]} == {"closed"}
    assert len({s["workout_id"] for s in sets}) == 1


def test_the_rest_api_answers_what_is_stored(replayed: Replayed, recorded: Recorded) -> None:
    stack = replayed.stack
    exercises = [label.exercise for label in recorded.sets]

    (sensor,) = stack.get("/v1/sensors")["items"]
    assert sensor["sensor_id"] == "wrist"
    assert sensor["n_lost"] == 0
    assert [s["exercise"] for s in stack.get("/v1/sets")["items"]] == exercises[::-1]
    (workout,) = stack.get("/v1/workouts")["items"]
    assert workout["n_sets"] == len(exercises)
    page = stack.get("/v1/classifications?sensor_id=wrist&limit=5")
    assert len(page["items"]) == 5
    assert page["next_cursor"]
    (model,) = stack.get("/v1/models")["items"]
    assert model["in_use"]
    assert stack.get("/readyz")["status"] == "ready"


def test_live_events_come_as_they_are_published(replayed: Replayed) -> None:
    published = [json.loads(payload) for _, payload in replayed.results.messages]
    live = [event for event in replayed.live if "window_start_at" in event]

    assert live == published


def test_samples_can_be_classified_over_rest(replayed: Replayed, recorded: Recorded) -> None:
    label = recorded.sets[0]
    first = recorded.labels.index(label)
    body = {
        "sample_rate_hz": RATE_HZ,
        "channels": [channel.value for channel in CHANNELS],
        "samples": recorded.samples[first : first + 500].tolist(),
    }
    windows = (
        httpx.post(f"{replayed.stack.api}/v1/classify", json=body, timeout=10).raise_for_status().json()["windows"]
    )

    assert len(windows) == (500 // 25) - MODEL.window_size + 1
    assert np.mean([w["label"] == label.model_dump() for w in windows]) >= 0.9


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_shows_the_exercises_while_they_are_done(replayed: Replayed, recorded: Recorded) -> None:
    for label in recorded.sets:
        name = label.exercise.capitalize()
        assert any(f"\n{name}\n" in text for text in replayed.seen), f"{name} was never shown"
    _, last_sets = replayed.seen[-1].split("LAST SETS")
    assert recorded.sets[0].exercise in last_sets
