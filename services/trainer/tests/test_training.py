from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repsense.channels import CHANNELS
from repsense.labels import Label
from repsense.manifest import report_path
from repsense.recordings import Recording
from repsense.registry import ModelRegistry
from repsense.training import NetworkConfiguration, TrainingConfiguration
from repsense.windows import motion
from repsense_trainer.dataset import Dataset
from repsense_trainer.errors import ConfigurationError, DatasetError
from repsense_trainer.training import Training, stillness, train_model


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


class Heard:
    """What a training tells of itself."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.n_steps = 0

    def begin(self, n_steps: int) -> None:
        self.n_steps = n_steps

    def stage(self, step: int, text: str, n_epochs: int) -> None:
        assert (step, n_epochs) == (len(self.stages) + 1, 2)
        self.stages.append(text)

    def epoch(self, epoch: int, loss: float) -> None:
        assert epoch >= 1
        assert loss > 0

    def group(self, group: str, accuracy: float) -> None:
        raise AssertionError((group, accuracy))


def take(label: Label, *, n_samples: int = 100, seed: int = 0, **fields: Any) -> Recording:  # noqa: ANN401
    """Ten seconds; how much moves depends on the label."""
    samples = np.random.default_rng(seed).normal(0, len(label.exercise), (n_samples, 6)).astype(np.float32)
    return Recording(samples, CHANNELS[:6], 10.0, label=label, **fields)


def session(*labels: Label, **fields: Any) -> list[Recording]:  # noqa: ANN401
    """Three takes of each, others in every session."""
    first = 3 * ord(fields.get("session", "0"))
    return [take(label, seed=first + number, **fields) for label in labels for number in range(3)]


SMALL = TrainingConfiguration(network=NetworkConfiguration(epochs=2, units=4, statistics_units=8))
BOW, SWAY, REST, HOP = (Label(exercise=name) for name in ("bow", "swaying", "rest", "hop"))


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [
        (
            session(BOW, SWAY, subject="ann", session="1"),
            "there is only one session (ann/1), so nothing can be held out",
        ),
        (session(BOW, SWAY, subject="ann"), "there is only one session (ann), so nothing can be held out"),
        (session(BOW, subject="ann") + session(SWAY, subject="bob"), "a label can only be tested if another subject"),
    ],
    ids=["one session", "no session named", "nothing in common"],
)
def test_what_cannot_be_evaluated_is_trained_and_the_log_says_what_to_record(
    recordings: list[Recording], expected: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()

    manifest = train_model(recordings, "tiny", SMALL, ModelRegistry(tmp_path), heard)

    assert manifest.evaluation is None
    assert heard.stages == ["training on everything"]
    assert heard.n_steps == 1
    assert f"there will be no figures: {expected}" in caplog.text
    assert report_path(tmp_path / "tiny" / "standby" / "1").is_file()


def test_rest_may_be_background_of_a_first_session(tmp_path: Path) -> None:
    recordings = session(BOW, REST, subject="ann", session="1")

    manifest = train_model(
        recordings, "tiny", SMALL.model_copy(update={"background": (REST,)}), ModelRegistry(tmp_path), Heard()
    )

    assert (manifest.labels, manifest.background) == ((BOW, REST), (REST,))


def test_a_label_of_which_every_take_is_too_short_is_refused() -> None:
    recordings = [*session(BOW, session="1"), take(SWAY, n_samples=24, session="1")]

    with pytest.raises(
        DatasetError, match=r"no recording of swaying is as long as a window of 2\.5 s: record for longer"
    ):
        Training(recordings, "tiny", SMALL)


def test_a_label_that_only_the_groups_left_out_have_is_no_label_of_the_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recordings = session(BOW, SWAY, session="1") + session(BOW, SWAY, HOP, session="2")

    result = Training(recordings, "tiny", SMALL, ("2",)).run(ModelRegistry(tmp_path), Heard())

    assert result.manifest.labels == (BOW, SWAY)
    # A third of what is left out is hop, which could not be right.
    assert result.left_out_accuracy is not None
    assert result.left_out_accuracy > 0.7
    assert "hop is neither trained nor tested: only what is left out has it" in caplog.messages


@pytest.mark.parametrize(
    ("recordings", "expected"),
    [
        (session(BOW, session="1") + session(SWAY, session="2"), "there is only bow: keep at least two labels"),
        (session(BOW, REST, session="1") + session(SWAY, session="2"), "every label is background"),
        (
            [*session(BOW, session="1"), take(REST, n_samples=24, session="1"), *session(REST, session="2")],
            r"no recording of rest is as long as a window of 2\.5 s",
        ),
        ([*session(BOW, SWAY, REST, session="1"), take(BOW, n_samples=24, session="2")], "no recording is as long as"),
    ],
    ids=["one label left", "background left", "too short to train", "too short to test"],
)
def test_what_is_too_little_without_the_groups_left_out_is_refused_before_it_is_trained(
    recordings: list[Recording], expected: str
) -> None:
    with pytest.raises((ConfigurationError, DatasetError), match=expected):
        Training(recordings, "tiny", SMALL.model_copy(update={"background": (BOW, REST)}), ("2",))


def test_background_alone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="every label is background; record an exercise too"):
        Training(session(BOW, REST, session="1"), "tiny", SMALL.model_copy(update={"background": (BOW, REST)}))


def test_a_background_that_nobody_recorded_is_refused() -> None:
    samples = np.ones((20, 9), np.float32)
    recordings = [
        Recording(samples, CHANNELS, 2.0, label=Label(exercise=name), session="1") for name in ("bow", "sway")
    ]

    with pytest.raises(
        ConfigurationError, match="background: there is no rest among the recordings; there are bow, sway"
    ):
        Training(recordings, "tiny", TrainingConfiguration(background=(Label(exercise="rest"),)))
