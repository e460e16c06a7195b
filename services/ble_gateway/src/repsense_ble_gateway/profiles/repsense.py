"""Sensors that send RepSense packets: they decide on rate, ranges and channels, and say them in every packet."""

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets.repsense import CHARACTERISTIC_UUID, SERVICE_UUID, RepSenseDecoder
from repsense_ble_gateway.profiles import Link, Profile, Receive, refuse_options
from repsense_ble_gateway.profiles.patience import patience

__all__ = ["REPSENSE"]

_START_S = 10.0
"""A subscription is one exchange; with a sensor that sleeps between connection events it can take seconds."""


def _check(configuration: SensorConfiguration) -> None:
    options = ("rate_hz", "acceleration_range_g", "angular_rate_range_deg_s")
    refuse_options(configuration, options, "a RepSense sensor decides on its rate and ranges itself")


async def _start(link: Link, _: SensorConfiguration, receive: Receive) -> None:
    async with patience(_START_S, "the sensor did not begin to send: is it near enough?"):
        await link.subscribe(CHARACTERISTIC_UUID, receive)


REPSENSE = Profile(
    name="repsense",
    title="sensors that send RepSense packets",
    characteristic=CHARACTERISTIC_UUID,
    service=SERVICE_UUID,
    name_prefixes=(),
    check=_check,
    decoder=lambda _: RepSenseDecoder(),
    start=_start,
    sample_rate_hz=lambda _: None,
)
