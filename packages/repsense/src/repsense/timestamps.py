"""Times: UTC everywhere, ISO 8601 in messages, integer microseconds since 1970 where they are searched.

The database of the native mode scans on ranges of dates and uses its index on ranges of integers, so stored
times are integers.
"""

import time
from datetime import UTC, datetime, timedelta

__all__ = ["MICROSECONDS", "from_epoch_us", "now_us", "to_epoch_us"]

MICROSECONDS = 1_000_000
"""Microseconds per second."""

_NS_PER_US = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """Microseconds since 1970-01-01T00:00Z by this machine's clock."""
    return time.time_ns() // _NS_PER_US


def to_epoch_us(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z of an aware datetime, exact."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def from_epoch_us(time_us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01T00:00Z, exact."""
    return _EPOCH + timedelta(microseconds=time_us)
