"""How a sensor sits: its axes turned into those that a model was trained with.

A mounting names, for x, y and z of the body, the axis of the sensor that lies along it: ("-y", "x", "z") says that
the body's x is the sensor's -y, its y the sensor's x, and that z is common. Only turns are possible: a mounting that
would mirror is a mistake, because a body seen in a mirror turns the other way round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD, Channel
from repsense_ble_gateway.packets import Packet, PacketDecoder, PacketError

__all__ = ["MountedDecoder", "Mounting", "rotation"]

Mounting = tuple[str, str, str]

_AXES: Mapping[str, tuple[float, float, float]] = {
    "x": (1, 0, 0),
    "y": (0, 1, 0),
    "z": (0, 0, 1),
    "-x": (-1, 0, 0),
    "-y": (0, -1, 0),
    "-z": (0, 0, -1),
}


def rotation(mounting: Sequence[str]) -> NDArray[np.float32]:
    """The matrix that turns a vector in the sensor's axes into the body's, (3, 3) float32.

    Raises:
        ValueError: If the mounting names no such axes, one of them twice, or mirrors.
    """
    unknown = [axis for axis in mounting if axis not in _AXES]
    if unknown or len(mounting) != len(ACCELERATION):
        msg = f"a mounting names three axes out of {', '.join(_AXES)}, not {', '.join(map(repr, mounting))}"
        raise ValueError(msg)
    if {axis[-1] for axis in mounting} != {"x", "y", "z"}:
        msg = f"a mounting names each of x, y and z once, not {', '.join(mounting)}"
        raise ValueError(msg)
    matrix = np.array([_AXES[axis] for axis in mounting], dtype=np.float32)
    if np.linalg.det(matrix) < 0:
        msg = f"the mounting {', '.join(mounting)} would mirror the sensor: change the sign of one axis"
        raise ValueError(msg)
    return matrix


@dataclass(frozen=True, slots=True)
class MountedDecoder:
    """A decoder whose packets are turned into the body's axes.

    Attributes:
        decoder: Decodes.
        rotations: For the three channels of a vector, what turns it; vectors that are not named stay.
    """

    decoder: PacketDecoder
    rotations: Mapping[tuple[Channel, ...], NDArray[np.float32]]

    @classmethod
    def make(
        cls, decoder: PacketDecoder, mounting: Mounting | None, magnetometer: Mounting | None = None
    ) -> PacketDecoder:
        """The decoder itself where nothing is to be turned.

        Args:
            decoder: Decodes.
            mounting: How the sensor sits.
            magnetometer: The same for a magnetometer that has its own axes; `mounting` by default.
        """
        turned: dict[tuple[Channel, ...], Mounting | None] = {
            ACCELERATION: mounting,
            ANGULAR_RATE: mounting,
            MAGNETIC_FIELD: magnetometer or mounting,
        }
        rotations = {channels: rotation(axes) for channels, axes in turned.items() if axes is not None}
        return cls(decoder, rotations) if rotations else decoder

    def decode(self, notification: bytes) -> list[Packet]:
        """See `PacketDecoder`."""
        return [self._turned(packet) for packet in self.decoder.decode(notification)]

    def _turned(self, packet: Packet) -> Packet:
        samples = packet.samples.copy()
        for channels, matrix in self.rotations.items():
            columns = [packet.channels.index(channel) for channel in channels if channel in packet.channels]
            if not columns:
                continue
            if len(columns) < len(channels):
                msg = f"a sensor without all of {', '.join(channels)} cannot be turned: leave out the mounting"
                raise PacketError(msg)
            samples[:, columns] = packet.samples[:, columns] @ matrix.T
        return replace(packet, samples=samples)
