"""Training: from a dataset to a network with its manifest."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as library_version

import numpy as np

from repsense.channels import UNITS
from repsense.manifest import Evaluation, ModelManifest, Stillness, Training
from repsense.windows import motion
from repsense_trainer.dataset import Dataset, WindowSet
from repsense_trainer.evaluation import HeldOutPredictions, confidence_threshold, evaluate, leave_one_group_out
from repsense_trainer.network import Network, NetworkConfiguration, ProgressCallback, train_network

__all__ = ["TrainedModel", "Trainer", "stillness"]

LIBRARIES = ("tensorflow", "keras", "numpy", "onnx")
"""Whose versions the manifest holds."""

LOST_SHARE = 0.005
"""Share of correct windows that the confidence threshold may turn into "unknown"."""
THRESHOLD_RANGE = (0.5, 0.9)
"""Below a half another label may be as likely; above 0.9 a smoothed network would refuse too much."""
UNTESTED_THRESHOLD = 0.6
"""Confidence threshold of a model that was not evaluated, and so has nothing to choose it by."""

STILLEST_SHARE = 0.001
"""Share of exercise windows whose motion is taken as the least that an exercise shows."""
STILLNESS_MARGIN = 0.5
"""How far below that a window must stay to count as still."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A network and what must be known to use it."""

    network: Network
    manifest: ModelManifest


class Trainer:
    """Trains and evaluates networks on one dataset with one configuration."""

    def __init__(self, dataset: Dataset, configuration: NetworkConfiguration, seed: int) -> None:
        """Prepare; nothing is trained yet."""
        self._dataset = dataset
        self._configuration = configuration
        self._seed = seed

    def evaluate(self, on_group: Callable[[str, float], None]) -> HeldOutPredictions:
        """Classify each group by a network trained on the others.

        Args:
            on_group: Told of each group and its accuracy as it is known.

        Raises:
            DatasetError: If that is impossible with this dataset.
        """
        return leave_one_group_out(self._dataset, lambda windows: self._train(windows, None).classify, on_group)

    def train(self, version: int, held_out: HeldOutPredictions | None, on_epoch: ProgressCallback) -> TrainedModel:
        """Train the network on all groups.

        Args:
            version: The model version that it will be.
            held_out: What `evaluate` found; None if it was left out.
            on_epoch: Told of the progress.

        Raises:
            DatasetError: If there are no windows.
        """
        started_s = time.monotonic()
        windows = self._dataset.windows()
        network = self._train(windows, on_epoch)
        return TrainedModel(network, self._manifest(version, windows, held_out, time.monotonic() - started_s))

    def _train(self, windows: WindowSet, on_epoch: ProgressCallback | None) -> Network:
        return train_network(windows, self._dataset.description, self._configuration, self._seed, on_epoch)

    def _manifest(
        self, version: int, windows: WindowSet, held_out: HeldOutPredictions | None, duration_s: float
    ) -> ModelManifest:
        description = self._dataset.description
        evaluation: Evaluation | None = None
        threshold = UNTESTED_THRESHOLD
        if held_out is not None:
            evaluation = evaluate(held_out, self._dataset.labels, f"leave one {description.group_column} out")
            low, high = THRESHOLD_RANGE
            threshold = confidence_threshold(held_out, lost_share=LOST_SHARE, low=low, high=high)
        return ModelManifest(
            name=description.name,
            version=version,
            created_at=datetime.now(UTC),
            labels=self._dataset.labels,
            channels=description.channels,
            units={channel: UNITS[channel] for channel in description.channels},
            sample_rate_hz=description.sample_rate_hz,
            window_size=description.window_size,
            stride=description.stride,
            confidence_threshold=round(threshold, 3),
            stillness=stillness(self._dataset, windows),
            training=Training(
                dataset=description.name,
                dataset_fingerprint=self._dataset.fingerprint(),
                groups=self._dataset.groups,
                n_windows=len(windows),
                seed=self._seed,
                duration_s=round(duration_s, 1),
                configuration=self._configuration.flat(),
                libraries={name: library_version(name) for name in LIBRARIES},
            ),
            evaluation=evaluation,
        )


def stillness(dataset: Dataset, windows: WindowSet) -> Stillness | None:
    """Below what motion nothing is exercised: half of what all but one in a thousand exercise windows exceed.

    Args:
        dataset: Whose channels.
        windows: Of exercises, not of rest.

    Returns:
        The two floors; None without accelerometer or gyroscope.
    """
    try:
        acceleration_m_s2, angular_rate_rad_s = motion(windows.samples, dataset.description.channels)
    except KeyError:
        return None
    return Stillness(
        acceleration_m_s2=round(float(np.quantile(acceleration_m_s2, STILLEST_SHARE)) * STILLNESS_MARGIN, 3),
        angular_rate_rad_s=round(float(np.quantile(angular_rate_rad_s, STILLEST_SHARE)) * STILLNESS_MARGIN, 3),
    )
