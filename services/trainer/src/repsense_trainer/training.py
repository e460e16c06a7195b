"""Training: from recordings to a version of a model, with its figures and its report.

Importing this is cheap; TensorFlow is loaded when a training runs.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from repsense.channels import UNITS
from repsense.errors import VersionTakenError
from repsense.labels import Label
from repsense.manifest import Evaluation, ModelManifest, Stillness, report_path
from repsense.manifest import Training as Provenance
from repsense.recordings import Recording
from repsense.registry import ModelRegistry
from repsense.training import TrainingConfiguration
from repsense.windows import motion
from repsense_trainer import provenance
from repsense_trainer.calibration import fit_temperature
from repsense_trainer.dataset import MIN_LABELS, Dataset, make_dataset
from repsense_trainer.errors import ConfigurationError, DatasetError
from repsense_trainer.evaluation import (
    Classify,
    HeldOutPredictions,
    believable_threshold,
    confidence_threshold,
    evaluate,
    few_shot,
    leave_groups_out,
    leave_labels_out,
    method_name,
    why_untestable,
)
from repsense_trainer.progress import TrainingProgress
from repsense_trainer.tensorflow_runtime import prepare_tensorflow
from repsense_trainer.trials import folds, n_trainings

__all__ = ["Training", "TrainingResult", "stillness", "train_model"]

_LOGGER = logging.getLogger(__name__)

UNTESTED_THRESHOLD = 0.5
"""Confidence threshold of a model that was not evaluated, and so has nothing to choose it by.

Of networks of single sessions of the bodyweight dataset, tested on the others, a threshold of 0.6 makes 12 to 25 % of
the known windows unknown, this one 8 to 19 %, and 57 to 89 % of the windows of an exercise that was not trained.
"""

STILLEST_SHARE = 0.001
"""Share of exercise windows whose motion is taken as the least that an exercise shows."""
STILLNESS_MARGIN = 0.5
"""How far below that a window must stay to count as still."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        manifest: Of the version that was added to the registry.
        path: The version's directory.
        left_out_accuracy: Share of the windows of the groups left out that are right; None if none was.
    """

    manifest: ModelManifest
    path: Path
    left_out_accuracy: float | None


@dataclass(frozen=True, slots=True)
class _Figures:
    """What the evaluation came to, and how the network is set up accordingly."""

    evaluation: Evaluation | None = None
    held_out: HeldOutPredictions | None = None
    left_out_labels: Mapping[Label, HeldOutPredictions] | None = None
    temperature: float = 1.0
    threshold: float = UNTESTED_THRESHOLD


class Training:
    """One training: a dataset, how to train on it, and what comes of it."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        name: str,
        configuration: TrainingConfiguration,
        leave_out: Collection[str] = (),
    ) -> None:
        """Check and prepare; nothing is trained yet.

        Args:
            recordings: Labelled.
            name: Of the model.
            configuration: How to train.
            leave_out: Groups that are not trained on; the network is tested on them in the end.

        Raises:
            DatasetError: If the recordings cannot be trained on.
            StreamError: If a recording is slower than the configuration's rate.
            ConfigurationError: If the configuration does not fit the recordings.
        """
        dataset = make_dataset(recordings, configuration.windows, configuration.evaluation.group_by)
        left_out: Dataset | None = None
        if leave_out:
            dataset, left_out = _without(dataset, leave_out)
        dataset.check_lengths()
        if {*dataset.labels} == {*configuration.background}:
            msg = "background: every label is background; record an exercise too"
            raise ConfigurationError(msg)
        for label in configuration.background:
            if label not in dataset.labels:
                there_are = ", ".join(map(str, dataset.labels))
                msg = f"background: there is no {label} among the recordings; there are {there_are}"
                raise ConfigurationError(msg)
        self.dataset = dataset
        self._left_out = None if left_out is None else left_out.windows()
        self._name = name
        self._configuration = configuration
        self._folds = self._testable_folds()

    def run(self, registry: ModelRegistry, progress: TrainingProgress) -> TrainingResult:
        """Evaluate, train on everything, and add the version to the registry, on standby.

        Where nothing can be held out, as with a single session, the version has no figures; the log says so.

        Args:
            registry: Takes the version.
            progress: Told how far it is; may raise to end it, and nothing is written then.

        Raises:
            RegistryError: If the version cannot be written.
        """
        prepare_tensorflow(self._configuration.seed)
        # These load TensorFlow, which had to be prepared, and matplotlib.
        from repsense_trainer.export import write_network  # noqa: PLC0415
        from repsense_trainer.network import train_network  # noqa: PLC0415
        from repsense_trainer.report import write_report  # noqa: PLC0415

        steps = _Steps(progress, self._n_steps(), self._configuration.network.epochs)

        def train(dataset: Dataset) -> Classify:
            return train_network(dataset, self._configuration, progress.epoch).answer

        figures = self._evaluate(train, steps)
        steps.next("training on everything")
        started_s = time.monotonic()
        network = train_network(self.dataset, self._configuration, progress.epoch)
        duration_s = time.monotonic() - started_s

        def write(directory: Path, manifest: ModelManifest) -> None:
            write_network(network, figures.temperature, manifest, directory)
            write_report(report_path(directory), manifest, figures.held_out, figures.left_out_labels)

        while True:
            manifest = self._manifest(registry.next_version(self._name), figures, duration_s)
            # Another training of this model may end at the same time and take the number.
            with contextlib.suppress(VersionTakenError):
                path = registry.add(self._name, manifest.version, partial(write, manifest=manifest))
                return TrainingResult(manifest, path, self._left_out_accuracy(network.answer))

    def _testable_folds(self) -> list[tuple[str, ...]] | None:
        """The groups that are left out together; None if there is to be no evaluation, or can be none."""
        wanted = self._configuration.evaluation
        if not wanted.leave_one_group_out:
            return None
        folded = folds(self.dataset, wanted.max_folds)
        reason = why_untestable(self.dataset, folded)
        if reason is not None:
            _LOGGER.warning("there will be no figures: %s", reason)
            return None
        return folded

    def _n_steps(self) -> int:
        if self._folds is None:
            return 1
        return 1 + n_trainings(self.dataset, self._configuration.evaluation, self._configuration.background)

    def _evaluate(self, train: Callable[[Dataset], Classify], steps: "_Steps") -> _Figures:
        wanted, background = self._configuration.evaluation, self._configuration.background
        dataset, folded = self.dataset, self._folds
        if folded is None:
            return _Figures()
        held_out = leave_groups_out(dataset, train, folded, on_stage=steps.next, on_group=steps.progress.group)
        unknown = leave_labels_out(dataset, train, background, on_stage=steps.next) if wanted.unknown else {}
        temperature = fit_temperature(held_out.logits, held_out.label_indices)
        highest = believable_threshold(len(dataset.groups))
        threshold = round(confidence_threshold(held_out, dataset.labels, background, temperature, highest=highest), 3)
        evaluation = evaluate(
            dataset,
            held_out,
            method_name(dataset, folded),
            background=background,
            temperature=temperature,
            threshold=threshold,
            left_out_labels=unknown,
            few_shot=few_shot(dataset, train, on_stage=steps.next) if wanted.few_shot else (),
        )
        return _Figures(evaluation, held_out, unknown, temperature, threshold)

    def _manifest(self, version: int, figures: _Figures, duration_s: float) -> ModelManifest:
        dataset, cut = self.dataset, self.dataset.cut
        exercises = [label for label in dataset.labels if label not in self._configuration.background]
        return ModelManifest(
            name=self._name,
            version=version,
            created_at=datetime.now(UTC),
            labels=dataset.labels,
            background=self._configuration.background,
            channels=cut.channels,
            units={channel: UNITS[channel] for channel in cut.channels},
            sample_rate_hz=cut.sample_rate_hz,
            window_size=cut.window_size,
            stride=cut.stride,
            confidence_threshold=figures.threshold,
            stillness=stillness(dataset.only(exercises)),
            training=Provenance(
                dataset=self._name,
                dataset_fingerprint=dataset.fingerprint(),
                groups=dataset.groups,
                n_windows=len(dataset.windows()),
                seed=self._configuration.seed,
                duration_s=round(duration_s, 1),
                configuration=self._configuration.model_dump(mode="json"),
                libraries=provenance.libraries(),
                commit=provenance.commit(),
            ),
            evaluation=figures.evaluation,
        )

    def _left_out_accuracy(self, classify: Classify) -> float | None:
        if self._left_out is None:
            return None
        is_right = classify(self._left_out.samples).logits.argmax(axis=1) == self._left_out.label_indices
        return float(is_right.mean())


def _without(dataset: Dataset, groups: Collection[str]) -> tuple[Dataset, Dataset]:
    """The other groups, and these; neither with labels that only these have, which cannot be learned.

    Raises:
        DatasetError: If a group does not exist, or there is too little left.
    """
    rest, left_out = dataset.split(groups)
    labels = rest.present_labels
    if len(labels) < MIN_LABELS:
        msg = f"without what is left out there is only {labels[0]}: keep at least two labels to train on"
        raise DatasetError(msg)
    for label in set(dataset.labels).difference(labels):
        _LOGGER.warning("%s is neither trained nor tested: only what is left out has it", label)
    return rest.only(labels), left_out.only(labels)


class _Steps:
    """Counts the trainings."""

    def __init__(self, progress: TrainingProgress, n_steps: int, n_epochs: int) -> None:
        self.progress = progress
        self._n_epochs = n_epochs
        self._step = 0
        progress.begin(n_steps)

    def next(self, text: str) -> None:
        self._step += 1
        self.progress.stage(self._step, text, self._n_epochs)


def train_model(
    recordings: Sequence[Recording],
    name: str,
    configuration: TrainingConfiguration,
    registry: ModelRegistry,
    progress: TrainingProgress,
) -> ModelManifest:
    """Make a `Training` and run it; see there."""
    return Training(recordings, name, configuration).run(registry, progress).manifest


def stillness(dataset: Dataset) -> Stillness | None:
    """Below what motion nothing is exercised: half of what all but one in a thousand exercise windows exceed.

    Args:
        dataset: Of exercises, not of rest.

    Returns:
        The two floors; None without accelerometer or gyroscope.
    """
    try:
        acceleration_m_s2, angular_rate_rad_s = motion(dataset.windows().samples, dataset.cut.channels)
    except KeyError:
        return None
    return Stillness(
        acceleration_m_s2=round(float(np.quantile(acceleration_m_s2, STILLEST_SHARE)) * STILLNESS_MARGIN, 3),
        angular_rate_rad_s=round(float(np.quantile(angular_rate_rad_s, STILLEST_SHARE)) * STILLNESS_MARGIN, 3),
    )
