"""The last seconds of the signal, arranged for the chart: what belongs together, and where it is interrupted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from repsense_dashboard.api import SignalWindow

__all__ = ["arrange_charts", "arrange_signal"]

_AXES = ("x", "y", "z")

# A line is interrupted where this many samples in a row are missing.
_GAP_SAMPLES = 4

# More than a chart of this size can show, and half of the bytes of a full float.
_DECIMALS = 2
_OFFSET_DECIMALS = 3


@dataclass(frozen=True)
class _Group:
    title: str
    prefix: str
    unit: str
    scales: tuple[float, ...]
    """What the vertical axis may end at, in `unit`: few steps, so that it does not breathe with the signal."""


_GROUPS = (
    _Group("Acceleration", "a", "m/s²", (5, 10, 20, 40, 80, 160)),
    _Group("Angular rate", "g", "rad/s", (1, 2, 5, 10, 20, 40)),
    _Group("Magnetic field", "m", "µT", (50, 100, 200, 500, 1000, 5000)),
)


def arrange_signal(window: SignalWindow, *, seconds: float) -> dict[str, Any]:
    """Return what `signal.js` draws.

    Args:
        window: The signal; channels outside the three groups are left out.
        seconds: Width of the time axis, which ends at the newest sample.

    Returns:
        `seconds`; `end_s`, the newest sample's time, by which the charts move on; `offsets_s`, negative, with None
        where the signal is interrupted; and `charts`, each with its lines, one value per offset.
    """
    if not window.offsets_s:
        return {"seconds": seconds, "end_s": 0.0, "offsets_s": [], "charts": []}
    end_s = window.offsets_s[-1]
    offsets_s, charts = arrange_charts(window.channels, [offset - end_s for offset in window.offsets_s], window.samples)
    return {
        "seconds": seconds,
        "end_s": (window.start_at.timestamp() if window.start_at else 0.0) + end_s,
        "offsets_s": offsets_s,
        "charts": charts,
    }


def arrange_charts(
    channels: Sequence[str], offsets_s: Sequence[float], samples: Sequence[Sequence[float | None]]
) -> tuple[list[float | None], list[dict[str, Any]]]:
    """Return a signal's offsets, and the charts of those groups that it has, each with its lines.

    Args:
        channels: Names; those outside the three groups are left out.
        offsets_s: Times of the samples, rising.
        samples: Shape (len(offsets_s), len(channels)).

    Returns:
        The offsets with None where the signal is interrupted, and charts whose lines have one value per offset.
    """
    steps = [after - before for before, after in pairwise(offsets_s)]
    gap_s = median(steps) * _GAP_SAMPLES if steps else 0.0
    gap_rows = [row for row, step in enumerate(steps, start=1) if step > gap_s]
    columns = dict(zip(channels, zip(*samples, strict=True), strict=True)) if samples else {}
    charts = []
    for group in _GROUPS:
        lines = [
            {"axis": axis, "values": _interrupt(columns[group.prefix + axis], gap_rows, _DECIMALS)}
            for axis in _AXES
            if group.prefix + axis in columns
        ]
        if lines:
            charts.append({"title": group.title, "unit": group.unit, "scales": group.scales, "lines": lines})
    return _interrupt(offsets_s, gap_rows, _OFFSET_DECIMALS), charts


def _interrupt(values: Sequence[float | None], rows: Sequence[int], decimals: int) -> list[float | None]:
    """Return the values, rounded, with a None before each of `rows`."""
    result = [None if value is None else round(value, decimals) for value in values]
    for row in reversed(rows):
        result.insert(row, None)
    return result
