import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.inference.tests.fakes_recordings import FakeChunks

from repsense.timestamps import now_us
from repsense_inference.movement_timelines import MAX_STEPS, MovementTimelines, choose_step_us

_SECOND = 1_000_000
_DAY_US = 24 * 3600 * _SECOND


@given(st.integers(1, 10 * _DAY_US), st.integers(2, 10_000), st.integers(0, _DAY_US))
def test_steps_are_few_enough_wherever_they_begin(duration_us: int, max_points: int, begin_us: int) -> None:
    step_us = choose_step_us(duration_us, max_points)

    n_steps = (begin_us + duration_us - 1) // step_us - begin_us // step_us + 1
    assert n_steps <= min(max_points, MAX_STEPS)


@pytest.mark.parametrize(
    ("minutes", "max_points", "step_s"), [(10, 600, 2), (60, 300, 15), (1440, 300, 300), (1, 600, 0.5)]
)
def test_steps_are_round(minutes: int, max_points: int, step_s: float) -> None:
    assert choose_step_us(minutes * 60 * _SECOND, max_points) == step_s * _SECOND


def test_the_newest_steps_are_looked_at_again() -> None:
    chunks = FakeChunks()
    timelines = MovementTimelines(chunks)
    step_us = 30 * _SECOND
    last_step = now_us() // step_us
    chunks.send(np.zeros((2, 6), np.float32), last_step * step_us, rate_hz=2.0)
    steps = ("wrist", last_step - 99, last_step, step_us)
    still = timelines.read(*steps)[-1]

    chunks.chunks.clear()
    chunks.send(np.tile(np.array([[0], [20]], np.float32), (5, 6)), last_step * step_us, rate_hz=2.0)
    moving = timelines.read(*steps)[-1]

    assert still == 0.0
    assert moving is not None
    assert moving > 1


def test_what_is_gone_is_not_shown_any_more() -> None:
    chunks = FakeChunks()
    timelines = MovementTimelines(chunks)
    step_us = 30 * _SECOND
    chunks.send(np.zeros((20_000, 6), np.float32), 0, rate_hz=10.0)
    before = timelines.read("wrist", 0, 66, step_us)

    chunks.chunks = [one for one in chunks.chunks if one["first_sample_us"] >= 600 * _SECOND]
    after = timelines.read("wrist", 0, 66, step_us)

    assert before == [0.0] * 67
    assert after == [None] * 20 + [0.0] * 47
