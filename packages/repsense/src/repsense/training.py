"""What to train: a selection of recordings and a configuration, as users, the REST API and the trainer exchange them.

Nothing here trains; the trainer does. Other services check what they are asked to pass on to it.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from repsense.channels import Channel
from repsense.labels import Label

__all__ = [
    "Augmentation",
    "EvaluationConfiguration",
    "ModelName",
    "NetworkConfiguration",
    "RecordingSelection",
    "TrainingConfiguration",
    "WindowConfiguration",
]

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]

_Share = Annotated[float, Field(ge=0, le=1)]
_Deviation = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RecordingSelection(_Part):
    """Which of the stored recordings; a filter that is None lets everything pass."""

    ids: tuple[str, ...] | None = None
    subjects: tuple[str, ...] | None = None
    sessions: tuple[str, ...] | None = None
    labels: tuple[Label, ...] | None = None
    sensors: tuple[str, ...] | None = None


class WindowConfiguration(_Part):
    """How recordings are cut into windows, in training and in use alike."""

    sample_rate_hz: Annotated[float, Field(gt=0, le=1000)] | None = None
    """None is the lowest rate among the recordings, but not more than 12.5 Hz."""
    window_s: Annotated[float, Field(gt=0, le=60)] = 2.5
    stride_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    """From one window's start to the next one's."""
    channels: tuple[Channel, ...] | None = None
    """What the network sees; None is every channel that all recordings have."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.stride_s > self.window_s:
            msg = "stride_s: larger than window_s, samples would be left out"
            raise ValueError(msg)
        return self


class EvaluationConfiguration(_Part):
    """Which figures are worked out before the network is trained on everything; each costs trainings."""

    group_by: Literal["subject", "session"] | None = None
    """What is left out together; None is the subject, or the session where there are not two subjects."""
    leave_one_group_out: bool = True
    max_folds: Annotated[int, Field(ge=2)] = 20
    """With more groups than this, several are left out together."""
    unknown: bool = True
    """Leave out each label once, to see whether it comes out as unknown."""
    few_shot: bool = False
    """Train on one group, on two, ... and test on the others."""


class Augmentation(_Part):
    """Strength of each random change to a training window; 0 leaves it out.

    There is no random amplitude of the whole movement: amplitude is what tells an incorrect push-up, which is a small
    one, from a correct one. The field's alone may vary, since it depends on more than the movement.
    """

    magnetic_field_offset_ut: _Deviation = 8.0
    """Standard deviation of an offset that is constant over a window: another room, another way of wearing the sensor.

    A sensor whose level the network does not see needs none.
    """
    magnetic_swing: _Deviation = 0.5
    """Standard deviation of the logarithm of a factor on the field's change within a window.

    How far the field turns in the sensor's frame depends on where a person faces, not on the movement alone.
    """
    rotation_rad: Annotated[float, Field(ge=0, le=3.2)] = 0.2
    """Standard deviation of each component of a rotation of the sensor's frame: nobody wears a sensor twice alike.

    It turns all sensors alike, so it is only for those whose axes are aligned with each other.
    """
    gain: _Deviation = 0.03
    """Standard deviation of each channel's gain about 1."""
    acceleration_noise_m_s2: _Deviation = 0.8
    angular_rate_noise_rad_s: _Deviation = 0.3
    magnetic_field_noise_ut: _Deviation = 2.0
    statistics_share: _Share = 0.25
    """Of the offsets and noise above, in the windows that the statistics are learned from."""
    duplicated_share: _Share = 0.1
    """Share of windows in which one sample repeats the one before, as when a sensor is polled too early."""
    interpolated_share: _Share = 0.1
    """Share of windows in which one sample was lost and is interpolated."""


class NetworkConfiguration(_Part):
    """The network's size and how it is trained."""

    level_channels: tuple[Channel, ...] | None = None
    """The channels whose level, and not only whose change within a window, the network sees; None is all of them.

    A channel with another constant offset on every occasion does not belong here.
    """
    units: Annotated[int, Field(ge=1, le=512)] = 50
    """Per direction and layer, as in the research prototype."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    statistics_units: Annotated[int, Field(ge=1, le=1024)] = 64
    """Of each member that sees the statistics of the window."""
    statistics_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    epochs: Annotated[int, Field(ge=1, le=1000)] = 25
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    """At most; with little data a batch is smaller, so that an epoch has enough steps to learn something."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 4e-3
    """The highest; it rises over two epochs and then falls along a cosine."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-3
    gradient_norm_limit: Annotated[float, Field(gt=0)] = 1.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    averaged_share: Annotated[float, Field(gt=0, le=1)] = 0.15
    """How far back the running average of the weights, which is what is kept, reaches: as a share of the training."""


class TrainingConfiguration(_Part):
    """Everything that decides what a network becomes, but for the recordings."""

    windows: WindowConfiguration = WindowConfiguration()
    network: NetworkConfiguration = NetworkConfiguration()
    augmentation: Augmentation = Augmentation()
    evaluation: EvaluationConfiguration = EvaluationConfiguration()
    background: tuple[Label, ...] = ()
    """Labels that are no exercise, such as rest."""
    seed: Annotated[int, Field(ge=0)] = 0
