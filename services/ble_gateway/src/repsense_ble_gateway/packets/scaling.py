"""Between the integers of a packet and SI units, for every layout."""

import numpy as np
from numpy.typing import NDArray

from repsense.messages import MAX_MAGNITUDE
from repsense_ble_gateway.packets import PacketError

__all__ = ["checked_samples", "to_counts"]


def checked_samples(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The values as samples, of the same shape.

    Raises:
        PacketError: If one is not a number, or larger than any sensor measures.
    """
    # Not a number compares as false.
    if not (np.abs(values) <= MAX_MAGNITUDE).all():
        msg = f"a value of the packet is not a number or beyond {MAX_MAGNITUDE:g}, which no sensor measures"
        raise PacketError(msg)
    return values.astype(np.float32)


def to_counts(
    samples: NDArray[np.float32], si_per_count: NDArray[np.float64] | float, n_bits: int = 16
) -> NDArray[np.int64]:
    """The nearest integers that stand for samples; a value out of range becomes the end of the range.

    Args:
        samples: SI units, finite.
        si_per_count: Of each column, or of all.
        n_bits: How many bits a signed integer has in the packet.
    """
    end = 1 << (n_bits - 1)
    counts = np.rint(samples.astype(np.float64) / si_per_count)
    return np.clip(counts, -end, end - 1).astype(np.int64)
