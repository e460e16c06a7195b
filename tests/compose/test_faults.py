"""Every container in turn is killed, paused, cut off and restarted while two sensors stream: nothing stored is lost or
stored twice, and everything works again by itself."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx
import pytest
from support.compose import ComposeStack, Figures, HostGateway, until
from support.servers import ROOT

from repsense.manifest import latest_version, load_manifest

pytestmark = pytest.mark.timeout(900)

MODEL = load_manifest(latest_version(ROOT / "models" / "bodyweight"))
RATE_HZ = 50
FOREIGN = ("broker", "database", "tensorflow-serving")
PARTS = (*FOREIGN, "preprocessor", "inference", "dashboard", "trainer")
PATIENCE_S = 240.0
"""Recovery is what is asserted; how long it takes is measured, and depends on what else the machine does."""
HELD_S = 4.0
"""How long a part is paused or cut off: longer than the clients' retries take to notice."""
LOST_ENDS = 2 * RATE_HZ
"""Of what a gateway still held when it was stopped, two seconds of samples may be on its own disk only."""


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=120).stdout


def kill(stack: ComposeStack, service: str) -> None:
    """As a crash does it: the engine, and not a person, starts the container anew."""
    before = stack.inspect(service)["State"]["StartedAt"]
    docker("exec", stack.container(service), "sh", "-c", "kill -9 -1")
    until(f"another start of {service}", lambda: stack.inspect(service)["State"]["StartedAt"] != before)
    until_it_answers(stack, service)


def pause(stack: ComposeStack, service: str) -> None:
    def paused() -> bool:
        # The engine gives up where a process begins at that very moment, such as that of a health check.
        command = ["docker", "pause", stack.container(service)]
        return not subprocess.run(command, check=False, capture_output=True, timeout=120).returncode

    until(f"{service} that is paused", paused)
    time.sleep(HELD_S)
    docker("unpause", stack.container(service))


def cut_off(stack: ComposeStack, service: str) -> None:
    """As a cable that is pulled: connections stay half open, and the address is another one afterwards."""
    container = stack.container(service)
    networks: dict[str, Any] = json.loads(
        docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container)
    )
    for network in networks:
        docker("network", "disconnect", network, container)
    time.sleep(HELD_S)
    for network in networks:
        docker("network", "connect", "--alias", service, network, container)


def restart(stack: ComposeStack, service: str) -> None:
    docker("restart", stack.container(service))
    until_it_answers(stack, service)


def until_it_answers(stack: ComposeStack, service: str) -> None:
    """What is not ours may take its time to start; only then is it back."""
    if service in FOREIGN:
        health = f"{service} that is healthy"
        until(health, lambda: stack.inspect(service)["State"]["Health"]["Status"] == "healthy", PATIENCE_S)


@dataclass
class Streams:
    """What two sensors have sent since the module began."""

    stack: ComposeStack
    gateway: HostGateway

    def documents(self, collection: str) -> dict[str, list[dict[str, Any]]]:
        """The documents of each of the sensors."""
        found: dict[str, list[dict[str, Any]]] = {sensor: [] for sensor in self.gateway.sensors}
        for document in self.stack.database()[collection].find({"sensor_id": {"$in": self.gateway.sensors}}):
            found[document["sensor_id"]].append(document)
        return found

    def arrive(self, since_us: int) -> bool:
        """Whether a window of each sensor is classified that ended after a time."""
        classifications = self.stack.database()["classifications"]
        return all(
            classifications.count_documents({"sensor_id": sensor, "window_end_us": {"$gt": since_us}}, limit=1)
            for sensor in self.gateway.sensors
        )


@pytest.fixture(scope="module")
def streams(stack: ComposeStack) -> Iterator[Streams]:
    with stack.host_gateway("gym", "ankle").running() as gateway:
        streams = Streams(stack, gateway)
        until("results of both sensors", lambda: streams.arrive(0))
        yield streams


def everything_works(streams: Streams, client: httpx.Client, since_us: int) -> bool:
    stack = streams.stack
    return (
        streams.arrive(since_us)
        and stack.is_ready()
        and client.get("/v1/sets", params={"limit": 1}).is_success
        and httpx.get(f"http://{stack.address('trainer')}:9102/readyz").is_success
    )


@pytest.mark.parametrize("fault", [kill, pause, cut_off, restart], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("part", PARTS)
def test_everything_works_again_after(
    part: str, fault: Callable[[ComposeStack, str], None], streams: Streams, figures: Figures
) -> None:
    stack = streams.stack
    with stack.client() as client:
        fault(stack, part)
        if part == "database":
            stack.forget_connections()
        returned_s, returned_us = time.monotonic(), time.time_ns() // 1000

        until(f"everything after {part} is back", lambda: everything_works(streams, client, returned_us), PATIENCE_S)

    figures.note(f"{part} back after {fault.__name__}, until everything works", time.monotonic() - returned_s)


def test_no_sample_was_lost_and_none_stored_twice(streams: Streams) -> None:
    assert streams.gateway.stop() == 0
    stopped_us = time.time_ns() // 1000

    def ends() -> list[int]:
        return [max(d["last_sample_us"] for d in chunks) for chunks in streams.documents("samples").values()]

    until("the last samples", lambda: min(ends()) > stopped_us - LOST_ENDS / RATE_HZ * 1e6)
    for chunks in streams.documents("samples").values():
        # The sensors were connected all the time.
        assert len({chunk["stream_id"] for chunk in chunks}) == 1
        chunks.sort(key=lambda chunk: chunk["sequence"])
        assert chunks[0]["sequence"] == 0
        assert all(after["sequence"] == before["sequence"] + before["n_samples"] for before, after in pairwise(chunks))
        assert not any(chunk["n_lost_before"] for chunk in chunks)


def test_every_window_was_classified_once(streams: Streams) -> None:
    step = round(RATE_HZ / MODEL.sample_rate_hz)

    def expected(sensor: str) -> list[int]:
        n_samples = sum(chunk["n_samples"] for chunk in streams.documents("samples")[sensor])
        return list(range((MODEL.window_size - 1) * step, n_samples, MODEL.stride * step))

    def found(sensor: str) -> list[int]:
        return sorted(document["last_sequence"] for document in streams.documents("classifications")[sensor])

    for sensor in streams.gateway.sensors:
        until(f"every window of {sensor}", lambda sensor=sensor: len(found(sensor)) >= len(expected(sensor)))  # type: ignore[misc]
        assert found(sensor) == expected(sensor)
        reasons = {document["unclassified_reason"] for document in streams.documents("classifications")[sensor]}
        assert reasons <= {None, "still"}


def test_sets_and_workouts_agree_with_the_windows(streams: Streams) -> None:
    def closed_sets() -> dict[str, list[dict[str, Any]]] | None:
        found = streams.documents("sets")
        return None if any(s["state"] == "open" for sets in found.values() for s in sets) else found

    # A set is closed when its sensor has been silent for a while.
    sets = until("the end of the last sets", closed_sets)
    windows = streams.documents("classifications")
    workouts = streams.documents("workouts")
    for sensor in streams.gateway.sensors:
        assert sets[sensor]
        for each in sets[sensor]:
            counted = [
                window
                for window in windows[sensor]
                if each["started_us"] <= (window["window_start_us"] + window["window_end_us"]) // 2 <= each["ended_us"]
                and window["label"] is not None
                and window["label"]["exercise"] == each["exercise"]
            ]
            assert len(counted) == each["n_windows"]
            assert sum(each["form_windows"].values()) in {0, each["n_windows"]}
        ordered = sorted(sets[sensor], key=lambda each: each["started_us"])
        assert all(before["ended_us"] <= after["started_us"] for before, after in pairwise(ordered))
        assert sum(workout["n_sets"] for workout in workouts[sensor]) == len(sets[sensor])
