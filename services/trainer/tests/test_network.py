from dataclasses import replace

import numpy as np
import pytest

from repsense.channels import MAGNETIC_FIELD, Channel
from repsense.training import NetworkConfiguration, TrainingConfiguration
from repsense_trainer.dataset import Dataset
from repsense_trainer.errors import ConfigurationError
from repsense_trainer.network import Network, train_network


def trained(dataset: Dataset, level_channels: tuple[Channel, ...] = MAGNETIC_FIELD, seed: int = 0) -> Network:
    configuration = TrainingConfiguration(
        network=NetworkConfiguration(units=4, epochs=1, level_channels=level_channels), seed=seed
    )
    return train_network(dataset, configuration, lambda *_: None)


def test_a_constant_offset_of_a_channel_without_level_changes_nothing(dataset: Dataset) -> None:
    windows = dataset.windows()
    network = trained(dataset)
    biased = windows.samples + np.array([9, -5, 3, 2.6, -1, 0.5, 0, 0, 0], dtype=np.float32)
    turned = windows.samples + np.array([0, 0, 0, 0, 0, 0, 40, 0, 0], dtype=np.float32)

    answer = network.answer(windows.samples)

    np.testing.assert_allclose(network.answer(biased).logits, answer.logits, atol=1e-4)
    np.testing.assert_allclose(network.answer(biased).known, answer.known, atol=1e-4)
    assert np.abs(network.answer(turned).logits - answer.logits).max() > 1e-3


def test_a_channel_that_never_changes_does_no_harm(dataset: Dataset) -> None:
    still = replace(
        dataset, recordings=tuple(replace(r, samples=r.samples * (np.arange(9) != 4)) for r in dataset.recordings)
    )

    answer = trained(still).answer(dataset.windows().samples)

    assert np.isfinite(answer.logits).all()
    assert ((answer.known >= 0) & (answer.known <= 1)).all()


def test_the_same_seed_gives_the_same_network(dataset: Dataset) -> None:
    windows = dataset.windows().samples

    first, again, other = (trained(dataset, seed=seed).answer(windows).logits for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_what_is_far_from_everything_trained_is_hardly_known(dataset: Dataset) -> None:
    network = trained(dataset)
    windows = dataset.windows().samples

    known, strange = network.answer(windows).known, network.answer(windows * 50).known

    assert strange.max() < np.median(known)


def test_a_level_channel_that_is_not_there_is_refused(dataset: Dataset) -> None:
    acceleration = replace(
        dataset,
        cut=replace(dataset.cut, channels=dataset.cut.channels[:3]),
        recordings=tuple(replace(r, samples=r.samples[:, :3]) for r in dataset.recordings),
    )

    with pytest.raises(ConfigurationError, match="level_channels names mx, which is not among the channels ax, ay, az"):
        trained(acceleration)
