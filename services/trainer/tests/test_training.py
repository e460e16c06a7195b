from dataclasses import replace

import numpy as np
import pytest

from repsense.windows import motion
from repsense_trainer.dataset import Dataset, LabelledRecording
from repsense_trainer.training import stillness


def test_the_floors_of_stillness_lie_below_the_exercises_and_ignore_offsets(dataset: Dataset) -> None:
    biased = replace(
        dataset,
        recordings=tuple(
            LabelledRecording(recording.samples + np.float32(7), recording.label_index, recording.group)
            for recording in dataset.recordings
        ),
    )

    floors = stillness(dataset, dataset.windows())

    assert floors is not None
    acceleration_m_s2, angular_rate_rad_s = motion(dataset.windows().samples, dataset.description.channels)
    assert 0 < floors.acceleration_m_s2 < acceleration_m_s2.min()
    assert 0 < floors.angular_rate_rad_s < angular_rate_rad_s.min()
    shifted = stillness(biased, biased.windows())
    assert shifted is not None
    assert shifted.acceleration_m_s2 == pytest.approx(floors.acceleration_m_s2, abs=1e-3)


def test_without_a_gyroscope_there_are_no_floors(dataset: Dataset) -> None:
    channels = tuple(channel for channel in dataset.description.channels if not channel.startswith("g"))
    kept = [0, 1, 2, 6, 7, 8]
    without = Dataset(
        dataset.description.model_copy(update={"channels": channels}),
        tuple(
            LabelledRecording(recording.samples[:, kept], recording.label_index, recording.group)
            for recording in dataset.recordings
        ),
    )

    assert stillness(without, without.windows()) is None
