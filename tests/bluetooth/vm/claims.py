"""What the gateway promises of Bluetooth, tried on the real stack; runs in the guest of scripts/bluetooth-vm.sh.

    claims.py RESULTS N_RECONNECTS

bumble plays the adapter hci0 and a sensor near it, in this process; bluetoothd, the broker and the gateway are
processes of their own. Samples are numbered, so what came and what did not is known exactly.
"""

import asyncio
import json
import os
import signal
import statistics
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from bumble.transport import open_transport
from support.bluetooth.controllers import Air, AirController
from support.bluetooth.sensors import RepSenseSensor, sample_numbers

from repsense.messages import SamplesMessage, SensorStatusMessage

_BLUETOOTHD = "/usr/libexec/bluetooth/bluetoothd"
_ADAPTER_ADDRESS = "00:AA:01:00:00:42"
_PORT = 1883
_CONFIGURATION = "/run/sensors.toml"
_SENSOR_ID = "wrist"
_PATIENCE_S = 60.0
_SUPERVISION_TIMEOUT_S = 2.0
_ADVERTISING_INTERVAL_MS = 100.0


@dataclass
class Received:
    """What came over MQTT since the gateway was started, in order."""

    batches: list[tuple[SamplesMessage, float]] = field(default_factory=list)
    """With the time of arrival, seconds of the monotonic clock."""
    statuses: list[SensorStatusMessage] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self) -> None:
        """Collect until cancelled."""
        async with aiomqtt.Client("127.0.0.1", _PORT) as client:
            await client.subscribe(f"repsense/v1/sensors/{_SENSOR_ID}/+", qos=1)
            async for message in client.messages:
                async with self.changed:
                    if message.topic.value.endswith("/samples"):
                        self.batches.append((SamplesMessage.decode(_bytes(message.payload)), time.monotonic()))
                    elif message.topic.value.endswith("/status"):
                        self.statuses.append(SensorStatusMessage.decode(_bytes(message.payload)))
                    self.changed.notify_all()

    async def samples(self, n_samples: int, after: int = 0) -> None:
        """Wait until the batches from index `after` on have so many samples."""
        async with asyncio.timeout(_PATIENCE_S), self.changed:
            await self.changed.wait_for(
                lambda: sum(len(batch.samples) for batch, _ in self.batches[after:]) >= n_samples
            )

    async def resumed(self, before: set[str]) -> None:
        """Wait for samples of a stream that is not among those before."""
        async with asyncio.timeout(_PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: not self.streams <= before)

    async def refused(self) -> None:
        """Wait until the gateway has tried in vain: it says something else than at its start."""
        async with asyncio.timeout(_PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: len({status.reason for status in self.statuses}) > 1)

    @property
    def streams(self) -> set[str]:
        """All so far, by their ids."""
        return {batch.stream_id for batch, _ in self.batches}

    def account(self, sent: Container[int], first_batch: int = 0) -> dict[str, Any]:
        """What is missing from the batches from that index on, and what is there too often.

        Args:
            sent: What the sensor handed to the radio.
            first_batch: The index.
        """
        batches = {}
        n_sent_again = 0
        for batch, _ in self.batches[first_batch:]:
            # A gateway that was killed sends again what it does not know to have arrived: the same batch.
            n_sent_again += (batch.stream_id, batch.sequence) in batches
            batches[batch.stream_id, batch.sequence] = sample_numbers(batch.array(), batch.channels)
        counts = Counter(number for numbers in batches.values() for number in numbers)
        streams: dict[str, list[int]] = {}
        for (stream_id, _), numbers in batches.items():
            streams.setdefault(stream_id, []).extend(numbers)
        return {
            "n_samples": len(counts),
            "n_streams": len(streams),
            "n_duplicates": sum(counts.values()) - len(counts),
            "n_lost": sum(max(numbers) - min(numbers) + 1 - len(set(numbers)) for numbers in streams.values()),
            "n_sent_again": n_sent_again,
            "n_unheard": sum(number in sent and number not in counts for number in range(min(counts), max(counts))),
        }


@dataclass
class Scene:
    """Everything that takes part."""

    results: Path
    sensor: RepSenseSensor
    received: Received
    gateway: asyncio.subprocess.Process

    async def start_gateway(self) -> None:
        """Start the gateway anew."""
        self.gateway = await _gateway(self.results)

    async def after(self, happens: Callable[[], Coroutine[Any, Any, None]]) -> float:
        """How long it takes from the beginning of what happens until samples of a new stream come, seconds."""
        streams, began_s = self.received.streams, time.monotonic()
        happening = asyncio.create_task(happens())
        await self.received.resumed(streams)
        await happening
        return time.monotonic() - began_s

    def open_files(self) -> int:
        """Of the gateway."""
        return len(list(Path(f"/proc/{self.gateway.pid}/fd").iterdir()))


async def _starts_before_bluetooth(scene: Scene) -> dict[str, Any]:
    """The gateway was started before bluetoothd and the adapter."""
    await scene.received.samples(1)
    states = [f"{status.state}: {status.reason}" for status in scene.received.statuses]
    return {"states": states, **scene.received.account(scene.sensor.sent)}


async def _stays_connected(scene: Scene) -> dict[str, Any]:
    first = len(scene.received.batches)
    await scene.received.samples(500, first)
    latencies_s = sorted(
        arrived_s - scene.sensor.sent[sample_numbers(batch.array(), batch.channels)[-1]]
        for batch, arrived_s in scene.received.batches[first:]
    )
    return {
        **scene.received.account(scene.sensor.sent, first),
        "latency_p50_ms": round(1e3 * statistics.median(latencies_s), 1),
        "latency_p99_ms": round(1e3 * latencies_s[int(0.99 * len(latencies_s))], 1),
    }


async def _survives_a_drop(scene: Scene) -> dict[str, Any]:
    first = len(scene.received.batches)
    await scene.received.samples(1, first)
    resumed_s = await scene.after(lambda: scene.sensor.drop(away_s=2.0))
    await scene.received.samples(100, first)
    return {"resumed_after_s": round(resumed_s, 2), **scene.received.account(scene.sensor.sent, first)}


async def _survives_lost_contact(scene: Scene) -> dict[str, Any]:
    first = len(scene.received.batches)
    await scene.received.samples(1, first)
    resumed_s = await scene.after(lambda: scene.sensor.vanish(3.0, _SUPERVISION_TIMEOUT_S))
    await scene.received.samples(100, first)
    return {"resumed_after_s": round(resumed_s, 2), **scene.received.account(scene.sensor.sent, first)}


async def _survives_being_killed(scene: Scene) -> dict[str, Any]:
    async def kill_and_start() -> None:
        scene.gateway.send_signal(signal.SIGKILL)
        await scene.gateway.wait()
        await scene.start_gateway()

    resumed_s = await scene.after(kill_and_start)
    await scene.received.samples(100, len(scene.received.batches))
    # Of everything: what is on disk and not known to be stored comes again.
    return {"resumed_after_s": round(resumed_s, 2), **scene.received.account(scene.sensor.sent)}


async def _leaks_nothing(scene: Scene, n_reconnects: int) -> dict[str, Any]:
    first = len(scene.received.batches)
    await scene.received.samples(1, first)
    open_files, bus_names = scene.open_files(), await _bus_names()
    durations_s = [await scene.after(scene.sensor.drop) for _ in range(n_reconnects)]
    await scene.received.samples(100, len(scene.received.batches))
    return {
        "n_reconnects": n_reconnects,
        "reconnect_p50_s": round(statistics.median(durations_s), 2),
        "reconnect_max_s": round(max(durations_s), 2),
        "open_files_before": open_files,
        "open_files_after": scene.open_files(),
        "bus_connections_before": bus_names,
        "bus_connections_after": await _bus_names(),
        **scene.received.account(scene.sensor.sent, first),
    }


async def _bus_names() -> int:
    """How many connections the system's D-Bus has, but for the one that asks."""
    command = "dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames"
    process = await asyncio.create_subprocess_exec(*command.split(), stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    return answer.count(b'":') - 1


async def _gateway(results: Path) -> asyncio.subprocess.Process:
    environment = {"MQTT_URL": f"mqtt://127.0.0.1:{_PORT}", "GATEWAY_ID": "guest", "SENSOR_ID": _SENSOR_ID}
    return await _start(
        results / "gateway.log",
        *("repsense-gateway", "run", "--config", _CONFIGURATION, "--spool", "/run/spool"),
        **environment,
    )


async def _start(log: Path, *command: str, **environment: str) -> asyncio.subprocess.Process:
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environment}, stdout=file, stderr=file
        )


@asynccontextmanager
async def _scene(results: Path) -> AsyncIterator[Scene]:
    """Start everything, the gateway first of all that has to do with Bluetooth."""
    sensor = RepSenseSensor(advertising_interval_ms=_ADVERTISING_INTERVAL_MS)
    _configure(sensor)
    await _start(
        results / "broker.log",
        *("nats-server", "-c", "broker/nats.conf"),
        MQTT_HOST="127.0.0.1",
        MQTT_PORT=str(_PORT),
        NATS_STORE="/run/nats",
    )
    await _listening(_PORT)
    received = Received()
    listening = asyncio.create_task(received.listen())
    gateway = await _gateway(results)
    await received.refused()
    async with await open_transport("vhci") as transport:
        air = Air()
        AirController(
            "hci0", link=air, host_source=transport.source, host_sink=transport.sink, public_address=_ADAPTER_ADDRESS
        )
        await _start(results / "bluetoothd.log", _BLUETOOTHD, "-n")
        await sensor.power_on(air)
        scene = Scene(results, sensor, received, gateway)
        try:
            yield scene
        finally:
            listening.cancel()
            scene.gateway.kill()
            await scene.gateway.wait()
            await sensor.power_off()


def _configure(sensor: RepSenseSensor) -> None:
    Path(_CONFIGURATION).write_text(
        f'[[sensors]]\nid = "{_SENSOR_ID}"\naddress = "{sensor.address}"\nprofile = "{sensor.profile}"\n'
    )


async def _listening(port: int) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


def _bytes(payload: object) -> bytes:
    assert isinstance(payload, bytes)
    return payload


async def _try_all(results: Path, n_reconnects: int) -> None:
    found: dict[str, Any] = {"booted_after_s": _uptime_s()}
    async with _scene(results) as scene:
        for claim, trial in (
            ("starts_before_bluetooth", _starts_before_bluetooth),
            ("stays_connected", _stays_connected),
            ("survives_a_drop", _survives_a_drop),
            ("survives_lost_contact", _survives_lost_contact),
            ("leaks_nothing", lambda scene: _leaks_nothing(scene, n_reconnects)),
            ("survives_being_killed", _survives_being_killed),
        ):
            began_s = time.monotonic()
            try:
                found[claim] = await trial(scene)
            except Exception:  # noqa: BLE001 - the report says what failed; the others are tried too
                found[claim] = {"error": traceback.format_exc()}
            found[claim]["took_s"] = round(time.monotonic() - began_s, 1)
            found["done_after_s"] = _uptime_s()
            (results / "claims.json").write_text(json.dumps(found, indent=2))


def _uptime_s() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


if __name__ == "__main__":
    asyncio.run(_try_all(Path(sys.argv[1]), int(sys.argv[2])))
