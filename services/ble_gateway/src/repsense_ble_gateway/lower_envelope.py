"""The straight line right below a cloud of points that are late by chance, but never early.

With x the time of a sample by the sensor and y when it arrived minus x, the cloud's lower edge is the offset between
both clocks, its slope their drift:

    y |   .      . :
      |  .   . :  .  .  _.
      |  .__.___.---- '        slope
      |__________________ x

The slope is that of the lower convex hull above the mean of the abscissae: among all lines below the points it comes
closest to them, the linear programme of Moon, Skelly and Towsley, "Estimation and removal of clock skew from network
delay measurements" (INFOCOM 1999). The level is the highest that is above no point.

Memory is bounded: of each span of time the lowest point is kept, and spans grow with the age of the cloud.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

from repsense.timestamps import MICROSECONDS

__all__ = ["LowerEnvelope"]

_MAX_SPANS = 48
_FIRST_SPAN_US = 0.25 * MICROSECONDS
_LONGEST_SPAN_US = 8.0 * MICROSECONDS
"""48 spans of 8 s are 6.4 minutes: longer would miss a crystal that changes its mind, shorter the rare early points."""
_FEW_POINTS = 10
"""So few may lie on a line by chance."""
_N_PARTS = 5
_BEND_COUNTS = 3
"""In each part of the time, points come close to a line that is one; how far they stay away counts that much."""
_LIKELY_SLOPE = 50e-6
"""Two crystals differ by that without surprise; a slope beyond it needs evidence."""
_BLUR_US = 5_000.0
"""Least width of a lower edge: waiting for the next connection event shifts it by such amounts without a trace."""
_LATE_US = 50_000.0
_LATE_TIGHTNESSES = 4
_LATE_FOR_US = 5.0 * MICROSECONDS
_LATE_SUM_US = 1.5 * MICROSECONDS
"""Points are late for good if all of the last 5 s are, and so clearly that delays of 50 ms on average give no such row
by chance: the probability is exp(-1.5 s / 50 ms) = 1e-13."""
_SETTLED_US = 30.0 * MICROSECONDS
_EARLY_US = 100_000.0
_UNLIKELY_US = 5.0 * MICROSECONDS
"""Nothing comes that much before the line unless a clock was set; at first, all points so far may have been late, but
not by more than 5 s. What is later than that is left out: a clock was set, and soon all points are that late."""
_STEP_TAKES_US = 10.0 * MICROSECONDS
"""How long a step can still prove larger than its first points said, for they were late as well."""


@dataclass(slots=True)
class _Late:
    """Points above the line, one after the other."""

    since_us: float
    least_us: float
    n_points: int = 1


@dataclass(slots=True)
class LowerEnvelope:
    """Follows the lower edge of points that come in the order of x; all in microseconds.

    Attributes:
        slope: Of the lower edge, best estimate, as far as it is known; 0.0 at first.
        slope_error: How far off it may be; infinite with less than three points.
        risen_us: By how much the whole edge has risen in steps; a step counts as one after 5 s.
    """

    slope: float = 0.0
    slope_error: float = math.inf
    risen_us: float = 0.0
    _points: list[tuple[float, float]] = field(default_factory=list)
    """The lowest of each span."""
    _span_us: float = _FIRST_SPAN_US
    _span_end_us: float = -math.inf
    _tilt: float = 0.0
    """Slope of the line: less than `slope` as long as that is little more than a guess."""
    _level_us: float = 0.0
    _level_at_us: float = 0.0
    _tightness_us: float = 0.0
    """Median distance of the points from the line."""
    _late: _Late | None = None
    _step_at_us: float = -math.inf
    """Where the newest step began."""

    def line_us(self, x_us: float) -> float:
        """The line at x; meant for x close to that of the newest point."""
        return self._level_us + self._tilt * (x_us - self._level_at_us)

    def add(self, x_us: float, y_us: float) -> None:
        """Take note of a point whose x is not below that of any before it."""
        if not self._points:
            self._level_us, self._level_at_us = y_us, x_us
        self._follow_fall(x_us, y_us)
        self._follow_rise(x_us, y_us)
        if y_us - self.line_us(x_us) > _UNLIKELY_US:
            return
        if x_us >= self._span_end_us:
            self._begin_span(x_us, y_us)
        elif self._height(x_us, y_us) < self._height(*self._points[-1]):
            self._points[-1] = (x_us, y_us)
        self._level_us += min(0.0, y_us - self.line_us(x_us))

    def _height(self, x_us: float, y_us: float) -> float:
        return y_us - self._tilt * x_us

    def _follow_fall(self, x_us: float, y_us: float) -> None:
        fall_us = self.line_us(x_us) - y_us
        if x_us - self._step_at_us < _STEP_TAKES_US:
            if fall_us > 0:
                self._shift(-fall_us)
        elif fall_us > _EARLY_US and x_us - self._points[0][0] > _SETTLED_US:
            self._step_at_us = x_us
            self._shift(-fall_us)
        elif fall_us > _UNLIKELY_US:
            self._points.clear()
            self._span_us, self._span_end_us = _FIRST_SPAN_US, x_us
            self.slope, self.slope_error, self._tilt = 0.0, math.inf, 0.0

    def _follow_rise(self, x_us: float, y_us: float) -> None:
        late_us = y_us - self.line_us(x_us)
        if late_us <= _LATE_US + _LATE_TIGHTNESSES * self._tightness_us:
            self._late = None
        elif self._late is None:
            self._late = _Late(x_us, late_us)
        else:
            late = self._late
            late.least_us = min(late.least_us, late_us)
            late.n_points += 1
            if x_us - late.since_us > _LATE_FOR_US and late.n_points * late.least_us > _LATE_SUM_US:
                self._step_at_us = late.since_us
                self._shift(late.least_us)
                self.risen_us += late.least_us
                self._late = None

    def _shift(self, step_us: float) -> None:
        """Move the line and all points: what they say about the slope stays true."""
        self._points = [(x, y + step_us) for x, y in self._points]
        self._level_us += step_us

    def _begin_span(self, x_us: float, y_us: float) -> None:
        if len(self._points) == _MAX_SPANS:
            if self._span_us < _LONGEST_SPAN_US:
                self._span_us *= 2
                pairs = zip(self._points[::2], self._points[1::2], strict=True)
                self._points = [min(pair, key=lambda point: self._height(*point)) for pair in pairs]
            else:
                del self._points[0]
        self._points.append((x_us, y_us))
        self._span_end_us = x_us + self._span_us
        if len(self._points) > 2:  # noqa: PLR2004 - two points lie on every line
            self._fit(x_us)

    def _fit(self, now_us: float) -> None:
        points = self._points
        n_points = len(points)
        duration_us = points[-1][0] - points[0][0]
        self.slope = _hull_slope(points, sum(x for x, _ in points) / n_points)
        heights = [y - self.slope * x for x, y in points]
        lowest = min(heights)
        part = max(1, n_points // _N_PARTS)
        bend_us = max(min(heights[start : start + part]) for start in range(0, n_points - part + 1, part)) - lowest
        spread_us = sum(heights) / n_points - lowest
        self._tightness_us = sorted(heights)[n_points // 2] - lowest
        self.slope_error = (
            (spread_us + _BEND_COUNTS * bend_us + _BLUR_US) / duration_us * (1 + (_FEW_POINTS / n_points) ** 2)
        )
        likely = max(abs(self.slope), _LIKELY_SLOPE)
        self._tilt = self.slope / (1 + (self.slope_error / 4 / likely) ** 2)
        self._level_us = min(y + self._tilt * (now_us - x) for x, y in points)
        self._level_at_us = now_us


def _hull_slope(points: list[tuple[float, float]], at: float) -> float:
    """Slope, above an abscissa, of the lower convex hull of points in the order of x (Andrew's monotone chain)."""
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], (x, y)):
            hull.pop()
        hull.append((x, y))
    left, right = next(edge for edge in pairwise(hull) if edge[1][0] >= at)
    return (right[1] - left[1]) / (right[0] - left[0])


def _turns_down(first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]) -> bool:
    return (second[1] - first[1]) * (third[0] - first[0]) >= (third[1] - first[1]) * (second[0] - first[0])
