"""Sensors of vendors, with their side of the dialogue as the packets' modules describe it."""

import struct
from typing import Any

import numpy as np

from repsense.channels import ACCELERATION
from repsense_ble_gateway.packets import Packet, movesense, polar, polar_control, witmotion
from repsense_ble_gateway.packets.polar_control import Answer, Measurement, Request, Setting
from support.bluetooth.peripherals import Offered
from support.bluetooth.sensors import PrototypeSensor, RepSenseSensor, Sensor, numbered_samples

__all__ = ["SENSORS", "AnySensor", "MovesenseSensor", "PolarSensor", "WitMotionSensor"]

_BATCH_S = 0.1
"""What sensors collect before they send, about."""


class WitMotionSensor(Sensor):
    """A WitMotion sensor: one frame for each sample, at 10 Hz until it is told otherwise.

    Attributes:
        commands: What was written to it.
    """

    profile = "witmotion"
    characteristic = witmotion.CHARACTERISTIC_UUID
    n_samples = 1

    def __init__(
        self,
        *,
        address: str = "F0:F1:F2:F3:F4:90",
        name: str = "WT901BLE67",
        rate_hz: float = 10.0,
        **options: Any,  # noqa: ANN401 - those of Peripheral
    ) -> None:
        offered = [
            Offered(self.characteristic, "NOTIFY"),
            Offered(witmotion.WRITE_UUID, "WRITE|WRITE_WITHOUT_RESPONSE", written=self._on_command),
        ]
        options.setdefault("advertised", [witmotion.SERVICE_UUID])
        super().__init__({witmotion.SERVICE_UUID: offered}, rate_hz=rate_hz, address=address, name=name, **options)
        self.commands: list[bytes] = []

    def encode(self, first: int, n_samples: int) -> list[bytes]:
        """See `Sensor`."""
        return [witmotion.encode_frame(sample) for sample in numbered_samples(first, n_samples, witmotion.CHANNELS)]

    async def _on_command(self, command: bytes) -> None:
        is_unlocked = witmotion.UNLOCK in self.commands
        self.commands.append(command)
        for rate_hz in witmotion.RATE_CODES:
            # One that sends by hand keeps to it.
            if is_unlocked and self.rate_hz and command == witmotion.rate_command(rate_hz):
                self.rate_hz = rate_hz


class PolarSensor(Sensor):
    """A Polar Verity Sense with acceleration and angular rate, both in compressed frames.

    Attributes:
        requests: What was asked for at its control point, in order.
    """

    profile = "polar"
    characteristic = polar.CHARACTERISTIC_UUID

    _OFFERED = {  # noqa: RUF012 - nobody changes it
        Measurement.ACCELERATION: {
            Setting.SAMPLE_RATE: (52,),
            Setting.RESOLUTION: (16,),
            Setting.RANGE: (8,),
            Setting.N_CHANNELS: (3,),
        },
        Measurement.ANGULAR_RATE: {
            Setting.SAMPLE_RATE: (52,),
            Setting.RESOLUTION: (16,),
            Setting.RANGE: (2000,),
            Setting.N_CHANNELS: (3,),
        },
    }
    _ACCELERATION_KIND = 0x81
    """In mg."""
    _ANGULAR_RATE_KIND = 0x80
    _ANGULAR_RATE_FACTOR = 0.061
    """deg/s: 2000 deg/s in 15 bits."""
    _ALREADY = 6

    def __init__(
        self,
        *,
        address: str = "F0:F1:F2:F3:F4:52",
        name: str = "Polar Sense 0052",
        rate_hz: float = float(polar.SAMPLE_RATE_HZ),
        **options: Any,  # noqa: ANN401 - those of Peripheral
    ) -> None:
        features = polar_control.encode_features(frozenset(self._OFFERED))
        offered = [
            Offered(polar_control.CONTROL_UUID, "READ|WRITE|INDICATE", lambda: features, self._on_request),
            Offered(self.characteristic, "NOTIFY"),
        ]
        super().__init__({polar.SERVICE_UUID: offered}, rate_hz=rate_hz, address=address, name=name, **options)
        self.requests: list[tuple[Request, Measurement]] = []
        self._started: set[Measurement] = set()
        self._asked.clear()

    @property
    def n_samples(self) -> int:
        """Fewer than a real one, which fills its notifications; tests would take longer."""
        return round(polar.SAMPLE_RATE_HZ * _BATCH_S)

    def encode(self, first: int, n_samples: int) -> list[bytes]:
        """See `Sensor`."""
        last_sample_ns = round((first + n_samples) * 1e9 / polar.SAMPLE_RATE_HZ)
        still = np.zeros((n_samples, 3), np.float32)
        angular_rate = polar.Frame(Measurement.ANGULAR_RATE, last_sample_ns, still)
        acceleration = polar.Frame(
            Measurement.ACCELERATION, last_sample_ns, numbered_samples(first, n_samples, ACCELERATION)
        )
        frames = [polar.encode_frame(acceleration, self._ACCELERATION_KIND)]
        if Measurement.ANGULAR_RATE in self._started:
            frames.insert(0, polar.encode_frame(angular_rate, self._ANGULAR_RATE_KIND, self._ANGULAR_RATE_FACTOR))
        return frames

    async def _on_request(self, value: bytes) -> None:
        request, measurement = Request(value[0]), Measurement(value[1])
        self.requests.append((request, measurement))
        # The answer is an indication, after the one to the write.
        self.spawn(self._answer(request, measurement))

    async def _answer(self, request: Request, measurement: Measurement) -> None:
        status, settings = 0, b""
        match request:
            case Request.SETTINGS:
                settings = polar_control.encode_settings(self._OFFERED[measurement])
            case Request.START if measurement in self._started:
                status = self._ALREADY
            case Request.START:
                self._started.add(measurement)
                if measurement is Measurement.ANGULAR_RATE:
                    settings = polar_control.encode_settings(polar_control.encode_factor(self._ANGULAR_RATE_FACTOR))
            case Request.STOP:
                self._started.discard(measurement)
        answer = Answer(request, measurement, status, settings=settings)
        await self.notify(polar_control.CONTROL_UUID, polar_control.encode_answer(answer))
        if Measurement.ACCELERATION in self._started:
            self._asked.set()

    def _on_disconnection(self, reason: int) -> None:
        self._started.clear()
        self._asked.clear()
        super()._on_disconnection(reason)


class MovesenseSensor(Sensor):
    """A Movesense with the GATT SensorData Protocol.

    Attributes:
        has_magnetometer: Whether it knows IMU9.
    """

    profile = "movesense"
    characteristic = movesense.CHARACTERISTIC_UUID

    _SUBSCRIBE = 1
    _NOT_FOUND = 404

    def __init__(
        self,
        *,
        address: str = "F0:F1:F2:F3:F4:34",
        name: str = "Movesense 0034",
        rate_hz: float = float(movesense.SAMPLE_RATE_HZ),
        has_magnetometer: bool = True,
        mtu: int = 161,
        **options: Any,  # noqa: ANN401 - those of Peripheral
    ) -> None:
        offered = [
            Offered(movesense.WRITE_UUID, "WRITE", written=self._on_command),
            Offered(self.characteristic, "NOTIFY"),
        ]
        table = {movesense.SERVICE_UUID: offered}
        super().__init__(table, rate_hz=rate_hz, address=address, name=name, mtu=mtu, **options)
        self.has_magnetometer = has_magnetometer
        self._reference = movesense.IMU6
        self._nominal_rate_hz = rate_hz or movesense.SAMPLE_RATE_HZ
        self._asked.clear()

    @property
    def n_samples(self) -> int:
        """See `Sensor`."""
        return max(1, round(self._nominal_rate_hz * _BATCH_S))

    def encode(self, first: int, n_samples: int) -> list[bytes]:
        """See `Sensor`."""
        channels = movesense.LAYOUTS[self._reference]
        device_time_us = round(first * 1e6 / self._nominal_rate_hz)
        packet = Packet(numbered_samples(first, n_samples, channels), channels, device_time_us=device_time_us)
        return movesense.encode_data(packet, self.largest_notification_bytes)

    async def _on_command(self, command: bytes) -> None:
        verb, reference = struct.unpack_from("<BB", command)
        if verb != self._SUBSCRIBE:
            self._asked.clear()
            return
        known = reference == movesense.IMU6 or (reference == movesense.IMU9 and self.has_magnetometer)
        if known:
            self._reference = reference
            self._nominal_rate_hz = float(command.rsplit(b"/", 1)[1])
            self.rate_hz = self.rate_hz and self._nominal_rate_hz
        self.spawn(self._answer(reference, movesense.SUCCESS if known else self._NOT_FOUND))

    async def _answer(self, reference: int, status: int) -> None:
        await self.notify(self.characteristic, movesense.encode_status(reference, status))
        if status == movesense.SUCCESS:
            self._asked.set()

    def _on_disconnection(self, reason: int) -> None:
        self._asked.clear()
        super()._on_disconnection(reason)


AnySensor = RepSenseSensor | PrototypeSensor | WitMotionSensor | PolarSensor | MovesenseSensor
SENSORS: tuple[type[AnySensor], ...] = (
    RepSenseSensor,
    PrototypeSensor,
    WitMotionSensor,
    PolarSensor,
    MovesenseSensor,
)
"""One of each kind."""
