"""Polar sensors that stream measurements: H10 (acceleration), OH1, Verity Sense (all nine channels).

The dialogue, for the angular rate and the magnetic field if the sensor has them, then for the acceleration:

    read features ─> ask for settings ─> choose one value of each ─> start

Rate and range must be among those that the sensor offers in its normal mode; the mode that Polar calls SDK mode, with
more of both, is not used, since it switches the sensor's other functions off.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from repsense_ble_gateway.configuration import SensorConfiguration
from repsense_ble_gateway.packets import PacketError
from repsense_ble_gateway.packets.polar import CHARACTERISTIC_UUID, SAMPLE_RATE_HZ, SERVICE_UUID, PolarDecoder
from repsense_ble_gateway.packets.polar_control import (
    CONTROL_UUID,
    STATUS_WORDS,
    Answer,
    Measurement,
    Request,
    Setting,
    Settings,
    decode_answer,
    decode_features,
    decode_settings,
    encode_answer,
    encode_request,
    encode_settings,
    is_answer,
    is_start_answer,
)
from repsense_ble_gateway.profiles import Link, Profile, ProfileError, Receive
from repsense_ble_gateway.profiles.patience import patience

__all__ = ["POLAR"]

_START_S = 60.0
"""For up to three measurements of three requests each."""
_ANSWER_S = 10.0
_QUEUED_ANSWERS = 16
_MAX_PARTS = 16
_ALREADY_IN_STATE = 6
_MAX_WHOLE = 0xFFFF
_OPTIONS: Mapping[tuple[Measurement, Setting], str] = {
    (Measurement.ACCELERATION, Setting.SAMPLE_RATE): "rate_hz",
    (Measurement.ACCELERATION, Setting.RANGE): "acceleration_range_g",
    (Measurement.ANGULAR_RATE, Setting.RANGE): "angular_rate_range_deg_s",
}
"""Which configured value decides on a setting."""
_WORDS: Mapping[Measurement, str] = {
    Measurement.ACCELERATION: "acceleration",
    Measurement.ANGULAR_RATE: "angular rate",
    Measurement.MAGNETIC_FIELD: "magnetic field",
}


def _check(configuration: SensorConfiguration) -> None:
    for option in ("rate_hz", "acceleration_range_g", "angular_rate_range_deg_s"):
        value = getattr(configuration, option)
        if value is not None and (value != int(value) or value > _MAX_WHOLE):
            msg = f"a Polar sensor knows whole numbers up to {_MAX_WHOLE} only: {option} cannot be {value:g}"
            raise ProfileError(msg)


async def _start(link: Link, configuration: SensorConfiguration, receive: Receive) -> None:
    control = _ControlPoint(link, receive)
    try:
        async with patience(_START_S, "the Polar sensor did not begin to send: is it near enough?"):
            await link.subscribe(CONTROL_UUID, control.on_answer)
            await link.subscribe(CHARACTERISTIC_UUID, receive)
            features = decode_features(await link.read(CONTROL_UUID))
            for measurement in _wanted(features, configuration):
                await _start_measurement(control, measurement, configuration, receive)
    except PacketError as error:
        msg = f"the Polar sensor answers in a way that RepSense does not know: {error}"
        raise ProfileError(msg) from error


def _wanted(features: frozenset[Measurement], configuration: SensorConfiguration) -> list[Measurement]:
    """What to start, the acceleration last: what is started before it is merged with it from its first frame on."""
    if Measurement.ACCELERATION not in features:
        msg = "this Polar sensor does not send its acceleration; an H10, OH1 or Verity Sense does"
        raise ProfileError(msg)
    wanted = features if configuration.magnetometer else features - {Measurement.MAGNETIC_FIELD}
    return [*sorted(wanted - {Measurement.ACCELERATION}), Measurement.ACCELERATION]


async def _start_measurement(
    control: "_ControlPoint", measurement: Measurement, configuration: SensorConfiguration, receive: Receive
) -> None:
    offered = await control.settings(measurement)
    chosen = {setting: (_choose(measurement, setting, offered[setting], configuration),) for setting in offered}
    # The decoder learns the rate by it.
    receive(encode_answer(Answer(Request.SETTINGS, measurement, settings=encode_settings(chosen))))
    status = await control.start(measurement, chosen)
    if status == _ALREADY_IN_STATE:
        await control.stop(measurement)
        status = await control.start(measurement, chosen)
    if status:
        msg = f"the Polar sensor refuses to send its {_WORDS[measurement]}: {_in_words(status)}"
        raise ProfileError(msg)


def _choose(
    measurement: Measurement, setting: Setting, offered: Sequence[int], configuration: SensorConfiguration
) -> int:
    """The value of a setting: what is configured, else the largest; of the rates, the nearest to the usual one."""
    option = _OPTIONS.get((measurement, setting))
    wanted = getattr(configuration, option) if option else None
    if wanted is not None and wanted not in offered:
        values = ", ".join(map(str, sorted(offered)))
        msg = f"the Polar sensor offers {values} for {option}, not {wanted:g}"
        raise ProfileError(msg)
    if wanted is not None:
        return int(wanted)
    if setting is Setting.SAMPLE_RATE:
        usual_hz = configuration.rate_hz or SAMPLE_RATE_HZ
        return min(offered, key=lambda rate_hz: abs(rate_hz - usual_hz))
    return max(offered)


def _in_words(status: int) -> str:
    return STATUS_WORDS.get(status, f"error {status}")


class _ControlPoint:
    """Requests, and their answers as they come back."""

    def __init__(self, link: Link, receive: Receive) -> None:
        self._link = link
        self._receive = receive
        self._answers: asyncio.Queue[bytes] = asyncio.Queue(_QUEUED_ANSWERS)

    def on_answer(self, notification: bytes) -> None:
        """Take an indication. The decoder must know of a start before the first data, so it is told right here."""
        if is_start_answer(notification):
            self._receive(notification)
        with suppress(asyncio.QueueFull):
            self._answers.put_nowait(notification)

    async def settings(self, measurement: Measurement) -> dict[Setting, tuple[int, ...]]:
        """What the sensor offers, without what it offers nothing of."""
        status, encoded = await self._ask(Request.SETTINGS, measurement)
        if status:
            msg = f"the Polar sensor does not tell what it offers for its {_WORDS[measurement]}: {_in_words(status)}"
            raise ProfileError(msg)
        settings = decode_settings(encoded)
        return {setting: values for setting, values in settings.items() if values and setting is not Setting.FACTOR}

    async def start(self, measurement: Measurement, chosen: Settings) -> int:
        """Start a measurement; the status."""
        return (await self._ask(Request.START, measurement, chosen))[0]

    async def stop(self, measurement: Measurement) -> None:
        """Stop a measurement; whether it succeeds shows when it is started again."""
        await self._ask(Request.STOP, measurement)

    async def _ask(
        self, request: Request, measurement: Measurement, settings: Settings | None = None
    ) -> tuple[int, bytes]:
        """The status of the answer, and its settings."""
        async with patience(_ANSWER_S, f"the Polar sensor does not answer about its {_WORDS[measurement]}"):
            await self._link.write(CONTROL_UUID, encode_request(request, measurement, settings), response=True)
            encoded = b""
            for _ in range(_MAX_PARTS):
                answer = await self._next(request, measurement)
                encoded += answer.settings
                if answer.status or not answer.more:
                    return answer.status, encoded
        msg = f"the Polar sensor's answer about its {_WORDS[measurement]} has no end"
        raise ProfileError(msg)

    async def _next(self, request: Request, measurement: Measurement) -> Answer:
        """The next answer to a request; those to others, late or from another client, are passed over."""
        while True:
            notification = await self._answers.get()
            if is_answer(notification):
                answer = decode_answer(notification)
                if (answer.request, answer.measurement) == (request, measurement):
                    return answer


POLAR = Profile(
    name="polar",
    title="Polar H10, OH1 and Verity Sense",
    characteristic=CHARACTERISTIC_UUID,
    service=SERVICE_UUID,
    name_prefixes=("Polar ",),
    check=_check,
    decoder=lambda configuration: PolarDecoder(int(configuration.rate_hz or SAMPLE_RATE_HZ)),
    start=_start,
    sample_rate_hz=lambda configuration: configuration.rate_hz,
    # Frames are sent when they are full: at rest, compressed, that takes up to 5.6 s.
    silence_s=15.0,
)
