"""What moves in a take that may still be under way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repsense.documents import SamplesDocument
from repsense.recordings.movement import AT_REST_M_S2, find_movement, find_repetitions, preview
from repsense.recordings.stretches import Stretch, cut_stretches
from repsense.timestamps import MICROSECONDS

__all__ = ["TakeMovement", "look_at_take"]


@dataclass(frozen=True, slots=True)
class TakeMovement:
    """What moves between two times; all times are microseconds since 1970.

    Attributes:
        n_samples: How many samples there are, with those that were filled in.
        onset_us: When the movement begins; None as long as there is none.
        end_us: When it ends, or how far it is.
        repetitions_us: The middle of each repetition.
        preview: Movement, evenly spread over the samples, m/s^2.
        interruptions: When the signal broke off, and why.
    """

    n_samples: int
    onset_us: int | None
    end_us: int | None
    repetitions_us: list[int]
    preview: list[float]
    interruptions: list[tuple[int, str]]


def look_at_take(chunks: Sequence[SamplesDocument], from_us: int, to_us: int) -> TakeMovement:
    """See what moves in stored samples.

    Args:
        chunks: Of one sensor.
        from_us: From when.
        to_us: Until when, exclusive.
    """
    stretches = cut_stretches(chunks, from_us, to_us)
    bounds_us: list[int] = []
    repetitions_us: list[int] = []
    for stretch in stretches:
        signal = (stretch.samples, stretch.channels, stretch.sample_rate_hz)
        if max(preview(*signal)) >= AT_REST_M_S2:
            bounds_us += [_time_us(stretch, index) for index in find_movement(*signal)]
            repetitions_us += [_time_us(stretch, index) for index in find_repetitions(*signal)]
    return TakeMovement(
        n_samples=sum(len(stretch.samples) for stretch in stretches),
        onset_us=bounds_us[0] if bounds_us else None,
        end_us=bounds_us[-1] if bounds_us else None,
        repetitions_us=repetitions_us,
        preview=_preview(stretches),
        interruptions=[(one.ended_us, one.interruption) for one in stretches if one.interruption is not None],
    )


def _preview(stretches: Sequence[Stretch]) -> list[float]:
    """Of all stretches together, as far as they have the channels and the rate of the last one."""
    if not stretches:
        return []
    last = stretches[-1]
    alike = [
        one.samples for one in stretches if (one.channels, one.sample_rate_hz) == (last.channels, last.sample_rate_hz)
    ]
    return preview(np.concatenate(alike), last.channels, last.sample_rate_hz)


def _time_us(stretch: Stretch, index: int) -> int:
    return stretch.started_us + round(index * MICROSECONDS / stretch.sample_rate_hz)
