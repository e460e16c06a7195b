"""Movesense sensors with a firmware that speaks the GATT SensorData Protocol, such as the vendor's gatt_sensordata_app.

All nine channels (IMU9) are asked for, and the six of IMU6 if the sensor does not have them or they are not wanted.
"""

import asyncio

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets.movesense import (
    CHARACTERISTIC_UUID,
    IMU6,
    IMU9,
    RATES_HZ,
    SAMPLE_RATE_HZ,
    SERVICE_UUID,
    SUCCESS,
    WRITE_UUID,
    MovesenseDecoder,
    decode_status,
    is_data,
    subscribe_command,
    unsubscribe_command,
)
from repsense_ble_gateway.profiles import Link, Profile, ProfileError, Receive, refuse_options, refuse_other_rates
from repsense_ble_gateway.profiles.patience import patience

__all__ = ["MOVESENSE"]

_START_S = 30.0
_ANSWER_S = 2.0
"""For the answer or the first data, whichever comes first; at 13 Hz eight samples come every 0.6 s."""


def _sample_rate_hz(configuration: SensorConfiguration) -> int:
    return int(configuration.rate_hz or SAMPLE_RATE_HZ)


def _check(configuration: SensorConfiguration) -> None:
    refuse_other_rates(configuration.rate_hz or SAMPLE_RATE_HZ, RATES_HZ, "a Movesense sensor")
    options = ("acceleration_range_g", "angular_rate_range_deg_s")
    refuse_options(configuration, options, "a Movesense sensor sends m/s^2 and deg/s whatever its ranges")


async def _start(link: Link, configuration: SensorConfiguration, receive: Receive) -> None:
    subscription = _Subscription(link, receive)
    status: int | None = None
    async with patience(_START_S, "the Movesense sensor did not begin to send: is it near enough?"):
        await link.subscribe(CHARACTERISTIC_UUID, subscription.on_notification)
        for reference in (IMU9, IMU6) if configuration.magnetometer else (IMU6,):
            status = await subscription.ask(reference, _sample_rate_hz(configuration))
            if status == SUCCESS:
                return
            await link.write(WRITE_UUID, unsubscribe_command(reference), response=True)
    if status is None:
        msg = "the Movesense sensor does not answer: restart it"
        raise TimeoutError(msg)
    msg = (
        f"the Movesense sensor refuses to send its measurements (status {status}): "
        "install a firmware with the GATT SensorData Protocol on it"
    )
    raise ProfileError(msg)


class _Subscription:
    """Watches what the sensor answers while passing everything on."""

    def __init__(self, link: Link, receive: Receive) -> None:
        self._link = link
        self._receive = receive
        self._reference = 0
        self._answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_notification(self, notification: bytes) -> None:
        status = SUCCESS if is_data(notification, self._reference) else decode_status(notification, self._reference)
        if status is not None and not self._answered.done():
            self._answered.set_result(status)
        self._receive(notification)

    async def ask(self, reference: int, rate_hz: int) -> int | None:
        """The status of a subscription; success also if data come without one, None if nothing comes."""
        self._reference = reference
        self._answered = asyncio.get_running_loop().create_future()
        await self._link.write(WRITE_UUID, subscribe_command(reference, rate_hz), response=True)
        await asyncio.wait([self._answered], timeout=_ANSWER_S)
        return self._answered.result() if self._answered.done() else None


MOVESENSE = Profile(
    name="movesense",
    title="Movesense with the GATT SensorData Protocol",
    characteristic=CHARACTERISTIC_UUID,
    service=SERVICE_UUID,
    name_prefixes=("Movesense",),
    check=_check,
    decoder=lambda _: MovesenseDecoder(),
    start=_start,
    sample_rate_hz=_sample_rate_hz,
)
