from dataclasses import replace

import numpy as np
import pytest

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.training import TrainingConfiguration
from repsense.windows import motion
from repsense_trainer.dataset import Dataset
from repsense_trainer.errors import ConfigurationError
from repsense_trainer.training import Training, stillness


def test_the_floors_of_stillness_lie_below_the_exercises_and_ignore_offsets(dataset: Dataset) -> None:
    biased = replace(
        dataset, recordings=tuple(replace(r, samples=r.samples + np.float32(7)) for r in dataset.recordings)
    )

    floors = stillness(dataset)

    assert floors is not None
    acceleration_m_s2, angular_rate_rad_s = motion(dataset.windows().samples, dataset.cut.channels)
    assert 0 < floors.acceleration_m_s2 < acceleration_m_s2.min()
    assert 0 < floors.angular_rate_rad_s < angular_rate_rad_s.min()
    shifted = stillness(biased)
    assert shifted is not None
    assert shifted.acceleration_m_s2 == pytest.approx(floors.acceleration_m_s2, abs=1e-3)


def test_a_background_that_nobody_recorded_is_refused() -> None:
    samples = np.ones((20, 9), np.float32)
    recordings = [
        Recording(samples, CHANNELS, 2.0, label=Label(exercise=name), session="1") for name in ("bow", "sway")
    ]

    with pytest.raises(
        ConfigurationError, match="background: there is no rest among the recordings; there are bow, sway"
    ):
        Training(recordings, "tiny", TrainingConfiguration(background=(Label(exercise="rest"),)))
