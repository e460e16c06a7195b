import math
from collections.abc import Iterable

import numpy as np
import pytest

from repsense_ble_gateway.lower_envelope import LowerEnvelope


def _follow(points_s: Iterable[tuple[float, float]]) -> tuple[LowerEnvelope, list[float]]:
    """The envelope of points in seconds, and where its line was above each, seconds."""
    envelope = LowerEnvelope()
    lines_s = []
    for x_s, y_s in points_s:
        envelope.add(x_s * 1e6, y_s * 1e6)
        lines_s.append(envelope.line_us(x_s * 1e6) / 1e6)
    return envelope, lines_s


def test_two_points_say_nothing_about_the_slope() -> None:
    envelope, lines_s = _follow([(0.0, 0.03), (1.0, 0.08)])
    assert envelope.slope_error == math.inf
    assert lines_s == [pytest.approx(0.03), pytest.approx(0.03)]


def test_the_line_is_never_above_a_point() -> None:
    generator = np.random.default_rng(1)
    points_s = [(0.1 * k, 2e-4 * k + float(generator.exponential(0.03))) for k in range(3000)]
    _, lines_s = _follow(points_s)
    assert all(line_s <= y_s + 1e-9 for line_s, (_, y_s) in zip(lines_s, points_s, strict=True))


@pytest.mark.parametrize("slope", [-0.3, -1e-4, 0.0, 1e-4, 1e-2, 0.5])
def test_a_slope_is_found_among_late_points(slope: float) -> None:
    generator = np.random.default_rng(2)
    envelope, lines_s = _follow((0.1 * k, slope * 0.1 * k + float(generator.exponential(0.03))) for k in range(1200))
    assert envelope.slope == pytest.approx(slope, abs=2e-5)
    assert lines_s[-1] == pytest.approx(slope * 119.9, abs=0.001)


@pytest.mark.parametrize("late_s", [0.5, 2.0])
def test_points_that_are_late_from_the_start_are_not_taken_for_a_slope(late_s: float) -> None:
    # All that waited comes at once: the wait shrinks by what time passed between the samples.
    envelope = LowerEnvelope()
    for k in range(600):
        envelope.add(k * 1e5, max(0.0, late_s - 0.1 * k) * 1e6)
        assert k < 50 or abs(envelope.slope) <= envelope.slope_error + 0.02
    assert envelope.slope == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("step_s", [-1.0, 1.0])
@pytest.mark.parametrize("at_s", [3.0, 6.0, 12.0])
def test_a_step_soon_after_the_start_is_not_taken_for_a_slope(step_s: float, at_s: float) -> None:
    envelope = LowerEnvelope()
    for k in range(600):
        envelope.add(k * 1e5, step_s * 1e6 * (k * 0.1 >= at_s) + 10_000 * (k % 3))
        assert k < 50 or abs(envelope.slope) <= envelope.slope_error + 0.02


@pytest.mark.parametrize("step_s", [-1.0, 1.0])
def test_a_step_whose_first_points_are_late_leaves_neither_slope_nor_offset_wrong(step_s: float) -> None:
    #  y  .............                  (step of -1 s)
    #                    .  60 ms late
    #                     .....  ........
    points_s = [
        (0.1 * k, 1e-3 * k % 0.003 + step_s * (k >= 1000) + 0.06 * (1000 <= k < (1010 if step_s < 0 else 1080)))
        for k in range(3000)
    ]
    envelope, lines_s = _follow(points_s)
    assert max(abs(line_s - step_s) for line_s in lines_s[1120:]) < 0.004
    assert envelope.slope == pytest.approx(0.0, abs=3e-5)


def test_a_link_that_is_always_slow_is_not_a_step() -> None:
    generator = np.random.default_rng(3)
    late_s = np.maximum.accumulate(np.arange(0, 120, 0.01) + generator.exponential(0.15, 12_000))
    envelope, _ = _follow((0.01 * k, float(late_s[k]) - 0.01 * k) for k in range(12_000))
    assert envelope.risen_us == 0


def test_a_small_step_forward_is_followed_and_counted() -> None:
    envelope, lines_s = _follow((0.1 * k, 0.2 * (k >= 500)) for k in range(600))
    assert envelope.risen_us == pytest.approx(200_000, abs=1000)
    assert lines_s[540] == pytest.approx(0.0, abs=0.001)
    assert lines_s[560] == pytest.approx(0.2, abs=0.001)
