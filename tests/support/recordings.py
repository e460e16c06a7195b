"""Recordings for tests: any that there could be, and whether two are the same."""

from datetime import UTC, timedelta, timezone
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.recordings import Recording, recording_id

__all__ = ["any_recordings", "make_recording", "same"]

_NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=7))])
_RESERVED = {*CHANNELS, "i", "t", "recording", "subject", "session", "exercise", "form", "sensor"}
_RESERVED |= {"sample_rate_hz", "started_at", "activity_s"}


def _is_attribute(name: str) -> bool:
    # MongoDB has no field whose name contains NUL; storing that is refused.
    return name not in _RESERVED and "\0" not in name


@st.composite
def any_recordings(draw: st.DrawFn, *, in_order: bool = False) -> Recording:
    """Any recording; with its channels in canonical order if wished."""
    channels = draw(st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True))
    if in_order:
        channels.sort(key=CHANNELS.index)
    shape = (draw(st.integers(1, 12)), len(channels))
    return Recording(
        draw(arrays(np.float32, shape, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))),
        tuple(channels),
        draw(st.floats(0.01, 10_000)),
        draw(st.none() | st.builds(Label, exercise=_NAMES, form=st.none() | _NAMES)),
        draw(st.none() | _TEXTS),
        draw(st.none() | _TEXTS),
        draw(st.none() | _TEXTS),
        draw(st.none() | st.datetimes(timezones=_ZONES).filter(lambda time: 1 < time.year < 9999)),
        draw(st.floats(0, 1e6)),
        draw(st.dictionaries(_TEXTS.filter(_is_attribute), _TEXTS, max_size=3)),
    )


def make_recording(n_samples: int = 50, *, seed: int = 0, offset: float = 0.0, **fields: Any) -> Recording:  # noqa: ANN401 - as Recording takes them
    """Six channels at 25 Hz: gravity along z and some noise."""
    random = np.random.default_rng(seed)
    samples = random.normal(0, 0.5, (n_samples, 6)).astype(np.float32)
    samples[:, 2] += np.float32(9.81 + offset)
    return Recording(samples, fields.pop("channels", CHANNELS[:6]), fields.pop("sample_rate_hz", 25.0), **fields)


def same(first: Recording, second: Recording) -> bool:
    """Whether everything is equal, bit for bit."""
    return (
        recording_id(first) == recording_id(second)
        and first.samples.tobytes() == second.samples.tobytes()
        and first.samples.dtype == second.samples.dtype == np.float32
        and first.channels == second.channels
        and (first.label, first.subject, first.session) == (second.label, second.subject, second.session)
        and (first.sensor, first.started_at) == (second.sensor, second.started_at)
        and (first.sample_rate_hz, first.activity_s) == (second.sample_rate_hz, second.activity_s)
        and dict(first.attributes) == dict(second.attributes)
    )
