from pathlib import Path

import pytest

from repsense.channels import Channel
from repsense.labels import Label
from repsense.training import NetworkConfiguration, TrainingConfiguration, WindowConfiguration
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.errors import ConfigurationError

SHIPPED = sorted((Path(__file__).parents[1] / "configurations").glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_configuration_can_be_read_and_is_named_like_its_file(path: Path) -> None:
    assert ConfigurationFile.load(path).name == path.stem


def test_what_is_saved_is_read_back_and_defaults_are_not_spelled_out(tmp_path: Path) -> None:
    written = ConfigurationFile(
        name="mine",
        windows=WindowConfiguration(window_s=1.5, channels=(Channel.AX, Channel.AY)),
        network=NetworkConfiguration(units=12),
        background=(Label(exercise="rest"),),
    )

    written.save(tmp_path / "mine.toml", "found by hand")

    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    assert text.startswith("# found by hand\n")
    assert "dropout" not in text
    assert ConfigurationFile.load(tmp_path / "mine.toml") == written


def test_the_training_part_is_what_the_rest_api_takes() -> None:
    file = ConfigurationFile(name="mine", network=NetworkConfiguration(units=12), seed=3)

    assert file.training() == TrainingConfiguration(network=NetworkConfiguration(units=12), seed=3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = ", "is not TOML"),
        ("name = 'No Spaces'", "name: String should match pattern"),
        ("[windows]\nwindow = 4", "windows.window: Extra inputs are not permitted"),
        ("[windows]\nwindow_s = 1\nstride_s = 2", "windows: Value error, stride_s: larger than window_s"),
        ("[network]\nlevel_channels = ['ax', 'north']", r"network.level_channels.1: Input should be 'ax'"),
        ("[network]\nunits = nan", "network.units"),
    ],
)
def test_what_it_cannot_mean_is_refused_with_the_place(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=expected):
        ConfigurationFile.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the configuration .*nowhere.toml: No such file"):
        ConfigurationFile.load(tmp_path / "nowhere.toml")
