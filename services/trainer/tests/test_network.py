import numpy as np

from repsense_trainer.dataset import Dataset
from repsense_trainer.network import NetworkConfiguration, train_network


def test_a_constant_offset_of_accelerometer_or_gyroscope_changes_nothing(dataset: Dataset) -> None:
    windows = dataset.windows()
    network = train_network(windows, dataset.description, NetworkConfiguration(units=4, epochs=1), seed=0)
    biased = windows.samples + np.array([9, -5, 3, 2.6, -1, 0.5, 0, 0, 0], dtype=np.float32)
    turned = windows.samples + np.array([0, 0, 0, 0, 0, 0, 40, 0, 0], dtype=np.float32)

    probabilities = network.classify(windows.samples)

    np.testing.assert_allclose(network.classify(biased), probabilities, atol=1e-5)
    assert np.abs(network.classify(turned) - probabilities).max() > 1e-3
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_a_channel_that_never_changes_does_no_harm(dataset: Dataset) -> None:
    windows = dataset.windows()
    windows.samples[:, :, 4] = 0

    network = train_network(windows, dataset.description, NetworkConfiguration(units=4, epochs=1), seed=0)

    assert np.isfinite(network.classify(windows.samples)).all()
