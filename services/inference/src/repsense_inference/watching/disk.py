"""Whether there is room for models."""

import shutil
from pathlib import Path

from repsense_inference.faults import Fault, FaultKind

__all__ = ["disk_fault", "free_bytes"]

MEGABYTE = 1_000_000
FULL_BELOW_BYTES = 64 * MEGABYTE
"""A version takes a few, and a training some more while it goes on."""
LOW_BELOW_BYTES = 512 * MEGABYTE


def free_bytes(folder: Path) -> int | None:
    """How much can be written where a folder is; None if it is not there."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def disk_fault(free: int | None) -> Fault | None:
    """What is wrong with the disk that has the models.

    Args:
        free: How many bytes can be written; None if nobody knows.
    """
    if free is None or free >= LOW_BELOW_BYTES:
        return None
    kind = FaultKind.DISK_FULL if free < FULL_BELOW_BYTES else FaultKind.DISK_LOW
    return Fault(kind, f"{free // MEGABYTE} MB are free where the models are")
