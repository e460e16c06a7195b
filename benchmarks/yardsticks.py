"""Our network beside two classic methods, on the same windows and the same held-out groups, in one run.

Every method gets the windows of the trainer's own datasets, without augmentation but what is part of it, and is tested
on groups that it was not trained on. The methods take turns on each split. What the others get beyond the windows:

- ExtraTrees: seven statistics of each channel's change in a window, and the level of the level channels, 300 trees: as
  blind to a sensor's offsets as our network. With the level of every channel it is far worse on bodyweight.
- MiniRocket: each channel standardised by the training windows, and 9 points, the fewest that it takes; shorter windows
  are interpolated to them linearly, which adds no information. 2,000 kernels, compiled before anything is timed.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from support.servers import ROOT

from benchmarks.tables import print_table
from repsense.channels import channel_indices
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.dataset import Dataset, WindowSet, make_dataset
from repsense_trainer.sources import read_source
from repsense_trainer.trials import Trial, folds, group_trials

_DATA = ROOT.parent / "shared" / "data"
_CONFIGURATIONS = ROOT / "services" / "trainer" / "configurations"
_OURS = "RepSense"
_MIN_ROCKET_POINTS = 9
_N_TREES = 300
_N_KERNELS = 2_000
"""Not the usual 10,000: the ridge regression on them takes minutes for each of the larger trainings, and a window of 5
samples has little to tell that many apart."""
_N_QUICK = 1
_MAX_FOLDS = 20

_Predict = Callable[[NDArray[np.float32]], NDArray[np.int64]]
"""From windows to label indices."""
_Method = Callable[[Dataset, WindowSet], _Predict]
"""Trains on a dataset, whose windows are given too."""


@dataclass
class _Result:
    """How one method did in one task."""

    accuracies: list[float] = field(default_factory=list)
    """Of each training."""
    n_right: int = 0
    n_windows: int = 0
    seconds: list[float] = field(default_factory=list)
    """Of each training, the cutting of windows left out."""


def run(_folder: Path, *, quick: bool = False) -> None:
    """Compare on the real recordings, if they are there.

    Args:
        quick: Only a few splits of each kind: whether it works, not how good it is.
    """
    for name, tasks in (("bodyweight", _bodyweight), ("barbell", _barbell)):
        if not (_DATA / name).is_dir():
            print(f"\nNo recordings of {name} beside the checkout: not compared on them.")
            continue
        configuration = ConfigurationFile.load(_CONFIGURATIONS / f"{name}.toml")
        recordings = read_source(str(_DATA / name), configuration.data)
        dataset = make_dataset(recordings, configuration.windows, configuration.evaluation.group_by)
        methods = {
            _OURS: _network(configuration),
            "ExtraTrees": _extra_trees(configuration),
            "MiniRocket": _mini_rocket,
        }
        _compile_mini_rocket(dataset)
        for task, trials in tasks(dataset).items():
            chosen = trials[:_N_QUICK] if quick else trials
            # One table after each task: a run takes long, and what is done should be seen.
            print_table(
                f"{name}, {task}{', few splits' if quick else ''}: windows of the others",
                ["method", "right (windows)", "mean of trainings", "lowest", "trainings", "s each", "ratio", ""],
                _rows(_compare(methods, chosen)),
            )


def _bodyweight(dataset: Dataset) -> dict[str, list[Trial]]:
    groups = dataset.groups
    single = [group_trials(dataset, [[other for other in groups if other != group]])[0] for group in groups]
    return {
        "trained on session 1 alone": [single[groups.index("1")]],
        "one session left out": group_trials(dataset, folds(dataset, _MAX_FOLDS)),
        "trained on one session, each": single,
    }


def _barbell(dataset: Dataset) -> dict[str, list[Trial]]:
    return {"one person left out": group_trials(dataset, folds(dataset, _MAX_FOLDS))}


def _compare(methods: Mapping[str, _Method], trials: Sequence[Trial]) -> dict[str, _Result]:
    results = {name: _Result() for name in methods}
    for trial in trials:
        training, test = trial.training.windows(), trial.test.windows()
        # The test's labels are those of everything, the training's those that it has.
        index_of = [trial.test.labels.index(label) for label in trial.training.labels]
        for name, method in methods.items():
            began_s = time.perf_counter()
            predict = method(trial.training, training)
            results[name].seconds.append(time.perf_counter() - began_s)
            is_right = np.array(index_of)[predict(test.samples)] == test.label_indices
            results[name].accuracies.append(float(is_right.mean()))
            results[name].n_right += int(is_right.sum())
            results[name].n_windows += len(test)
    return results


def _rows(results: Mapping[str, _Result]) -> list[list[object]]:
    ours = results[_OURS]
    return [
        [
            name,
            f"{result.n_right / result.n_windows:.2%}",
            f"{np.mean(result.accuracies):.2%}",
            f"{min(result.accuracies):.2%}",
            len(result.seconds),
            f"{np.median(result.seconds):.2f}",
            f"{np.median(np.array(result.seconds) / np.array(ours.seconds)):.3f}",
            "BETTER THAN OURS" if result.n_right > ours.n_right else "",
        ]
        for name, result in results.items()
    ]


def _network(configuration: ConfigurationFile) -> _Method:
    # Loads TensorFlow, which whoever chose another benchmark should not wait for.
    from repsense_trainer.tensorflow_runtime import prepare_tensorflow  # noqa: PLC0415

    prepare_tensorflow(configuration.seed)
    from repsense_trainer.network import train_network  # noqa: PLC0415

    def train(dataset: Dataset, _: WindowSet) -> _Predict:
        network = train_network(dataset, configuration.training(), lambda *_: None)
        return lambda windows: network.answer(windows).logits.argmax(axis=1)

    return train


def _extra_trees(configuration: ConfigurationFile) -> _Method:
    from sklearn.ensemble import ExtraTreesClassifier  # type: ignore[import-untyped] # noqa: PLC0415 - seconds

    def train(dataset: Dataset, windows: WindowSet) -> _Predict:
        channels = dataset.cut.channels
        levels = channel_indices(channels, configuration.network.level_channels or channels)
        forest = ExtraTreesClassifier(_N_TREES, n_jobs=os.cpu_count(), random_state=0)
        forest.fit(_statistics(windows.samples, levels), windows.label_indices)
        return lambda samples: np.asarray(forest.predict(_statistics(samples, levels)))

    return train


def _statistics(samples: NDArray[np.float32], levels: Sequence[int]) -> NDArray[np.float32]:
    """(n_windows, n_levels + 7 * n_channels) float32: level, spread and speed of the channels."""
    mean = samples.mean(axis=1)
    change = samples - mean[:, np.newaxis]
    of_channel = [
        mean[:, levels],
        *(getattr(change, name)(axis=1) for name in ("std", "min", "max")),
        *np.quantile(change, [0.25, 0.5, 0.75], axis=1),
        np.abs(np.diff(change, axis=1)).mean(axis=1),
    ]
    return np.asarray(np.concatenate(of_channel, axis=1), dtype=np.float32)


def _mini_rocket(_: Dataset, windows: WindowSet) -> _Predict:
    from aeon.classification.convolution_based import (  # type: ignore[import-untyped] # noqa: PLC0415 - seconds
        MiniRocketClassifier,
    )

    mean, deviation = windows.samples.mean(axis=(0, 1)), windows.samples.std(axis=(0, 1))
    deviation[deviation == 0] = 1

    def prepared(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.moveaxis(_lengthened((samples - mean) / deviation), 1, 2)

    rocket = MiniRocketClassifier(_N_KERNELS, random_state=0, n_jobs=os.cpu_count() or 1)
    rocket.fit(prepared(windows.samples), windows.label_indices)
    return lambda samples: np.asarray(rocket.predict(prepared(samples)))


def _lengthened(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolated to as many points as MiniRocket needs; longer windows stay as they are."""
    window_size = samples.shape[1]
    if window_size >= _MIN_ROCKET_POINTS:
        return samples
    at = np.linspace(0, window_size - 1, _MIN_ROCKET_POINTS)
    left = np.minimum(at.astype(int), window_size - 2)
    share = (at - left).astype(np.float32)[:, np.newaxis]
    return np.asarray(samples[:, left] * (1 - share) + samples[:, left + 1] * share, dtype=np.float32)


def _compile_mini_rocket(dataset: Dataset) -> None:
    """Train it on one recording of each label, and have it answer."""
    first = {recording.label_index: recording for recording in reversed(dataset.recordings)}
    few = replace(dataset, recordings=tuple(first.values()))
    _mini_rocket(few, few.windows())(few.windows().samples)
