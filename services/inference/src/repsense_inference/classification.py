"""Classifying one recording at once: the same resampling and windows as the preprocessor's, without a stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.channels import Channel
from repsense.classifiers import Classifier
from repsense.errors import StreamError
from repsense.labels import Label
from repsense.manifest import ModelManifest, Stillness
from repsense.messages import UnclassifiedReason
from repsense.resampling import Resampler
from repsense.streams import Run
from repsense.timestamps import MICROSECONDS
from repsense.windows import SlidingWindower, Window, motion
from repsense_inference.errors import UnusableSamplesError

__all__ = ["MAX_DURATION_S", "WindowResult", "classify_recording"]

MAX_DURATION_S = 600.0
"""Ten minutes: enough for a set or a test, and never long enough to keep others waiting."""

_BATCH_SIZE = 256
"""Windows per call of the network: bounds memory, and a model server answers well within its deadline."""


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result for one window.

    Attributes:
        start_s: Time of its first sample, from the recording's first.
        end_s: One sample period after its last sample.
        label: None below the model's confidence threshold, if it is no exercise, or when nothing moved.
        confidence: The highest probability; 0 when nothing moved.
        probabilities: One per label of the model; empty when nothing moved.
        unclassified_reason: "still" when nothing moved.
    """

    start_s: float
    end_s: float
    label: Label | None
    confidence: float
    probabilities: tuple[float, ...]
    unclassified_reason: UnclassifiedReason | None


def classify_recording(
    samples: Sequence[Sequence[float]], channels: Sequence[str], sample_rate_hz: float, classifier: Classifier
) -> list[WindowResult]:
    """Cut a recording into windows and classify each.

    Args:
        samples: (n_samples, n_channels) in SI units, finite; at least one sample.
        channels: What the columns are; those that the model does not know are ignored.
        sample_rate_hz: Rate of the recording.
        classifier: The network.

    Returns:
        One result per window, in order.

    Raises:
        UnusableSamplesError: If the recording does not fit the model; the text says what to send.
        ClassifierError: If the network gives no answer.
    """
    manifest = classifier.manifest
    array = _checked_array(samples, channels, sample_rate_hz, manifest)
    try:
        resampled = Resampler(sample_rate_hz, manifest.sample_rate_hz).push(Run(0, 0, array))
    except StreamError as error:
        msg = (
            f"sample_rate_hz: {sample_rate_hz:g} Hz is too slow, {manifest.name} needs at least "
            f"{manifest.sample_rate_hz:g} Hz"
        )
        raise UnusableSamplesError(msg) from error
    windows = SlidingWindower(manifest.window_size, manifest.stride, manifest.sample_rate_hz).push(resampled)
    if not windows:
        msg = (
            f"samples: {len(array)} samples at {sample_rate_hz:g} Hz are {len(array) / sample_rate_hz:.3g} s, but a "
            f"window of {manifest.name} is {manifest.window_s:g} s long: send at least "
            f"{_samples_needed(manifest, sample_rate_hz)} samples"
        )
        raise UnusableSamplesError(msg)
    return [
        result
        for start in range(0, len(windows), _BATCH_SIZE)
        for result in _classify_batch(windows[start : start + _BATCH_SIZE], classifier)
    ]


def _checked_array(
    samples: Sequence[Sequence[float]], channels: Sequence[str], sample_rate_hz: float, manifest: ModelManifest
) -> NDArray[np.float32]:
    """The model's channels of the samples, in the model's order, shape (n_samples, n_channels) float32."""
    if len(set(channels)) != len(channels):
        msg = "channels: each may be named once, as each names one column of samples"
        raise UnusableSamplesError(msg)
    columns = {channel: column for column, channel in enumerate(channels)}
    missing = [channel for channel in manifest.channels if channel not in columns]
    if missing:
        msg = (
            f"channels: {manifest.name} needs {', '.join(manifest.channels)}, and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing"
        )
        raise UnusableSamplesError(msg)
    for index, sample in enumerate(samples):
        if len(sample) != len(channels):
            msg = (
                f"samples: sample {index} has {len(sample)} values; every sample needs {len(channels)}, "
                "one for each of the channels"
            )
            raise UnusableSamplesError(msg)
    if len(samples) > MAX_DURATION_S * sample_rate_hz:
        msg = (
            f"samples: {len(samples)} samples at {sample_rate_hz:g} Hz are {len(samples) / sample_rate_hz:g} s; "
            f"send at most {MAX_DURATION_S:g} s at a time"
        )
        raise UnusableSamplesError(msg)
    array = np.asarray(samples, dtype=np.float32)
    return array[:, [columns[channel] for channel in manifest.channels]]


def _samples_needed(manifest: ModelManifest, sample_rate_hz: float) -> int:
    """How many samples at a rate make one window; `Resampler` takes nearly equal rates as equal."""
    first_sample_after = round((manifest.window_size - 1) * max(1.0, sample_rate_hz / manifest.sample_rate_hz), 6)
    return int(np.ceil(first_sample_after)) + 1


def _classify_batch(windows: Sequence[Window], classifier: Classifier) -> Iterator[WindowResult]:
    manifest = classifier.manifest
    # A recording has no gaps, so every window has samples.
    batch = np.stack([window.samples for window in windows if window.samples is not None])
    moving = ~_is_still(batch, manifest.channels, manifest.stillness)
    probabilities = iter(classifier.classify(batch[moving]))
    for window, moves in zip(windows, moving, strict=True):
        start_s, end_s = window.start_us / MICROSECONDS, window.end_us / MICROSECONDS
        if not moves:
            yield WindowResult(start_s, end_s, None, 0.0, (), "still")
            continue
        row = next(probabilities)
        best = int(row.argmax())
        confidence = float(row[best])
        label = manifest.labels[best]
        is_exercise = confidence >= manifest.confidence_threshold and label not in manifest.background
        yield WindowResult(start_s, end_s, label if is_exercise else None, confidence, tuple(row.tolist()), None)


def _is_still(
    batch: NDArray[np.float32], channels: Sequence[Channel], stillness: Stillness | None
) -> NDArray[np.bool_]:
    """Whether nothing moves, (n_windows,) bool."""
    if stillness is None:
        return np.zeros(len(batch), dtype=np.bool_)
    acceleration, angular_rate = motion(batch, channels)
    return (acceleration < stillness.acceleration_m_s2) & (angular_rate < stillness.angular_rate_rad_s)
