"""What each part of the network is worth: leave one session out, one thing changed at a time.

What the members are worth alone and in pairs comes from the same trainings as the whole network's figure; everything
else is trained anew. The order of accuracies, not their last digits, is what counts: another seed alone moves them as
much as the row "another seed" shows.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.servers import ROOT

from benchmarks.tables import print_table
from repsense.training import Augmentation, TrainingConfiguration
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.dataset import Dataset, make_dataset
from repsense_trainer.sources import read_source
from repsense_trainer.trials import folds, group_trials

_DATA = ROOT.parent / "shared" / "data" / "bodyweight"
_CONFIGURATION = ROOT / "services" / "trainer" / "configurations" / "bodyweight.toml"
_MAX_FOLDS = 20
_MEMBERS = ("recurrent", "statistics")
_NO_AUGMENTATION = Augmentation(
    magnetic_field_offset_ut=0,
    magnetic_swing=0,
    rotation_rad=0,
    gain=0,
    acceleration_noise_m_s2=0,
    angular_rate_noise_rad_s=0,
    magnetic_field_noise_ut=0,
    duplicated_share=0,
    interpolated_share=0,
)


@dataclass
class _Errors:
    """Of one variant.

    Attributes:
        n_wrong: Windows per session.
        n_windows: Windows per session.
    """

    n_wrong: list[int]
    n_windows: list[int]

    def row(self, name: str) -> tuple[str, str, str, int]:
        shares = 1 - np.array(self.n_wrong) / np.array(self.n_windows)
        return name, f"{1 - sum(self.n_wrong) / sum(self.n_windows):.2%}", f"{shares.min():.2%}", sum(self.n_wrong)


def run(_folder: Path) -> None:
    """Train and print, if the recordings are there."""
    if not _DATA.is_dir():
        print("\nNo recordings of bodyweight beside the checkout: no ablation.")
        return
    file = ConfigurationFile.load(_CONFIGURATION)
    configuration = file.training()
    dataset = make_dataset(read_source(str(_DATA), file.data), configuration.windows)
    header = ("variant", "windows right", "worst session", "windows wrong")
    rows = [errors.row(name) for name, errors in _members(dataset, configuration).items()]
    print_table("ablation: members", header, rows)
    for name, changed in _variants(configuration):
        whole = _members(dataset, changed)[" + ".join(_MEMBERS)]
        print_table(f"ablation: {name}", header, [whole.row(name)])


def _variants(configuration: TrainingConfiguration) -> Iterator[tuple[str, TrainingConfiguration]]:
    augmentation, network = configuration.augmentation, configuration.network
    yield "another seed", configuration.model_copy(update={"seed": configuration.seed + 1})
    yield "without augmentation", configuration.model_copy(update={"augmentation": _NO_AUGMENTATION})
    full = augmentation.model_copy(update={"statistics_share": 1.0})
    yield "statistics changed as much as the recurrence", configuration.model_copy(update={"augmentation": full})
    every_level = network.model_copy(update={"level_channels": None})
    yield "the level of every channel is seen", configuration.model_copy(update={"network": every_level})
    plain = network.model_copy(update={"label_smoothing": 0.0, "averaged_share": 1e-6})
    yield "without smoothing and averaging", configuration.model_copy(update={"network": plain})


def _members(dataset: Dataset, configuration: TrainingConfiguration) -> dict[str, _Errors]:
    """The errors of every combination of members, each trained once per session left out."""
    from repsense_trainer.tensorflow_runtime import prepare_tensorflow  # noqa: PLC0415 - takes seconds

    prepare_tensorflow(configuration.seed)
    from repsense_trainer.network import train_network  # noqa: PLC0415 - loads TensorFlow, which had to be prepared

    combinations = [chosen for size in range(1, len(_MEMBERS) + 1) for chosen in itertools.combinations(_MEMBERS, size)]
    errors = {" + ".join(chosen): _Errors([], []) for chosen in combinations}
    for trial in group_trials(dataset, folds(dataset, _MAX_FOLDS)):
        network = train_network(trial.training, configuration, lambda *_: None)
        windows = trial.test.windows()
        probabilities = _member_probabilities(network.model, windows.samples)
        for chosen in combinations:
            said = np.mean([probabilities[member] for member in chosen], axis=0).argmax(axis=1)
            of_variant = errors[" + ".join(chosen)]
            of_variant.n_wrong.append(int((said != windows.label_indices).sum()))
            of_variant.n_windows.append(len(windows))
    return errors


def _member_probabilities(model: Any, windows: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:  # noqa: ANN401
    """(n_windows, n_classes) float32 of each member."""
    import keras  # noqa: PLC0415 - loads TensorFlow, which had to be prepared

    outputs = [model.get_layer(f"{member}_logits").output for member in _MEMBERS]
    logits = keras.Model(model.input, outputs)(windows, training=False)
    return {
        member: np.asarray(keras.ops.softmax(of_member)) for member, of_member in zip(_MEMBERS, logits, strict=True)
    }
