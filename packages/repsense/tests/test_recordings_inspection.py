from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.recordings import any_recordings, make_recording

from repsense.channels import CHANNELS, Channel
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.recordings.inspection import Inspection, WarningKind, inspect

SQUAT, LUNGE = Label(exercise="squat"), Label(exercise="lunge")


def good(n_samples: int = 1500, subjects: Sequence[str] = ("ann", "bob")) -> list[Recording]:
    """A minute of two labels from each of two people in two sessions each."""
    return [
        make_recording(n_samples, seed=seed, label=label, subject=subject, session=session, sensor="wrist")
        for seed, (subject, session, label) in enumerate(product(subjects, "12", (SQUAT, LUNGE)))
    ]


def kinds(recordings: Sequence[Recording]) -> list[WarningKind]:
    return [warning.kind for warning in inspect(recordings).warnings]


def text(recordings: Sequence[Recording], kind: WarningKind) -> str:
    (found,) = [warning.text for warning in inspect(recordings).warnings if warning.kind is kind]
    return found


def with_samples(recording: Recording, channel: Channel, values: NDArray[np.float64] | float) -> Recording:
    samples = recording.samples.copy()
    samples[:, recording.channels.index(channel)] = values
    return replace(recording, samples=samples)


def test_good_recordings_are_counted_and_nothing_is_said_against_them() -> None:
    inspection = inspect(good())

    assert inspection.warnings == ()
    assert inspection.minutes == pytest.approx(8)
    assert [(s.label, s.n_recordings, s.subjects, s.sessions) for s in inspection.labels] == [
        (label, 4, ("ann", "bob"), ("ann/1", "ann/2", "bob/1", "bob/2")) for label in ("lunge", "squat")
    ]
    assert [summary.minutes for summary in inspection.labels] == pytest.approx([4, 4])
    assert len(inspection.groups) == 8
    assert {recording.sample_rate_hz for recording in inspection.recordings} == {25.0}
    assert [channel.channel for channel in inspection.channels] == list(CHANNELS[:6])
    assert all(channel.clipped == channel.n_dead == 0 for channel in inspection.channels)
    assert Inspection.model_validate_json(inspection.model_dump_json()) == inspection


def test_sessions_are_in_the_order_of_their_numbers() -> None:
    recordings = [make_recording(label=SQUAT, session=str(session)) for session in (10, 9, 1)]

    assert inspect(recordings).labels[0].sessions == ("1", "9", "10")
    assert [group.session for group in inspect(recordings).groups] == ["1", "9", "10"]


def test_one_session_cannot_be_held_out() -> None:
    recordings = [replace(recording, subject=None, session="1") for recording in good()]

    assert kinds(recordings) == [WarningKind.NO_GROUPS]
    assert "record on another occasion" in text(recordings, WarningKind.NO_GROUPS)


def test_recordings_without_a_session_are_counted() -> None:
    recordings = [replace(r, subject=None, session=None if index == 0 else r.session) for index, r in enumerate(good())]

    assert "1 of 8 recordings name no session" in text(recordings, WarningKind.NO_SESSION)


def test_labels_that_will_not_be_learned_are_named() -> None:
    few = good()
    rest = make_recording(500, seed=99, label=Label(exercise="rest"), subject="ann", session="1", sensor="wrist")
    bare = replace(rest, label=None)

    found = inspect([*few, rest, bare]).warnings

    assert {warning.kind for warning in found} == {
        WarningKind.UNLABELLED,
        WarningKind.LITTLE_DATA,
        WarningKind.ONE_SESSION,
        WarningKind.ONE_SUBJECT,
        WarningKind.IMBALANCED,
        WarningKind.COPIES,
    }
    texts = {warning.kind: warning.text for warning in found}
    assert texts[WarningKind.LITTLE_DATA].startswith("of rest there are only 20 s")
    assert texts[WarningKind.ONE_SESSION].startswith("rest was recorded in session ann/1 only")
    assert texts[WarningKind.ONE_SUBJECT].startswith("only ann did rest")
    assert texts[WarningKind.IMBALANCED].startswith("there is 12 times as much of lunge (4.0 min) as of rest (0.3 min)")
    assert "under different labels (None, rest)" in texts[WarningKind.COPIES]
    assert kinds([replace(recording, label=SQUAT) for recording in few]) == [WarningKind.ONE_LABEL]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sensor": "ankle"}, "in their sensor: with ankle there is squat but no lunge"),
        ({"sample_rate_hz": 50.0}, "in their sample rate: with 50 Hz there is squat but no lunge"),
    ],
)
def test_labels_that_differ_in_how_they_were_recorded_are_noticed(change: dict[str, Any], expected: str) -> None:
    recordings = [replace(r, **change) if r.label == SQUAT and r.subject == "ann" else r for r in good(3000)]

    assert kinds(recordings) == [WarningKind.CONFOUNDED]
    assert expected in text(recordings, WarningKind.CONFOUNDED)


def test_clocks_that_differ_a_little_are_the_same_rate() -> None:
    recordings = [replace(r, sample_rate_hz=25.1) if r.label == SQUAT else r for r in good()]

    assert kinds(recordings) == []


def test_short_recordings_and_gaps_are_counted() -> None:
    first = good()[0]
    #   |------- 60 s -------|  1.5 s  |-- 2 s --|
    rest = replace(first, samples=first.samples[:50] + np.float32(0.1), activity_s=61.5)
    recordings = [first, rest, *good()[1:]]

    inspection = inspect(recordings)

    assert [gap.seconds for gap in inspection.gaps] == [1.5]
    assert "1 of 9 recordings (squat) are shorter than a window of 2.5 s" in text(recordings, WarningKind.SHORT)
    assert "1 times samples are missing within an activity, up to 1.5 s" in text(recordings, WarningKind.GAPS)
    assert WarningKind.SHORT not in [warning.kind for warning in inspect(recordings, window_s=2.0).warnings]


def test_a_signal_that_is_cut_off_is_noticed_and_a_large_one_is_not() -> None:
    swing = 25 * np.sin(np.arange(1500) / 7)
    clipped = [with_samples(r, Channel.AX, np.clip(swing + i / 100, -19.6, 19.6)) for i, r in enumerate(good())]
    large = [with_samples(r, Channel.AX, np.round(swing + i / 100, 3)) for i, r in enumerate(good())]

    share = inspect(clipped).channels[0].clipped
    assert share == pytest.approx((np.abs(swing) >= 19.6).mean(), abs=0.02)
    assert "(-19.6 to 19.6)" in text(clipped, WarningKind.CLIPPED)
    assert inspect(large).channels[0].clipped < 0.005


def test_each_sensor_has_a_range_of_its_own() -> None:
    swing = 25 * np.sin(np.arange(1500) / 7)
    recordings = [
        replace(with_samples(r, Channel.AX, np.clip(swing, -limit, limit)), sensor=sensor)
        for r, (limit, sensor) in zip(good(), [(19.6, "small"), (22.0, "large")] * 4, strict=True)
    ]

    assert inspect(recordings).channels[0].clipped > 0.3


def test_dead_missing_and_repeated_are_noticed() -> None:
    recordings = good()
    dead = [with_samples(recordings[0], Channel.GX, 0.0), *recordings[1:]]
    missing = [replace(r, samples=r.samples[:, :3], channels=r.channels[:3]) for r in recordings[:2]] + recordings[2:]
    repeated = [replace(r, samples=np.repeat(r.samples[::2], 2, axis=0)) for r in recordings]

    assert "gx in 1 of 8 recordings never changes" in text(dead, WarningKind.DEAD_CHANNEL)
    assert "not every recording has gx, gy, gz: the network will see only what all have (ax ay az)" in text(
        missing, WarningKind.MISSING_CHANNEL
    )
    assert text(repeated, WarningKind.REPEATED).startswith("50.0% of samples equal the one before")
    assert inspect(repeated).repeated == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("channels", "factor", "expected"),
    [
        (slice(0, 3), 1 / 9.80665, "looks like g instead of m/s^2: multiply it by 9.80665"),
        (slice(0, 3), 1000 / 9.80665, "not about 9.8 m/s^2"),
        (slice(3, 6), 57.3, "looks like degrees/s instead of rad/s"),
    ],
)
def test_units_that_are_not_si_are_noticed(channels: slice, factor: float, expected: str) -> None:
    recordings = good()
    for recording in recordings:
        recording.samples[:, channels] *= np.float32(factor)

    assert expected in text(recordings, WarningKind.UNITS)
    assert "in 8 of 8 recordings" in text(recordings, WarningKind.UNITS)


def test_a_field_in_gauss_is_noticed() -> None:
    samples = np.random.default_rng(0).normal(0.3, 0.01, (1500, 3)).astype(np.float32)

    assert "magnetic field is not about 50 uT" in text([Recording(samples, CHANNELS[6:], 25.0)], WarningKind.UNITS)


@settings(max_examples=50)
@given(st.lists(any_recordings(), min_size=1, max_size=5))
def test_any_recordings_can_be_inspected(recordings: list[Recording]) -> None:
    inspection = inspect(recordings)

    assert len(inspection.recordings) == len(recordings)
    assert all(0 <= channel.clipped <= 1 for channel in inspection.channels)


def test_recordings_are_called_as_whoever_asks_calls_them() -> None:
    whole = make_recording(500, seed=1, label=SQUAT, subject="ann", session="1")
    went_on = make_recording(500, seed=2, label=SQUAT, subject="ann", session="1", activity_s=21.0)
    copy = replace(whole, label=LUNGE)

    inspection = inspect([whole, went_on, copy], ids=["one", "two", "three"])

    assert [summary.id for summary in inspection.recordings] == ["one", "two", "three"]
    assert [(gap.after, gap.before, gap.seconds) for gap in inspection.gaps] == [("one", "two", 1.0)]
    assert inspection.copies == (("one", "three"),)


def test_of_nothing_nothing_is_said() -> None:
    inspection = inspect([])

    assert (inspection.minutes, inspection.repeated) == (0, 0)
    assert not any((inspection.labels, inspection.groups, inspection.recordings, inspection.channels))
    assert inspection.warnings == ()
