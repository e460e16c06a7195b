"""WitMotion's Bluetooth 5.0 sensors: WT901BLE67, WT901BLECL 5.0, BWT901BLE.

They send as soon as they are subscribed to; only the rate is set, anew for every connection, and not saved, so that
the sensor's memory does not wear. The sensor answers to none of it: whether it keeps the rate is seen by its samples.
The ranges cannot be set: the scale of the frames is fixed by the model.
"""

import asyncio

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets.witmotion import (
    ACCELERATION_RANGE_G,
    ANGULAR_RATE_RANGE_DEG_S,
    CHARACTERISTIC_UUID,
    RATE_CODES,
    SAMPLE_RATE_HZ,
    SERVICE_UUID,
    UNLOCK,
    WRITE_UUID,
    WitMotionDecoder,
    rate_command,
)
from repsense_ble_gateway.profiles import Link, Profile, ProfileError, Receive, refuse_other_rates
from repsense_ble_gateway.profiles.patience import patience

__all__ = ["WITMOTION"]

_START_S = 15.0
"""Two writes and a subscription; each can take seconds with a sensor that is far away."""
_PAUSE_S = 0.1
"""After each command, as the vendor's own client does."""
_MAX_RANGES = {"acceleration_range_g": 1_000.0, "angular_rate_range_deg_s": 100_000.0}
"""More than any such sensor has; beyond, it is a slip of the pen."""


def _sample_rate_hz(configuration: SensorConfiguration) -> float:
    return configuration.rate_hz or SAMPLE_RATE_HZ


def _check(configuration: SensorConfiguration) -> None:
    refuse_other_rates(_sample_rate_hz(configuration), RATE_CODES, "a WitMotion sensor")
    for option, limit in _MAX_RANGES.items():
        if (getattr(configuration, option) or 0) > limit:
            msg = f"{option} is the range of the WitMotion sensor's model, which is not more than {limit:g}"
            raise ProfileError(msg)


def _decoder(configuration: SensorConfiguration) -> WitMotionDecoder:
    return WitMotionDecoder(
        configuration.acceleration_range_g or ACCELERATION_RANGE_G,
        configuration.angular_rate_range_deg_s or ANGULAR_RATE_RANGE_DEG_S,
    )


async def _start(link: Link, configuration: SensorConfiguration, receive: Receive) -> None:
    can = link.properties(WRITE_UUID)
    if not can & {"write", "write-without-response"}:
        msg = "the sensor has no characteristic to set its rate with: it is no WitMotion sensor that RepSense knows"
        raise ProfileError(msg)
    async with patience(_START_S, "the WitMotion sensor did not take its rate: is it near enough?"):
        # The rate first: samples at the factory's 10 Hz would otherwise begin the stream.
        for command in (UNLOCK, rate_command(_sample_rate_hz(configuration))):
            await link.write(WRITE_UUID, command, response="write-without-response" not in can)
            await asyncio.sleep(_PAUSE_S)
        await link.subscribe(CHARACTERISTIC_UUID, receive)


WITMOTION = Profile(
    name="witmotion",
    title="WitMotion Bluetooth 5.0 (WT901BLE67, WT901BLECL 5.0, BWT901BLE)",
    characteristic=CHARACTERISTIC_UUID,
    service=SERVICE_UUID,
    name_prefixes=("WT901", "BWT901"),
    check=_check,
    decoder=_decoder,
    start=_start,
    sample_rate_hz=_sample_rate_hz,
)
