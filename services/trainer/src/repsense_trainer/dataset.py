"""Datasets: labelled recordings in groups (subjects or sessions), and the windows cut from them.

A split is made between groups of recordings, before anything is cut: neighbouring windows share samples, so a split
between windows would let the network see what it is tested on.
"""

import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from repsense.channels import CHANNELS, Channel, channel_indices
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.resampling import resample
from repsense.training import WindowConfiguration
from repsense.windows import sliding_windows
from repsense_trainer.errors import DatasetError

__all__ = ["UNNAMED", "Cut", "Dataset", "GroupBy", "LabelledRecording", "WindowSet", "make_dataset"]

_LOGGER = logging.getLogger(__name__)

GroupBy = Literal["subject", "session"]

MAX_DEFAULT_RATE_HZ = 12.5
"""On the barbell recordings 25 Hz is no better, and takes twice the time to train."""
MIN_LABELS = 2
UNNAMED = "everything"
"""The one group of recordings that do not say where they belong."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How recordings become windows: a `WindowConfiguration` with nothing left open.

    Attributes:
        sample_rate_hz: Of the windows.
        window_size: Samples per window.
        stride: Samples from one window's start to the next one's.
        channels: In the order of a window's columns.
    """

    sample_rate_hz: float
    window_size: int
    stride: int
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A stretch of samples of one activity in one group, ready to be cut.

    Attributes:
        samples: (n_samples, n_channels) float32, SI units, at the rate and with the channels of the dataset's cut.
        label_index: Index of its label in `Dataset.labels`.
        group: Its subject or session.
        activity_s: How long the activity had been going on at the first sample.
    """

    samples: NDArray[np.float32]
    label_index: int
    group: str
    activity_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows of several recordings.

    Attributes:
        samples: (n_windows, window_size, n_channels) float32, SI units.
        label_indices: (n_windows,) int64.
        groups: (n_windows,) str.
        recordings: (n_windows,) int64, the index of the recording that each was cut from.
        seconds: (n_windows,) float64, from the beginning of the activity to the end of the window.
    """

    samples: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    groups: NDArray[np.str_]
    recordings: NDArray[np.int64]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled recordings, and how they are cut and grouped.

    Attributes:
        recordings: In the order of their source.
        labels: In the order of the network's outputs.
        cut: How they become windows.
        group_by: What the groups are.
    """

    recordings: tuple[LabelledRecording, ...]
    labels: tuple[Label, ...]
    cut: Cut
    group_by: GroupBy

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups in the order in which they first appear."""
        return tuple(dict.fromkeys(recording.group for recording in self.recordings))

    @property
    def present_labels(self) -> tuple[Label, ...]:
        """Those of the labels that some recording has."""
        present = {recording.label_index for recording in self.recordings}
        return tuple(label for index, label in enumerate(self.labels) if index in present)

    def split(self, left_out: Collection[str]) -> tuple["Dataset", "Dataset"]:
        """Divide into the recordings of the other groups and those of the groups left out.

        Raises:
            DatasetError: If a group does not exist, or none would be left.
        """
        for group in left_out:
            if group not in self.groups:
                msg = f"there is no {self.group_by} {group!r} to leave out; there are {', '.join(self.groups)}"
                raise DatasetError(msg)
        if set(left_out) == set(self.groups):
            msg = f"every {self.group_by} is left out: keep at least one to train on"
            raise DatasetError(msg)
        rest = replace(self, recordings=tuple(r for r in self.recordings if r.group not in left_out))
        out = replace(self, recordings=tuple(r for r in self.recordings if r.group in left_out))
        return rest, out

    def only(self, labels: Sequence[Label]) -> "Dataset":
        """The recordings of some of the labels, which become all that there are."""
        index_of = {self.labels.index(label): index for index, label in enumerate(labels)}
        recordings = tuple(
            replace(recording, label_index=index_of[recording.label_index])
            for recording in self.recordings
            if recording.label_index in index_of
        )
        return replace(self, recordings=recordings, labels=tuple(labels))

    def windows(self) -> WindowSet:
        """Cut every recording into windows, as serving does; none spans two recordings.

        Raises:
            DatasetError: If no recording is as long as a window.
        """
        cut = self.cut
        windows = [sliding_windows(recording.samples, cut.window_size, cut.stride) for recording in self.recordings]
        counts = [len(of_recording) for of_recording in windows]
        if not sum(counts):
            window_s = cut.window_size / cut.sample_rate_hz
            msg = f"no recording is as long as a window of {window_s:g} s: record for longer, or take a shorter window"
            raise DatasetError(msg)
        ends = [
            recording.activity_s + (np.arange(count) * cut.stride + cut.window_size) / cut.sample_rate_hz
            for recording, count in zip(self.recordings, counts, strict=True)
        ]
        return WindowSet(
            np.concatenate(windows),
            np.repeat(np.array([recording.label_index for recording in self.recordings], dtype=np.int64), counts),
            np.repeat(np.array([recording.group for recording in self.recordings], dtype=np.str_), counts),
            np.repeat(np.arange(len(self.recordings)), counts),
            np.concatenate(ends),
        )

    def check_lengths(self) -> None:
        """Make sure that there is something to learn of every label, and log what is too short to be used.

        Raises:
            DatasetError: If no recording of a label is as long as a window; it names the labels.
        """
        window_s = self.cut.window_size / self.cut.sample_rate_hz
        usable = [recording for recording in self.recordings if len(recording.samples) >= self.cut.window_size]
        with_windows = {recording.label_index for recording in usable}
        without = [str(label) for index, label in enumerate(self.labels) if index not in with_windows]
        if without:
            of = "" if len(without) == len(self.labels) else f" of {' and '.join(without)}"
            msg = f"no recording{of} is as long as a window of {window_s:g} s: record for longer, or shorten the window"
            raise DatasetError(msg)
        if len(usable) < len(self.recordings):
            _LOGGER.warning(
                "%d of %d recordings are shorter than a window of %g s and not used",
                len(self.recordings) - len(usable),
                len(self.recordings),
                window_s,
            )

    def fingerprint(self) -> str:
        """SHA-256 of all that training takes from the data: samples, labels, groups, rate and windows."""
        cut = self.cut
        about = (cut.sample_rate_hz, cut.window_size, cut.stride, *cut.channels, self.group_by, *map(str, self.labels))
        digest = hashlib.sha256(repr(about).encode())
        for recording in self.recordings:
            digest.update(f"{recording.group}\0{recording.label_index}\0{len(recording.samples)}\0".encode())
            digest.update(np.ascontiguousarray(recording.samples, dtype="<f4").tobytes())
        return digest.hexdigest()


def make_dataset(
    recordings: Sequence[Recording],
    windows: WindowConfiguration,
    group_by: GroupBy | None = None,
    labels: Sequence[Label] | None = None,
) -> Dataset:
    """Prepare recordings for training.

    Of several with the same samples and label, as when a file was imported twice under different sessions, only the
    last one is used: else one could be tested by a network that was trained on the other.

    Args:
        recordings: Each with a label.
        windows: How to cut them.
        group_by: What must not lie on both sides of a split; None is the subject, or the session where there are not
            two subjects. If some recordings do not say either, all are one group: any two may be of one occasion. So
            may two sessions of the same name, if it is not known whose one of them is.
        labels: In the order of a network's outputs; None is those of the recordings, by name.

    Raises:
        DatasetError: If they cannot be trained on; the text says what is missing.
        StreamError: If a recording is slower than the rate that `windows` asks for.
    """
    recordings = _without_copies(recordings)
    labels = _labels(recordings) if labels is None else tuple(labels)
    cut = _cut(recordings, windows)
    groups, group_by = _groups(recordings, group_by)
    prepared = tuple(
        LabelledRecording(
            samples=resample(
                recording.samples[:, channel_indices(recording.channels, cut.channels)],
                recording.sample_rate_hz,
                cut.sample_rate_hz,
            ),
            label_index=labels.index(label),
            group=group,
            activity_s=recording.activity_s,
        )
        for recording, group in zip(recordings, groups, strict=True)
        if (label := recording.label) is not None
    )
    return Dataset(prepared, labels, cut, group_by)


def _without_copies(recordings: Sequence[Recording]) -> list[Recording]:
    distinct = {(hashlib.sha256(one.samples.tobytes()).digest(), one.label): one for one in recordings}
    if len(distinct) < len(recordings):
        _LOGGER.warning(
            "%d of %d recordings are copies of others, under whatever name, and not used",
            len(recordings) - len(distinct),
            len(recordings),
        )
    return list(distinct.values())


def _labels(recordings: Sequence[Recording]) -> tuple[Label, ...]:
    n_unlabelled = sum(recording.label is None for recording in recordings)
    if n_unlabelled:
        msg = f"{n_unlabelled} of {len(recordings)} recordings have no label: label them, or leave them out"
        raise DatasetError(msg)
    labels = sorted({recording.label for recording in recordings if recording.label is not None}, key=str)
    if len(labels) < MIN_LABELS:
        found = f"all are {labels[0]}" if labels else "there are no recordings"
        msg = f"a network learns to tell activities apart, but {found}: record at least two activities"
        raise DatasetError(msg)
    return tuple(labels)


def _cut(recordings: Sequence[Recording], windows: WindowConfiguration) -> Cut:
    slowest_hz = min(recording.sample_rate_hz for recording in recordings)
    rate_hz = windows.sample_rate_hz or min(slowest_hz, MAX_DEFAULT_RATE_HZ)
    common = tuple(c for c in CHANNELS if all(c in recording.channels for recording in recordings))
    channels = windows.channels or common
    for channel in channels:
        if channel not in common:
            n_without = sum(channel not in recording.channels for recording in recordings)
            msg = f"{n_without} of {len(recordings)} recordings have no {channel}: leave it out of the channels"
            raise DatasetError(msg)
    if not channels:
        msg = "the recordings have no channel in common: train on those of one kind of sensor"
        raise DatasetError(msg)
    window_size = round(windows.window_s * rate_hz)
    min_size = 2
    if window_size < min_size:
        msg = f"a window of {windows.window_s:g} s has fewer than two samples at {rate_hz:g} Hz: take a longer one"
        raise DatasetError(msg)
    stride = min(max(1, round(windows.stride_s * rate_hz)), window_size)
    return Cut(rate_hz, window_size, stride, tuple(channels))


def _groups(recordings: Sequence[Recording], group_by: GroupBy | None) -> tuple[list[str], GroupBy]:
    """The group of each recording, and what the groups are."""
    subjects = {recording.subject for recording in recordings}
    if group_by is None and None not in subjects and len(subjects) > 1:
        group_by = "subject"
    n_unnamed = sum(recording.session is None for recording in recordings)
    if group_by is None and n_unnamed:
        _LOGGER.warning(
            "%d of %d recordings name no session, so none can be held out: say on which occasion each was taken",
            n_unnamed,
            len(recordings),
        )
        name = recordings[0].subject if len(subjects) == 1 else None
        return [name or UNNAMED] * len(recordings), "session"
    # Of nobody known: they may be the sessions that others have under the same name.
    nobodys = {recording.session for recording in recordings if recording.subject is None}
    return [_group(recording, group_by or "session", nobodys) for recording in recordings], group_by or "session"


def _group(recording: Recording, group_by: GroupBy, nobodys: Collection[str | None]) -> str:
    if group_by == "subject":
        if recording.subject is None:
            msg = "some recordings name no subject: say who it was, or group by session"
            raise DatasetError(msg)
        return recording.subject
    if recording.session is None:
        msg = "some recordings name no session: say on which occasion each was taken, or group by subject"
        raise DatasetError(msg)
    return recording.session if recording.session in nobodys else f"{recording.subject}/{recording.session}"
