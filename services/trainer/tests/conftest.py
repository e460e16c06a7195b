"""A tiny dataset of two movements that differ enough to be told apart, as a user would have it."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense_trainer.dataset import Cut, Dataset, LabelledRecording

WriteDataset = Callable[..., Path]

CONFIGURATION = """
name = "tiny"

[data]
recordings = ["recordings.csv"]
sample_rate_hz = 2.0
activity_column = "activity"
session_column = "session"

[data.labels]
Sway = { exercise = "sway" }
Bow = { exercise = "bow", form = "deep" }

[windows]
window_s = 2.0

[network]
level_channels = ["mx", "my", "mz"]
"""


@pytest.fixture
def write_dataset(tmp_path: Path) -> WriteDataset:
    """Writes recordings.csv and tiny.toml; returns the path of tiny.toml."""

    def write(
        *,
        sessions: Sequence[str] = ("1", "2", "3"),
        activities: Sequence[str] = ("Sway", "Bow"),
        without_column: str | None = None,
        n_samples: int = 20,
    ) -> Path:
        random = np.random.default_rng(0)
        header = ["session", "activity", *CHANNELS]
        kept = [column for column, name in enumerate(header) if name != without_column]
        with (tmp_path / "recordings.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([header[column] for column in kept])
            for session in sessions:
                for number, activity in enumerate(activities):
                    for sample in random.normal(0, 1 + 5 * number, (n_samples, len(CHANNELS))).round(4).tolist():
                        row = [session, activity, *sample]
                        writer.writerow([row[column] for column in kept])
        path = tmp_path / "tiny.toml"
        path.write_text(CONFIGURATION, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """What `write_dataset` writes, by another chance and without a file."""
    random = np.random.default_rng(1)
    return Dataset(
        tuple(
            LabelledRecording(random.normal(0, 1 + 5 * label_index, (20, 9)).astype(np.float32), label_index, group)
            for group in ("1", "2", "3")
            for label_index in (0, 1)
        ),
        labels=(Label(exercise="sway"), Label(exercise="bow", form="deep")),
        cut=Cut(sample_rate_hz=2.0, window_size=4, stride=1, channels=CHANNELS),
        group_by="session",
    )
