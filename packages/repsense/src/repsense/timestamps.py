"""Times: UTC everywhere, ISO 8601 in messages, integer microseconds since 1970 where they are searched.

The database of the native mode scans on ranges of dates and uses its index on ranges of integers, so stored
times are integers.
"""

from datetime import UTC, datetime, timedelta

__all__ = ["MICROSECONDS", "from_epoch_us", "to_epoch_us"]

MICROSECONDS = 1_000_000
"""Microseconds per second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_epoch_us(time: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z of an aware datetime, exact."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_epoch_us(time_us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01T00:00Z, exact."""
    return _EPOCH + timedelta(microseconds=time_us)
