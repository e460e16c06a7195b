import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.recordings import any_recordings

from repsense.channels import ACCELERATION, ANGULAR_RATE, CHANNELS, Channel
from repsense.recordings import Recording
from repsense.recordings.movement import MAX_PREVIEW_VALUES, find_movement, find_repetitions, movement, preview
from repsense.recordings.peaks import find_peaks, find_period, moving_mean

INERTIAL = CHANNELS[:6]


def take(
    before_s: float,
    n_repetitions: int,
    after_s: float,
    *,
    rate_hz: float = 50.0,
    repetition_s: float = 2.0,
    angle_rad: float = 0.8,
    seed: int = 0,
) -> NDArray[np.float32]:
    r"""A sensor at rest, then turned by an angle and back so many times, then at rest: (n, 6), with a little noise.

                 _    _    _
    ____________/ \__/ \__/ \______
      before_s    n_repetitions   after_s
    """
    n_rests = [round(before_s * rate_hz), round(after_s * rate_hz)]
    phase = np.arange(round(n_repetitions * repetition_s * rate_hz)) / (repetition_s * rate_hz)
    angle = np.concatenate(
        [np.zeros(n_rests[0]), angle_rad * (1 - np.cos(2 * np.pi * phase)) / 2, np.zeros(n_rests[1])]
    )
    samples = np.zeros((len(angle), 6))
    samples[:, 0] = 9.81 * np.sin(angle)
    samples[:, 2] = 9.81 * np.cos(angle)
    samples[:, 4] = np.gradient(angle) * rate_hz
    samples += np.random.default_rng(seed).normal(0, [0.04] * 3 + [0.004] * 3, samples.shape)
    return samples.astype(np.float32)


def rotation(seed: int) -> NDArray[np.float64]:
    """Any rotation, (3, 3)."""
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    matrix *= np.sign(np.linalg.det(matrix))
    return np.asarray(matrix, dtype=np.float64)


def turned(samples: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The same movement with the sensor worn in another way."""
    axes = rotation(seed)
    return np.concatenate([samples[:, :3] @ axes, samples[:, 3:6] @ axes], axis=1).astype(np.float32)


def test_rest_is_little_and_exercise_is_much() -> None:
    moves = movement(take(5, 5, 5), INERTIAL, 50.0)

    assert moves.shape == (1000,)
    assert moves.dtype == np.float32
    assert moves[:200].max() < 0.2
    assert moves[250:750].mean() > 1
    assert moves[800:].max() < 0.2


@given(st.integers(0, 50), st.lists(st.floats(-30, 30), min_size=6, max_size=6))
def test_neither_offsets_nor_the_sensors_placement_count(seed: int, offsets: list[float]) -> None:
    samples = take(2, 4, 2)

    moves = movement(samples, INERTIAL, 50.0)

    assert movement(samples + np.array(offsets, np.float32), INERTIAL, 50.0) == pytest.approx(moves, abs=0.02)
    # Medians, by which offsets are taken off, are not quite the same along other axes.
    assert movement(turned(samples, seed), INERTIAL, 50.0) == pytest.approx(moves, rel=0.1, abs=0.1)


@pytest.mark.parametrize(
    "channels", [INERTIAL, ACCELERATION, ANGULAR_RATE, (Channel.AX,), (Channel.GY,), (Channel.GY, Channel.AX)]
)
@pytest.mark.parametrize("rate_hz", [12.5, 50.0, 104.0])
def test_a_take_is_trimmed_and_counted_with_any_channels(channels: tuple[Channel, ...], rate_hz: float) -> None:
    samples = take(3, 6, 4, rate_hz=rate_hz)[:, [INERTIAL.index(channel) for channel in channels]]

    start, stop = find_movement(samples, channels, rate_hz)
    middles = find_repetitions(samples, channels, rate_hz)

    assert start / rate_hz == pytest.approx(3, abs=0.4)
    assert stop / rate_hz == pytest.approx(15, abs=0.4)
    assert np.array(middles) / rate_hz == pytest.approx(np.arange(4, 16, 2), abs=0.4)


def test_the_field_alone_will_do() -> None:
    field = take(3, 6, 4)[:, :3] * np.float32(45 / 9.81)

    start, stop = find_movement(field, CHANNELS[6:], 50.0)

    assert [start / 50, stop / 50] == pytest.approx([3, 15], abs=0.4)
    assert len(find_repetitions(field, CHANNELS[6:], 50.0)) == 6


@pytest.mark.parametrize("seed", range(10))
def test_repetitions_do_not_depend_on_how_the_sensor_lies(seed: int) -> None:
    samples = turned(take(2, 8, 2, repetition_s=1.3, angle_rad=0.5, seed=seed), seed)

    assert len(find_repetitions(samples, INERTIAL, 50.0)) == 8


def test_pauses_belong_to_the_movement_and_what_comes_long_after_does_not() -> None:
    slow = [take(2, 1, 0), *[take(1.5, 1, 0)] * 4]
    sits_down = take(4, 1, 2, angle_rad=1.5)
    samples = np.concatenate([*slow, sits_down])

    start, stop = find_movement(samples, INERTIAL, 50.0)

    assert start / 50 == pytest.approx(2, abs=0.35)
    assert stop / 50 == pytest.approx(4 + 4 * 3.5, abs=0.35)


def test_repetitions_that_are_far_apart_are_all_kept() -> None:
    samples = np.concatenate([take(5, 1, 0)] * 3)

    start, stop = find_movement(samples, INERTIAL, 50.0)

    assert start / 50 == pytest.approx(5, abs=0.35)
    assert stop == len(samples)


@pytest.mark.parametrize("length", [0, 1, 2, 10, 500])
def test_where_nothing_stands_out_all_of_it_is_kept_and_nothing_is_counted(length: int) -> None:
    at_rest, in_swing = take(20, 0, 0)[:length], take(0, 5, 0)[: min(length, 40)]

    assert find_movement(at_rest, INERTIAL, 50.0) == (0, length)
    assert find_movement(in_swing, INERTIAL, 50.0) == (0, len(in_swing))
    assert find_repetitions(at_rest, INERTIAL, 50.0) == find_repetitions(in_swing, INERTIAL, 50.0) == []


def test_movement_without_a_rhythm_has_no_repetitions() -> None:
    counted = []
    for seed in range(40):
        random = np.random.default_rng(seed).normal(size=(600, 6))
        wandering = np.stack([moving_mean(moving_mean(column, 15), 15) for column in random.T], axis=1)
        samples = (wandering / wandering.std(axis=0) * [2, 2, 2, 0.6, 0.6, 0.6]).astype(np.float32)
        counted.append(len(find_repetitions(samples, INERTIAL, 25.0)))

    assert counted.count(0) >= 32


def test_a_lurch_before_the_exercise_does_not_hide_it() -> None:
    down = take(1, 0, 0)
    turn = np.linspace(0, np.pi / 2, 50)
    down[:, 0], down[:, 2], down[:, 4] = 9.81 * np.sin(turn), 9.81 * np.cos(turn), np.pi / 2
    samples = np.concatenate([take(2, 0, 0), down, turned(take(0, 12, 2, repetition_s=1.0, angle_rad=0.15), 3)])

    assert len(find_repetitions(samples, INERTIAL, 50.0)) == pytest.approx(12, abs=1)


@given(any_recordings())
def test_any_samples_will_do(recording: Recording) -> None:
    given_to = (recording.samples, recording.channels, recording.sample_rate_hz)

    moves = movement(*given_to)
    start, stop = find_movement(*given_to)

    assert len(moves) == len(recording.samples)
    assert not np.isnan(moves).any()
    assert 0 <= start < stop <= len(moves)
    assert all(start <= middle < stop for middle in find_repetitions(*given_to))
    assert len(preview(*given_to)) == len(moves)


def test_the_largest_samples_that_there_are_move_as_much_as_can_be_said() -> None:
    largest = np.finfo(np.float32).max
    samples = np.full((3, len(INERTIAL)), [[largest], [-largest], [largest]], np.float32)

    assert movement(samples, INERTIAL, 1.0).max() == largest


@pytest.mark.parametrize("n_samples", [0, 1, 119, 120, 121, 5000])
def test_a_preview_has_so_many_values_at_most(n_samples: int) -> None:
    samples = np.tile(take(0, 5, 5), (10, 1))[:n_samples]

    values = preview(samples, INERTIAL, 50.0)

    assert len(values) == min(n_samples, MAX_PREVIEW_VALUES)
    assert np.mean(values or [0]) == pytest.approx(
        np.mean(movement(samples, INERTIAL, 50.0)) if n_samples else 0, rel=0.01, abs=0.01
    )


def test_moving_means_take_what_there_is() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0])

    assert moving_mean(values, 3).tolist() == pytest.approx([1.5, 2, 3, 107 / 3, 52])
    assert moving_mean(values, 1) == pytest.approx(values)
    assert moving_mean(values[:, np.newaxis], 99) == pytest.approx(np.full((5, 1), 22))


def test_peaks_need_room_and_height() -> None:
    #                   2     5        9  11    14
    values = np.array([0, 1, 3, 1, 0, 5, 4, 4.5, 0, 6, 5, 5.9, 0, 1, 2.0, 0])

    assert find_peaks(values, 1, 1) == [2, 5, 9, 14]
    assert find_peaks(values, 3, 0.1) == [2, 5, 9, 14]
    assert find_peaks(values, 1, 0.1) == [2, 5, 7, 9, 11, 14]
    assert find_peaks(values, 1, 2.5) == [2, 5, 9]
    assert find_peaks(values[:2], 1, 0) == []


def test_a_period_is_the_shortest_lag_at_which_a_signal_repeats_itself() -> None:
    times = np.arange(400)
    rhythm = np.stack([np.sin(2 * np.pi * times / 40), np.sin(2 * np.pi * times / 20)], axis=1)

    assert find_period(rhythm, (10, 150), 0.15) == 40
    assert find_period(rhythm[:, 1:], (10, 150), 0.15) == 20
    assert find_period(rhythm[:, 1:], (25, 150), 0.15) == 40
    assert find_period(rhythm[:60], (10, 150), 0.15) is None
    assert find_period(np.zeros((400, 2)), (10, 150), 0.15) is None


def test_pairs_of_takes_have_as_many_repetitions_as_both() -> None:
    for first, second in itertools.product((3, 7), (4, 5)):
        samples = np.concatenate([take(1, first, 0.5), take(0.5, second, 1)])

        assert len(find_repetitions(samples, INERTIAL, 50.0)) == first + second
