"""Two versions of a model side by side, on recordings that neither was trained on."""

from collections.abc import Collection, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from repsense.classifiers import Classifier
from repsense.manifest import ModelManifest
from repsense.recordings import Recording
from repsense.training import WindowConfiguration
from repsense_trainer.dataset import UNNAMED, Dataset, make_dataset
from repsense_trainer.errors import DatasetError

__all__ = ["Comparison", "VersionFigures", "compare_versions", "unseen_recordings"]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class VersionFigures(_Result):
    """How one version did."""

    version: int
    n_windows: int
    accuracy: float
    """Share of windows whose most probable label is the true one."""
    shown_accuracy: float
    """Share of windows that are right and not below the confidence threshold: what a person would see."""
    unknown_share: float
    """Share of windows below the threshold."""
    recall: dict[str, float]
    groups: dict[str, float]
    """Accuracy in each session or subject."""


class Comparison(_Result):
    """Versions on the same recordings."""

    name: str
    n_recordings: int
    groups: tuple[str, ...]
    """The sessions or subjects that none of the versions was trained on."""
    labels: tuple[str, ...]
    """The labels that every version knows; recordings of others are left out."""
    versions: tuple[VersionFigures, ...]


def compare_versions(recordings: Sequence[Recording], classifiers: Sequence[Classifier]) -> Comparison:
    """Run versions on the recordings that none of them was trained on.

    Each version cuts its own windows, so their numbers may differ.

    Args:
        recordings: With labels.
        classifiers: Versions of one model.

    Raises:
        DatasetError: If no recording is left.
        StreamError: If a recording is slower than a version's rate.
        ClassifierError: If a version does not answer.
    """
    manifests = [classifier.manifest for classifier in classifiers]
    unseen = unseen_recordings(recordings, manifests)
    common = set.intersection(*(set(manifest.labels) for manifest in manifests))
    usable = [recording for recording in unseen if recording.label in common]
    if not usable:
        msg = "none of these recordings has a label that every version knows"
        raise DatasetError(msg)
    figures = [_figures(usable, classifier) for classifier in classifiers]
    return Comparison(
        name=manifests[0].name,
        n_recordings=len(usable),
        groups=tuple(figures[0].groups),
        labels=tuple(sorted(map(str, common))),
        versions=tuple(figures),
    )


def unseen_recordings(recordings: Sequence[Recording], manifests: Collection[ModelManifest]) -> list[Recording]:
    """The recordings whose session and subject none of the models was trained on.

    Raises:
        DatasetError: If every recording was, or if that cannot be known.
    """
    seen = {group for manifest in manifests for group in manifest.training.groups}
    if UNNAMED in seen:
        msg = (
            "a version was trained on recordings that do not say whose they are and of which session, so nobody knows "
            "what it has not seen: name the sessions of these, and train again"
        )
        raise DatasetError(msg)
    unseen = [recording for recording in recordings if (names := _names(recording)) and not seen & names]
    if not unseen:
        msg = (
            "every one of these recordings is, or may be, of a session or subject that a version was trained on, where "
            "each would look better than it is: give recordings of another one, or train with --leave-out"
        )
        raise DatasetError(msg)
    return unseen


def _names(recording: Recording) -> set[str]:
    """Under what the group of a recording may be in a manifest; empty if it does not say where it belongs."""
    names = [name for name in (recording.subject, recording.session) if name is not None]
    return {*names, "/".join(names)} if names else set()


def _figures(recordings: Sequence[Recording], classifier: Classifier) -> VersionFigures:
    manifest = classifier.manifest
    dataset = _dataset_for(recordings, manifest)
    windows = dataset.windows()
    probabilities = classifier.classify(windows.samples)
    said, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    is_right = said == windows.label_indices
    is_known = confidence >= manifest.confidence_threshold
    return VersionFigures(
        version=manifest.version,
        n_windows=len(windows),
        accuracy=float(is_right.mean()),
        shown_accuracy=float((is_right & is_known).mean()),
        unknown_share=float((~is_known).mean()),
        recall={
            str(label): float(is_right[windows.label_indices == index].mean())
            for index, label in enumerate(manifest.labels)
            if (windows.label_indices == index).any()
        },
        groups={group: float(is_right[windows.groups == group].mean()) for group in np.unique(windows.groups).tolist()},
    )


def _dataset_for(recordings: Sequence[Recording], manifest: ModelManifest) -> Dataset:
    """Recordings as a model needs them: its windows, its labels in its order.

    Raises:
        DatasetError: If they lack a channel, a label, or a group.
        StreamError: If one is slower than the model's rate.
    """
    windows = WindowConfiguration(
        sample_rate_hz=manifest.sample_rate_hz,
        window_s=manifest.window_s,
        stride_s=manifest.stride / manifest.sample_rate_hz,
        channels=manifest.channels,
    )
    return make_dataset(recordings, windows, labels=manifest.labels)
