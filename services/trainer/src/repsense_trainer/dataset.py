"""Datasets: labelled recordings in groups (sessions or subjects), and the windows cut from them.

A split is made between groups of recordings, before anything is cut: neighbouring windows share samples, so a split
between windows would let the network see what it is tested on.
"""

import hashlib
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from repsense.channels import Channel, channel_indices
from repsense.labels import Label
from repsense.recordings import Recording, read_recordings
from repsense.windows import sliding_windows
from repsense_trainer.errors import DatasetError

__all__ = ["Dataset", "DatasetDescription", "LabelledRecording", "WindowSet", "load_dataset"]


class DatasetDescription(BaseModel):
    """What a dataset's TOML file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Name of the dataset and of the model trained on it."""
    recordings: str
    """The recordings' file, relative to the data folder; see `repsense.recordings` for its columns."""
    sample_rate_hz: Annotated[float, Field(gt=0)]
    group_column: str
    """Tells apart what must not lie on both sides of a split, such as "session" or "subject"."""
    activity_column: str
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    """What the network sees."""
    level_channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    """The channels whose level, and not only whose change within a window, the network sees.

    A channel with another constant offset on every occasion does not belong here.
    """
    window_size: Annotated[int, Field(ge=2)]
    """Samples per window."""
    stride: Annotated[int, Field(ge=1)] = 1
    """Samples from one window's start to the next one's."""
    labels: Annotated[dict[str, Label], Field(min_length=2)]
    """From a value of the activity column to the label; the order is that of the network's outputs."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not set(self.level_channels) <= set(self.channels):
            msg = "level_channels: each must be one of channels"
            raise ValueError(msg)
        if len(set(self.labels.values())) != len(self.labels):
            msg = "labels: two activities have the same label"
            raise ValueError(msg)
        if self.stride > self.window_size:
            msg = "stride: larger than window_size, samples would be left out"
            raise ValueError(msg)
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a description.

        Raises:
            DatasetError: If the file cannot be read or is not a description.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            msg = f"cannot read the dataset description {path}: {error.strerror}; name one with --dataset"
            raise DatasetError(msg) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{path} is not TOML: {error}"
            raise DatasetError(msg) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            msg = f"{path} does not describe a dataset: {place + ': ' if place else ''}{first['msg']}"
            raise DatasetError(msg) from error


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A stretch of samples of one activity in one group.

    Attributes:
        samples: (n_samples, n_channels) float32, SI units, channels as in the description.
        label_index: Index of its label in `Dataset.labels`.
        group: Its session or subject.
    """

    samples: NDArray[np.float32]
    label_index: int
    group: str


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows of several recordings.

    Attributes:
        samples: (n_windows, window_size, n_channels) float32, SI units.
        label_indices: (n_windows,) int64.
        groups: (n_windows,) str.
    """

    samples: NDArray[np.float32]
    label_indices: NDArray[np.int64]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled recordings of one description."""

    description: DatasetDescription
    recordings: tuple[LabelledRecording, ...]

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels in the order of the network's outputs."""
        return tuple(self.description.labels.values())

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups in the order in which they first appear."""
        return tuple(dict.fromkeys(recording.group for recording in self.recordings))

    def split(self, left_out: Collection[str]) -> tuple["Dataset", "Dataset"]:
        """Divide into the recordings of the other groups and those of the groups left out.

        Raises:
            DatasetError: If a group does not exist, or the others do not have every label.
        """
        group_column = self.description.group_column
        for group in left_out:
            if group not in self.groups:
                msg = f"there is no {group_column} {group!r} to leave out; there are {', '.join(self.groups)}"
                raise DatasetError(msg)
        if set(left_out) == set(self.groups):
            msg = f"every {group_column} is left out: keep at least one to train on"
            raise DatasetError(msg)
        rest = replace(self, recordings=tuple(r for r in self.recordings if r.group not in left_out))
        out = replace(self, recordings=tuple(r for r in self.recordings if r.group in left_out))
        for index, label in enumerate(self.labels):
            if all(recording.label_index != index for recording in rest.recordings):
                msg = (
                    f"only {group_column} {', '.join(sorted(left_out))} has {label}, so without it nothing is left to "
                    f"learn {label} from: record it in another {group_column}, or train with --no-evaluate and "
                    "without --leave-out"
                )
                raise DatasetError(msg)
        return rest, out

    def windows(self) -> WindowSet:
        """Cut every recording into windows, as serving does; none spans two recordings.

        Raises:
            DatasetError: If no recording is as long as a window.
        """
        size, stride = self.description.window_size, self.description.stride
        cut = [sliding_windows(recording.samples, size, stride) for recording in self.recordings]
        counts = [len(windows) for windows in cut]
        if not sum(counts):
            msg = f"no recording is as long as a window of {size} samples: record for longer"
            raise DatasetError(msg)
        return WindowSet(
            np.concatenate(cut),
            np.repeat(np.array([recording.label_index for recording in self.recordings], dtype=np.int64), counts),
            np.repeat(np.array([recording.group for recording in self.recordings], dtype=np.str_), counts),
        )

    def fingerprint(self) -> str:
        """SHA-256 of everything that training depends on: samples, their labels and groups, rate and windows."""
        digest = hashlib.sha256(self.description.model_dump_json().encode())
        for recording in self.recordings:
            digest.update(f"{recording.group}\0{recording.label_index}\0{len(recording.samples)}\0".encode())
            digest.update(np.ascontiguousarray(recording.samples, dtype="<f4").tobytes())
        return digest.hexdigest()


def load_dataset(folder: Path, description: DatasetDescription) -> Dataset:
    """Read the recordings that a description speaks of.

    Args:
        folder: The data folder.
        description: What is in it.

    Raises:
        RecordingError: If the file cannot be read.
        DatasetError: If a column, a channel or a label is missing.
    """
    path = folder / description.recordings
    if not path.is_file():
        msg = f"{path} does not exist: name the folder that holds {description.recordings}"
        raise DatasetError(msg)
    recordings = read_recordings(
        path,
        sample_rate_hz=description.sample_rate_hz,
        split_by=(description.group_column, description.activity_column),
    )
    dataset = Dataset(description, tuple(_labelled(path, recording, description) for recording in recordings))
    present = {recording.label_index for recording in dataset.recordings}
    for index, activity in enumerate(description.labels):
        if index not in present:
            msg = f"{path} has no recording of {activity!r}: record it or take it out of the labels"
            raise DatasetError(msg)
    return dataset


def _labelled(path: Path, recording: Recording, description: DatasetDescription) -> LabelledRecording:
    try:
        columns = channel_indices(recording.channels, description.channels)
    except KeyError as error:
        msg = f"{path} has no column {str(error.args[0])!r}; the description's channels need it"
        raise DatasetError(msg) from error
    activity = recording.attributes[description.activity_column]
    if activity not in description.labels:
        msg = (
            f"{path} has recordings of {activity!r}, which has no label: give it one under [labels] in the dataset's "
            f"description (there are {', '.join(description.labels)})"
        )
        raise DatasetError(msg)
    return LabelledRecording(
        recording.samples[:, columns],
        list(description.labels).index(activity),
        recording.attributes[description.group_column],
    )
