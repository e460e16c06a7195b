"""How much a sensor moved over hours, without reading every sample of them.

A day has some 400,000 chunks of samples, which would take the embedded database half a minute. So a few chunks are
looked at in each step, evenly spread, and what was seen of the past is remembered:

    steps    |               |               |
    chunks   |###....###.....|###....###.....|
"""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from repsense.documents import SamplesDocument
from repsense.recordings.movement import movement
from repsense.recordings.stretches import cut_stretches
from repsense.timestamps import MICROSECONDS, now_us
from repsense_inference.ports import SampleReader

__all__ = ["MAX_STEPS", "MovementTimelines", "choose_step_us"]

MAX_STEPS = 600
_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800)
_READ_WHOLE_US = 600 * MICROSECONDS
"""So much is read in a fraction of a second."""
_MAX_LOOKS = 400
"""Queries for one timeline: each takes the embedded database and this service a millisecond together."""
_LOOKS_PER_STEP = 2
_CHUNKS_PER_LOOK = 3
_SETTLED_US = 60 * MICROSECONDS
_MAX_REMEMBERED = 50_000
_DIGITS = 2
_FOREVER_US = 1 << 62


def choose_step_us(duration_us: int, max_points: int) -> int:
    """The shortest even step that cuts a duration into at most so many parts, and `MAX_STEPS`, wherever it begins."""
    n_steps = min(max_points, MAX_STEPS) - 1
    for step_s in _STEPS_S:
        step_us = round(step_s * MICROSECONDS)
        if duration_us <= n_steps * step_us:
            return step_us
    return -(-duration_us // n_steps)


class MovementTimelines:
    """Looks at stored samples."""

    def __init__(self, samples: SampleReader) -> None:
        self._samples = samples
        self._lock = threading.Lock()
        self._remembered: dict[tuple[str, int, int], float] = {}

    def read(self, sensor_id: str, first_step: int, last_step: int, step_us: int) -> list[float | None]:
        """How strong the movement was in each step, m/s^2; None where nothing is stored.

        Args:
            sensor_id: The sensor.
            first_step: Counted from 1970.
            last_step: Inclusive.
            step_us: How long each is.

        Raises:
            DatabaseUnavailableError: If the database does not answer.
        """
        steps = range(first_step, last_step + 1)
        if len(steps) * step_us <= _READ_WHOLE_US:
            chunks = self._samples.between(sensor_id, steps.start * step_us, steps.stop * step_us)
            found = _by_step(chunks, step_us)
            return [found.get(step) for step in steps]
        oldest = self._samples.oldest(sensor_id)
        if oldest is None:
            return [None] * len(steps)
        kept_from = oldest["first_sample_us"] // step_us
        with self._lock:
            known = {step: self._remembered.get((sensor_id, step_us, step)) for step in steps if step >= kept_from}
        looked = self._look(sensor_id, [step for step, value in known.items() if value is None], step_us)
        self._remember(sensor_id, looked, step_us)
        return [looked.get(step, known.get(step)) for step in steps]

    def forget(self) -> None:
        """Forget what was seen, since it may have been deleted."""
        with self._lock:
            self._remembered.clear()

    def _look(self, sensor_id: str, steps: Sequence[int], step_us: int) -> dict[int, float]:
        """Look at some steps; those in which nothing is stored are left out."""
        n_looks = min(_LOOKS_PER_STEP, max(1, _MAX_LOOKS // max(1, len(steps))))
        found: dict[int, float] = {}
        empty_before_us = 0
        for step in steps:
            edges_us = [step * step_us + look * step_us // n_looks for look in range(n_looks + 1)]
            for from_us, to_us in pairwise(edges_us):
                if to_us <= empty_before_us:
                    continue
                chunks = self._samples.following(sensor_id, from_us, _CHUNKS_PER_LOOK)
                if not chunks:
                    return found
                empty_before_us = chunks[0]["first_sample_us"]
                within = [chunk for chunk in chunks if chunk["first_sample_us"] < to_us]
                if within:
                    found[step] = max(found.get(step, 0.0), *_by_step(within, step_us).values())
        return found

    def _remember(self, sensor_id: str, looked: Mapping[int, float], step_us: int) -> None:
        settled_before_us = now_us() - _SETTLED_US
        with self._lock:
            if len(self._remembered) + len(looked) > _MAX_REMEMBERED:
                self._remembered.clear()
            for step, value in looked.items():
                if (step + 1) * step_us <= settled_before_us:
                    self._remembered[sensor_id, step_us, step] = value


def _by_step(chunks: Sequence[SamplesDocument], step_us: int) -> dict[int, float]:
    """The mean movement in each step with a sample."""
    strengths: defaultdict[int, list[NDArray[np.float32]]] = defaultdict(list)
    for stretch in cut_stretches(chunks, 0, _FOREVER_US):
        moves = movement(stretch.samples, stretch.channels, stretch.sample_rate_hz)
        times_us = stretch.started_us + np.arange(len(moves)) * (MICROSECONDS / stretch.sample_rate_hz)
        steps = (times_us // step_us).astype(np.int64)
        for step in np.unique(steps):
            strengths[int(step)].append(moves[steps == step])
    # What is too short to move is there nevertheless.
    silent = {chunk["first_sample_us"] // step_us: 0.0 for chunk in chunks}
    return silent | {step: round(float(np.concatenate(parts).mean()), _DIGITS) for step, parts in strengths.items()}
