"""Where the person in front of the browser is."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

__all__ = ["ReaderZone", "reader_zone"]


@dataclass(frozen=True)
class ReaderZone:
    """The zone that times are shown in.

    Attributes:
        zone: For computing.
        name: As the person knows it, such as "Europe/Berlin".
    """

    zone: tzinfo
    name: str


def reader_zone() -> ReaderZone:
    """Return the browser's time zone, UTC where it is not known."""
    name = st.context.timezone or "UTC"
    try:
        return ReaderZone(ZoneInfo(name), name)
    except (ZoneInfoNotFoundError, ValueError):
        # A browser may know a newer zone than this machine.
        return ReaderZone(UTC, "UTC")
