"""The manifest of a model: everything that must be known to feed the network and to read its answer.

A model is a directory of TensorFlow Serving: `<model>/<version>/saved_model.pb`. The manifest lies in
`<version>/assets.extra/model.json`, beside `model.onnx`, which is the same network. The SavedModel returns it
too, through its signature "manifest", so that a client of the model server needs no file.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from repsense.channels import ACCELERATION, ANGULAR_RATE, UNITS, Channel
from repsense.errors import ManifestError
from repsense.labels import Label

__all__ = [
    "Calibration",
    "Evaluation",
    "FewShotPoint",
    "GroupAccuracy",
    "LeftOutLabel",
    "ModelManifest",
    "SecondAccuracy",
    "Stillness",
    "Training",
    "UnknownEvaluation",
    "latest_version",
    "load_manifest",
    "manifest_path",
    "onnx_path",
    "report_path",
]

_Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stillness(_Part):
    """Below both of these, nothing moves in a window and it is not classified; see `windows.motion`."""

    acceleration_m_s2: Annotated[float, Field(ge=0)]
    angular_rate_rad_s: Annotated[float, Field(ge=0)]


class Training(_Part):
    """Where the network comes from."""

    dataset: str
    dataset_fingerprint: str
    """SHA-256 of the data that it was trained on."""
    groups: tuple[str, ...]
    """The sessions or subjects whose recordings it saw."""
    n_windows: int
    seed: int
    duration_s: float
    configuration: dict[str, JsonValue]
    """The `training.TrainingConfiguration` in full."""
    libraries: dict[str, str]
    """Name and version of what computed it."""
    commit: str | None = None
    """The commit of RepSense's code, with "-dirty" if the code was changed since; None outside a checkout."""


class GroupAccuracy(_Part):
    """How the network did on one group while it was trained on the others."""

    group: str
    n_windows: int
    accuracy: _Share


class SecondAccuracy(_Part):
    """How windows did that ended so long after the activity had begun."""

    seconds: float
    n_windows: int
    accuracy: _Share
    """Of each window by itself."""
    accuracy_so_far: _Share
    """Of the mean of the probabilities of all windows from the beginning up to it."""


class Calibration(_Part):
    """Whether 0.9 means nine times out of ten."""

    temperature: Annotated[float, Field(gt=0)]
    """By which the logits are divided, in the graph."""
    error: _Share
    """Expected calibration error of the probabilities, each group's with a temperature fitted to the others."""
    error_before: _Share
    """The same without the temperature."""


class LeftOutLabel(_Part):
    """What became of a label's windows when the network had not been trained on it."""

    label: str
    auroc: _Share
    rejected_share: _Share
    """Share of its windows that came out as unknown."""


class UnknownEvaluation(_Part):
    """Whether what was never trained comes out as unknown; each label is left out once."""

    auroc: _Share
    """Mean over the labels: how well known and unknown windows are told apart, whatever the threshold."""
    lost_share: _Share
    """Share of the windows of known labels that came out as unknown, at the model's threshold."""
    rejected_share: _Share
    """Share of the windows of unknown labels that did: mean over the labels."""
    labels: tuple[LeftOutLabel, ...]


class FewShotPoint(_Part):
    """Accuracy on all other groups after training on so many."""

    n_groups: int
    n_trials: int
    accuracy: _Share
    """Mean over the trials, each with other groups."""
    lowest: _Share
    highest: _Share


class Evaluation(_Part):
    """Figures measured on groups that the evaluated networks had not seen."""

    method: str
    """For instance "leave one session out"."""
    group_by: Literal["subject", "session"] = "session"
    """What a group is."""
    accuracy: _Share
    accuracy_interval: tuple[_Share, _Share] | None = None
    """In which the accuracy of 95 of 100 such sets of groups would lie; None with too few groups to tell."""
    macro_f1: _Share
    """Mean over the labels that were tested."""
    recall: dict[str, _Share]
    """Per label that was tested, by its text."""
    untested: dict[str, int] = {}
    """Windows per label that could not be tested, since no other group had the label to learn it from."""
    groups: tuple[GroupAccuracy, ...]
    confusion: tuple[tuple[int, ...], ...] = ()
    """Windows by true label (rows) and most probable label (columns), in the order of the manifest's labels."""
    lost_share: _Share | None = None
    """Share of the windows of exercises that the confidence threshold, which was chosen on them, makes unknown."""
    by_second: tuple[SecondAccuracy, ...] = ()
    calibration: Calibration | None = None
    unknown: UnknownEvaluation | None = None
    few_shot: tuple[FewShotPoint, ...] = ()


class ModelManifest(_Part):
    """What `assets.extra/model.json` holds."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    version: Annotated[int, Field(ge=1)]
    created_at: AwareDatetime
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    """In the order of the network's outputs. Their probabilities add up to at most 1; the rest is "none of these"."""
    background: tuple[Label, ...] = ()
    """Those among the labels that are no exercise, such as rest: they were trained so that they are not mistaken for
    one, and come out as "unknown"."""
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    """In the order of the network's inputs."""
    units: dict[Channel, str]
    sample_rate_hz: Annotated[float, Field(gt=0)]
    window_size: Annotated[int, Field(ge=1)]
    """Samples per window."""
    stride: Annotated[int, Field(ge=1)]
    """Samples from one window's start to the next one's."""
    normalisation: Literal["in-graph"] = "in-graph"
    """The network takes raw values in SI units; nothing outside it scales them."""
    confidence_threshold: _Share
    """Below this probability a window counts as "unknown"."""
    stillness: Stillness | None = None
    training: Training
    evaluation: Evaluation | None = None
    """None for a model that was trained without evaluation."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            msg = "labels: one is there twice"
            raise ValueError(msg)
        if not set(self.background) < set(self.labels):
            msg = "background: each must be one of labels, and one label must be left"
            raise ValueError(msg)
        if self.units != {channel: UNITS[channel] for channel in self.channels}:
            msg = f"units: must be {', '.join(f'{c} {UNITS[c]}' for c in self.channels)}"
            raise ValueError(msg)
        if self.stillness is not None and not {*ACCELERATION, *ANGULAR_RATE} <= {*self.channels}:
            msg = "stillness: needs the channels of acceleration and angular rate"
            raise ValueError(msg)
        if self.stride > self.window_size:
            msg = "stride: larger than window_size, samples would be left out"
            raise ValueError(msg)
        return self

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        return self.window_size / self.sample_rate_hz

    @classmethod
    def decode(cls, text: str | bytes, source: str) -> Self:
        """Parse a manifest.

        Args:
            text: The JSON.
            source: Where it comes from, for the error.

        Raises:
            ManifestError: In one line, if it is not a manifest.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "manifest"
            msg = f"{source} is not a model manifest: {place}: {first['msg']}"
            raise ManifestError(msg) from error


def manifest_path(version_directory: Path) -> Path:
    """Where the manifest lies in a model version's directory."""
    return version_directory / "assets.extra" / "model.json"


def onnx_path(version_directory: Path) -> Path:
    """Where the ONNX form of the network lies in a model version's directory."""
    return version_directory / "assets.extra" / "model.onnx"


def report_path(version_directory: Path) -> Path:
    """Where the report of the evaluation lies in a model version's directory; it may be missing."""
    return version_directory / "assets.extra" / "report.html"


def latest_version(model_directory: Path) -> Path:
    """The version directory with the highest number, as TensorFlow Serving picks it.

    Raises:
        ManifestError: If there is none, or the directory cannot be read.
    """
    try:
        versions = [path for path in model_directory.iterdir() if path.name.isdecimal() and path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        versions = []
    except OSError as error:
        msg = f"cannot read {model_directory}: {error.strerror}"
        raise ManifestError(msg) from error
    if not versions:
        msg = f"no model in {model_directory}: it needs a directory named by a version, such as {model_directory}/1"
        raise ManifestError(msg)
    return max(versions, key=lambda path: int(path.name))


def load_manifest(version_directory: Path) -> ModelManifest:
    """Read the manifest of a model version.

    Raises:
        ManifestError: If it is missing or wrong.
    """
    path = manifest_path(version_directory)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}"
        raise ManifestError(msg) from error
    return ModelManifest.decode(text, str(path))
