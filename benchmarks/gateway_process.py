"""A gateway whose sensors are made up in the same process: `python -m benchmarks.gateway_process KIND N PORT SPOOL`.

Notifications are encoded beforehand, so that little but the gateway's own work is measured.
"""

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from repsense.broker import BrokerAddress
from repsense.channels import CHANNELS
from repsense.timestamps import now_us
from repsense_ble_gateway.gateway import run_gateway
from repsense_ble_gateway.packets import Packet, PacketDecoder
from repsense_ble_gateway.packets.repsense import CLOCK_WRAPS_US, RepSenseDecoder, encode_packet
from repsense_ble_gateway.packets.witmotion import WitMotionDecoder, encode_frame
from repsense_ble_gateway.sources import Connected, Event, Received

RATE_HZ = 100.0
_SAMPLES = {"repsense": 10, "witmotion": 1}
"""Per notification: the most that keeps a screen live, and the least."""
_N_ENCODED = 6_000


def _payloads(kind: str) -> list[bytes]:
    samples = np.random.default_rng(0).normal(size=(_SAMPLES[kind], 6)).astype(np.float32)
    channels = CHANNELS[:6]
    if kind == "witmotion":
        return [encode_frame(samples[0])]
    return [
        encode_packet(Packet(samples, channels, place, place * 10_000, CLOCK_WRAPS_US, RATE_HZ))
        for place in range(0, _N_ENCODED * len(samples), len(samples))
    ]


def _decoder(kind: str) -> PacketDecoder:
    return WitMotionDecoder() if kind == "witmotion" else RepSenseDecoder()


@dataclass(frozen=True, slots=True)
class _Source:
    sensor_id: str
    kind: str
    payloads: list[bytes]
    phase_s: float

    name = "Simulated load"
    simulated = True

    async def events(self) -> AsyncGenerator[Event, None]:
        yield Connected(_decoder(self.kind), RATE_HZ)
        loop = asyncio.get_running_loop()
        interval_s = _SAMPLES[self.kind] / RATE_HZ
        due_s = loop.time() + self.phase_s * interval_s
        for payload in itertools.cycle(self.payloads):
            await asyncio.sleep(due_s - loop.time())
            due_s += interval_s
            yield Received(payload, now_us())


def main() -> None:
    """Run until killed."""
    kind, n_sensors, port, spool = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    payloads = _payloads(kind)
    sources = [_Source(f"load-{n}", kind, payloads, n / n_sensors) for n in range(n_sensors)]
    address = BrokerAddress("127.0.0.1", port)
    asyncio.run(run_gateway(sources, "load", address, asyncio.Event(), spool_folder=spool))


if __name__ == "__main__":
    main()
