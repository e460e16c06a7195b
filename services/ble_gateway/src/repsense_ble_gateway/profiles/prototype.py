"""The 2018 research prototype. Firmware that notifies is subscribed to, any other is read again and again.

A value that is read may be the same as the one before. It is passed on nevertheless: the readings are evenly spaced in
time, and leaving one out would look like a lost sample.
"""

import asyncio

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets.prototype import CHARACTERISTIC_UUID, SAMPLE_RATE_HZ, PrototypeDecoder
from repsense_ble_gateway.profiles import Link, Profile, ProfileError, Receive, refuse_options
from repsense_ble_gateway.profiles.patience import patience

__all__ = ["PROTOTYPE"]

_ANSWER_S = 10.0
"""For a subscription or a reading: one exchange, which can take seconds with a sensor that sleeps in between."""
_MAX_RATE_HZ = 10.0
"""A reading takes two connection events, which are up to 50 ms apart."""


def _sample_rate_hz(configuration: SensorConfiguration) -> float:
    return configuration.rate_hz or SAMPLE_RATE_HZ


def _check(configuration: SensorConfiguration) -> None:
    if _sample_rate_hz(configuration) > _MAX_RATE_HZ:
        msg = f"the prototype can be read {_MAX_RATE_HZ:g} times per second at most: lower rate_hz"
        raise ProfileError(msg)
    options = ("acceleration_range_g", "angular_rate_range_deg_s")
    refuse_options(configuration, options, "the prototype's values have a fixed scale")


async def _start(link: Link, configuration: SensorConfiguration, receive: Receive) -> None:
    can = link.properties(CHARACTERISTIC_UUID)
    if can & {"notify", "indicate"}:
        async with patience(_ANSWER_S, "the prototype did not begin to send: is it near enough?"):
            await link.subscribe(CHARACTERISTIC_UUID, receive)
    elif "read" in can:
        await _poll(link, 1 / _sample_rate_hz(configuration), receive)
    else:
        msg = "the prototype's characteristic can neither notify nor be read: its firmware is not the known one"
        raise ProfileError(msg)


async def _poll(link: Link, period_s: float, receive: Receive) -> None:
    """Read for ever, evenly; readings that are overdue are left out, not made up for."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        async with patience(_ANSWER_S, "the prototype does not answer any more: is it near enough?"):
            receive(await link.read(CHARACTERISTIC_UUID))
        n_periods = max(1, -(-(loop.time() - due_s) // period_s))
        due_s += n_periods * period_s
        await asyncio.sleep(due_s - loop.time())


PROTOTYPE = Profile(
    name="prototype",
    title="the 2018 research prototype",
    characteristic=CHARACTERISTIC_UUID,
    # Its advertisement has nothing of its own.
    service=None,
    name_prefixes=(),
    check=_check,
    decoder=lambda _: PrototypeDecoder(),
    start=_start,
    sample_rate_hz=_sample_rate_hz,
)
