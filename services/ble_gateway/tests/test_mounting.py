from dataclasses import dataclass

import numpy as np
import pytest

from repsense.channels import CHANNELS
from repsense_ble_gateway.mounting import MountedDecoder, rotation
from repsense_ble_gateway.packets import Packet, PacketError

_NINE = np.arange(1, 10, dtype=np.float32).reshape(1, 9)


@dataclass(frozen=True)
class _Decoder:
    """Gives the same samples whatever comes."""

    packet: Packet

    def decode(self, _: bytes) -> list[Packet]:
        return [self.packet]


def test_each_body_axis_is_the_sensor_axis_that_is_named() -> None:
    [turned] = MountedDecoder.make(_Decoder(Packet(_NINE, CHANNELS, sequence=7)), ("-y", "x", "z")).decode(b"")
    assert turned.samples.tolist() == [[-2, 1, 3, -5, 4, 6, -8, 7, 9]]
    assert (turned.channels, turned.sequence) == (CHANNELS, 7)


def test_a_magnetometer_may_have_axes_of_its_own() -> None:
    [turned] = MountedDecoder.make(_Decoder(Packet(_NINE, CHANNELS, sequence=7)), None, ("y", "x", "-z")).decode(b"")
    assert turned.samples.tolist() == [[1, 2, 3, 4, 5, 6, 8, 7, -9]]


def test_channels_that_a_sensor_does_not_have_are_left_alone() -> None:
    six = Packet(_NINE[:, :6], CHANNELS[:6])
    [turned] = MountedDecoder.make(_Decoder(six), ("x", "-z", "y")).decode(b"")
    assert turned.samples.tolist() == [[1, -3, 2, 4, -6, 5]]


def test_a_vector_that_is_not_complete_cannot_be_turned() -> None:
    two = Packet(_NINE[:, :2], CHANNELS[:2])
    with pytest.raises(PacketError, match="leave out the mounting"):
        MountedDecoder.make(_Decoder(two), ("x", "-z", "y")).decode(b"")


def test_without_a_mounting_nothing_is_put_in_between() -> None:
    decoder = _Decoder(Packet(_NINE, CHANNELS, sequence=7))
    assert MountedDecoder.make(decoder, None) is decoder


@pytest.mark.parametrize(
    ("mounting", "reason"),
    [
        (("x", "y", "up"), "three axes out of x, y, z, -x, -y, -z, not 'x', 'y', 'up'"),
        (("x", "y"), "three axes"),
        (("x", "-x", "z"), "each of x, y and z once"),
        (("-x", "y", "z"), "would mirror the sensor: change the sign of one axis"),
    ],
)
def test_what_no_sensor_can_be_mounted_like_is_refused(mounting: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        rotation(mounting)


def test_every_mounting_keeps_lengths_and_handedness() -> None:
    axes = ("x", "y", "z", "-x", "-y", "-z")
    turns = []
    for mounting in ((a, b, c) for a in axes for b in axes for c in axes):
        try:
            turns.append(rotation(mounting))
        except ValueError:
            continue
    assert len(turns) == 24
    for matrix in turns:
        np.testing.assert_array_equal(matrix @ matrix.T, np.eye(3))
        assert np.linalg.det(matrix) == pytest.approx(1)
