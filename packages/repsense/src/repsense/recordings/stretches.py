"""From the stored samples of a sensor to what can be a recording: stretches without interruption.

stream 1   [0..9][10..19]    [22..31]          [80..89]     stream 2   [0..9]
stretches  |___________..__________|           |______|                |____|
                       20, 21 filled   "1.0 s of signal   "the sensor was
                                        were lost"         disconnected"
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from repsense.channels import Channel
from repsense.documents import SamplesDocument, decode_samples
from repsense.timestamps import MICROSECONDS

__all__ = ["Stretch", "cut_stretches"]

_MAX_FILLED_S = 0.2
"""What a movement does within so short a time a straight line follows well enough."""
_MAX_FILLED_SAMPLES = 2
"""Where more time than that lies between two samples, so many may be missing all the same."""
_MIN_SAMPLES = 2
_LATE_S = 2.0
"""What was measured is stored long before; a stretch that ends earlier than this ended by itself."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive samples of one sensor.

    Attributes:
        samples: (n_samples, n_channels) float32, SI units; at least two.
        channels: What the columns are.
        sample_rate_hz: The rate, as the sensor states it.
        started_us: When the first sample was taken, microseconds since 1970.
        ended_us: One sample period after the last.
        n_filled: How many of the samples were lost, and lie on a straight line between their neighbours.
        interruption: In words, why it ended before the time that was asked for; None if it did not.
    """

    samples: NDArray[np.float32]
    channels: tuple[Channel, ...]
    sample_rate_hz: float
    started_us: int
    ended_us: int
    n_filled: int
    interruption: str | None


@dataclass(slots=True)
class _Growing:
    """A stretch to which samples are added."""

    stream_id: str
    channels: tuple[Channel, ...]
    sample_rate_hz: float
    started_us: int
    end: int
    """Index in the stream of the first sample after it."""
    pieces: list[NDArray[np.float32]] = field(default_factory=list)
    last_us: int = 0
    n_filled: int = 0
    n_lost_after: int = 0


def cut_stretches(chunks: Sequence[SamplesDocument], from_us: int, to_us: int) -> list[Stretch]:
    """Put stored samples together, and cut them where something is missing.

    Args:
        chunks: Of one sensor, in any order; they may overlap, as after a restart of the gateway.
        from_us: The earliest sample that is wanted, microseconds since 1970.
        to_us: Before this time.

    Returns:
        The stretches, oldest first. Losses of up to 0.2 s (or two samples, if that is more) are filled, and what is
        shorter than two samples is left out.
    """
    grown = [stretch for stream in _streams(chunks) for stretch in _grow(stream, from_us, to_us)]
    ends = [_why(before, after) for before, after in pairwise(grown)] + [
        _ended_early(last, to_us) for last in grown[-1:]
    ]
    stretches = [_stretch(growing, end) for growing, end in zip(grown, ends, strict=True)]
    return [stretch for stretch in stretches if len(stretch.samples) >= _MIN_SAMPLES]


def _streams(chunks: Sequence[SamplesDocument]) -> list[list[SamplesDocument]]:
    """The chunks of each stream by their sequence, the stream that began first first."""
    streams: dict[str, list[SamplesDocument]] = {}
    for chunk in sorted(chunks, key=lambda chunk: (chunk["first_sample_us"], chunk["sequence"])):
        streams.setdefault(chunk["stream_id"], []).append(chunk)
    return [sorted(stream, key=lambda chunk: chunk["sequence"]) for stream in streams.values()]


def _grow(stream: Sequence[SamplesDocument], from_us: int, to_us: int) -> Iterator[_Growing]:
    growing: _Growing | None = None
    for chunk in stream:
        # What came before may come again, cut differently.
        n_known = 0 if growing is None else max(0, growing.end - chunk["sequence"])
        period_us = MICROSECONDS / chunk["sample_rate_hz"]
        times_us = chunk["first_sample_us"] + np.rint(np.arange(chunk["n_samples"]) * period_us).astype(np.int64)
        wanted = np.flatnonzero((times_us >= from_us) & (times_us < to_us))
        wanted = wanted[wanted >= n_known]
        if not len(wanted):
            continue
        samples = decode_samples(chunk)[wanted[0] : wanted[-1] + 1]
        sequence = chunk["sequence"] + int(wanted[0])
        n_missing = 0 if growing is None else sequence - growing.end
        if growing is not None and n_missing > max(_MAX_FILLED_S * chunk["sample_rate_hz"], _MAX_FILLED_SAMPLES):
            growing.n_lost_after = n_missing
            yield growing
            growing = None
        if growing is None:
            growing = _Growing(
                chunk["stream_id"],
                tuple(Channel(channel) for channel in chunk["channels"]),
                chunk["sample_rate_hz"],
                started_us=int(times_us[wanted[0]]),
                end=sequence,
            )
        elif n_missing:
            growing.pieces.append(_filled(growing.pieces[-1][-1], samples[0], n_missing))
            growing.n_filled += n_missing
        growing.pieces.append(samples)
        growing.end = sequence + len(samples)
        growing.last_us = int(times_us[wanted[-1]])
    if growing is not None:
        yield growing


def _filled(before: NDArray[np.float32], after: NDArray[np.float32], n_missing: int) -> NDArray[np.float32]:
    """What lies on straight lines between two samples, each (n_channels,): (n_missing, n_channels) float32."""
    shares = np.arange(1, n_missing + 1)[:, np.newaxis] / (n_missing + 1)
    filled: NDArray[np.float32] = (before * (1 - shares) + after * shares).astype(np.float32)
    return filled


def _why(before: _Growing, after: _Growing) -> str:
    if before.stream_id == after.stream_id:
        return f"{before.n_lost_after / before.sample_rate_hz:.1f} s of signal were lost"
    if (before.channels, before.sample_rate_hz) != (after.channels, after.sample_rate_hz):
        return "the sensor changed its channels or its rate"
    return "the sensor was disconnected"


def _ended_early(last: _Growing, to_us: int) -> str | None:
    early_s = (to_us - last.last_us) / MICROSECONDS - 1 / last.sample_rate_hz
    return f"the signal ended {early_s:.1f} s early" if early_s > _LATE_S else None


def _stretch(growing: _Growing, interruption: str | None) -> Stretch:
    return Stretch(
        np.concatenate(growing.pieces),
        growing.channels,
        growing.sample_rate_hz,
        growing.started_us,
        growing.last_us + round(MICROSECONDS / growing.sample_rate_hz),
        growing.n_filled,
        interruption,
    )
