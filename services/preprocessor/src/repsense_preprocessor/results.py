"""The documents and messages in which the results of the pipeline leave it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repsense.documents import (
    ClassificationDocument,
    LabelDocument,
    SamplesDocument,
    SensorDocument,
    SetDocument,
    encode_samples,
    model_key,
    sensor_key,
)
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense.messages import (
    SCHEMA_VERSION,
    ClassificationMessage,
    LabelProbability,
    RunningSet,
    SamplesMessage,
    UnclassifiedReason,
)
from repsense.streams import StreamReassembler
from repsense.timestamps import from_epoch_us, to_epoch_us
from repsense.windows import Window

__all__ = ["WindowResult", "samples_document", "sensor_document"]


@dataclass(frozen=True, slots=True)
class WindowResult:
    """Everything that is known of one window in the end.

    Attributes:
        sensor_id: Whose it is.
        stream_id: Of which connection.
        window: Its times.
        label: What to tell a person; None is "unknown".
        confidence: In that label.
        probabilities: (n_classes,); None if it was not classified.
        unclassified_reason: Why it was not.
        running_set: The set that goes on with this window.
        simulated: Whether nobody moved.
    """

    sensor_id: str
    stream_id: str
    window: Window
    label: Label | None
    confidence: float
    probabilities: NDArray[np.float64] | None
    unclassified_reason: UnclassifiedReason | None
    running_set: SetDocument | None
    simulated: bool

    def document(self, manifest: ModelManifest) -> ClassificationDocument:
        """What is stored."""
        start_us = self.window.start_us
        return ClassificationDocument(
            _id=f"{self.sensor_id}:{model_key(manifest.name, manifest.version)}:{start_us}",
            sensor_key=sensor_key(self.sensor_id, start_us),
            sensor_id=self.sensor_id,
            stream_id=self.stream_id,
            model_name=manifest.name,
            model_version=manifest.version,
            window_start_us=start_us,
            window_end_us=self.window.end_us,
            last_sequence=self.window.last_sequence,
            label=_label_document(self.label),
            confidence=round(self.confidence, 6),
            window_label=_label_document(self._window_label(manifest)),
            probabilities=None if self.probabilities is None else self.probabilities.tolist(),
            unclassified_reason=self.unclassified_reason,
            simulated=self.simulated,
        )

    def message(self, manifest: ModelManifest) -> ClassificationMessage:
        """What is published."""
        probabilities = None
        if self.probabilities is not None:
            probabilities = tuple(
                LabelProbability.model_construct(label=label, probability=probability)
                for label, probability in zip(manifest.labels, self.probabilities.tolist(), strict=True)
            )
        # Our own values need no validation, which would double the cost of a message.
        return ClassificationMessage.model_construct(
            schema_version=SCHEMA_VERSION,
            sensor_id=self.sensor_id,
            stream_id=self.stream_id,
            model_name=manifest.name,
            model_version=manifest.version,
            window_start_at=from_epoch_us(self.window.start_us),
            window_end_at=from_epoch_us(self.window.end_us),
            last_sequence=self.window.last_sequence,
            label=self.label,
            confidence=round(self.confidence, 6),
            window_label=self._window_label(manifest),
            probabilities=probabilities,
            unclassified_reason=self.unclassified_reason,
            running_set=None if self.running_set is None else _running_set(self.running_set),
            simulated=self.simulated,
        )

    def _window_label(self, manifest: ModelManifest) -> Label | None:
        return None if self.probabilities is None else manifest.labels[int(np.argmax(self.probabilities))]


def samples_document(
    message: SamplesMessage, samples: NDArray[np.float32], first_us: int, last_us: int
) -> SamplesDocument:
    """What is stored of a samples message.

    Args:
        message: The message.
        samples: Its samples, (n_samples, n_channels) float32.
        first_us: Time of the first sample, microseconds since 1970.
        last_us: Time of the last sample.
    """
    return SamplesDocument(
        _id=f"{message.stream_id}:{message.sequence:012d}",
        sensor_key=sensor_key(message.sensor_id, first_us),
        sensor_id=message.sensor_id,
        stream_id=message.stream_id,
        sequence=message.sequence,
        n_lost_before=message.n_lost_before,
        n_samples=len(samples),
        first_sample_us=first_us,
        last_sample_us=last_us,
        sample_rate_hz=message.sample_rate_hz,
        channels=[channel.value for channel in message.channels],
        samples=encode_samples(samples),
        simulated=message.simulated,
    )


def sensor_document(
    opened_by: SamplesMessage,
    reassembler: StreamReassembler,
    *,
    n_samples: int,
    last_sample_us: int,
    problem: str | None,
) -> SensorDocument:
    """What is stored of a sensor.

    Args:
        opened_by: The first message of its newest stream.
        reassembler: Of that stream.
        n_samples: How many samples have come.
        last_sample_us: Time of the newest one, microseconds since 1970.
        problem: Why the stream is not classified, in words.
    """
    return SensorDocument(
        _id=opened_by.sensor_id,
        stream_id=opened_by.stream_id,
        channels=[channel.value for channel in opened_by.channels],
        sample_rate_hz=opened_by.sample_rate_hz,
        first_seen_us=to_epoch_us(opened_by.first_sample_at),
        last_sample_us=last_sample_us,
        n_samples=n_samples,
        n_lost=reassembler.n_lost,
        n_duplicate=reassembler.n_duplicate,
        problem=problem,
        simulated=opened_by.simulated,
    )


def _label_document(label: Label | None) -> LabelDocument | None:
    return None if label is None else LabelDocument(exercise=label.exercise, form=label.form)


def _running_set(document: SetDocument) -> RunningSet:
    forms = document["form_windows"]
    n_known = sum(forms.values())
    return RunningSet.model_construct(
        set_id=document["_id"],
        exercise=document["exercise"],
        form=document["form"],
        started_at=from_epoch_us(document["started_us"]),
        ended_at=from_epoch_us(document["ended_us"]),
        n_windows=document["n_windows"],
        incorrect_share=forms.get("incorrect", 0) / n_known if n_known else None,
    )
