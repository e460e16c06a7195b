"""The place of each packet in its stream: sequence numbers that wrap, repeat or restart."""

from dataclasses import dataclass
from enum import Enum, auto

from repsense_ble_gateway.packets.repsense import SEQUENCE_MODULUS

__all__ = ["Irregularity", "SequenceCounter"]


class Irregularity(Enum):
    """What is wrong with a packet's place."""

    DUPLICATE = auto()
    """Its samples were there before."""
    RESTART = auto()
    """The device counts from elsewhere: it was restarted. A new stream begins."""


@dataclass(slots=True)
class SequenceCounter:
    """Unwraps one stream's sequence numbers; counts where the device does not.

    Attributes:
        expected: Number in the stream of the next sample.
        max_repeated: How many samples back a packet still counts as a repeated one, not as a restart.
        max_lost: How many samples ahead a packet still counts as following a loss, not a restart.
    """

    expected: int
    max_repeated: int
    max_lost: int

    def place(self, sequence: int | None, n_samples: int) -> int | Irregularity:
        """Number of a packet's first sample in the stream, or why it has none.

        Args:
            sequence: As the device says it, modulo 2^32; None if it does not count.
            n_samples: Of the packet.
        """
        ahead = 0 if sequence is None else _signed_difference(sequence, self.expected)
        if not -self.max_repeated <= ahead <= self.max_lost:
            return Irregularity.RESTART
        if ahead < 0:
            return Irregularity.DUPLICATE
        place = self.expected + ahead
        self.expected = place + n_samples
        return place


def _signed_difference(sequence: int, expected: int) -> int:
    half = SEQUENCE_MODULUS // 2
    return (sequence - expected + half) % SEQUENCE_MODULUS - half
