import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repsense.classifiers.onnx import OnnxClassifier
from repsense.manifest import ModelManifest, load_manifest, onnx_path, report_path
from repsense_trainer.cli import app
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.dataset import make_dataset
from repsense_trainer.sources import read_source

WriteDataset = Callable[..., Path]


def run(path: Path, *options: str) -> Result:
    """`repsense-train train` on the data beside a configuration, into the folder "models" there."""
    folder = path.parent
    arguments = ["train", str(folder), "--config", str(path), "--models", str(folder / "models"), *options]
    return CliRunner().invoke(app, arguments)


def command(path: Path, *arguments: str) -> Result:
    """Another command on the models beside a configuration."""
    return CliRunner().invoke(app, [*arguments, "--models", str(path.parent / "models")])


def test_a_small_dataset_becomes_a_model_with_its_figures_and_report(write_dataset: WriteDataset) -> None:
    path = write_dataset(sessions=("1", "2"), activities=("Sway", "Bow"))

    result = run(path, "--epochs", "12", "--promote")

    assert result.exit_code == 0, result.output
    assert "Accuracy" in result.output
    version = path.parent / "models" / "tiny" / "1"
    manifest = load_manifest(version)
    assert [str(label) for label in manifest.labels] == ["bow (deep)", "sway"]
    assert manifest.training.groups == ("1", "2")
    assert manifest.training.configuration["network"]["epochs"] == 12  # type: ignore[index,call-overload]
    assert manifest.stillness is not None
    assert 0.5 <= manifest.confidence_threshold <= 0.95
    assert manifest.evaluation is not None
    assert [group.group for group in manifest.evaluation.groups] == ["1", "2"]
    assert sum(map(sum, manifest.evaluation.confusion)) == 2 * 2 * 17
    assert "<html" in report_path(version).read_text(encoding="utf-8")
    # The movements differ in amplitude by a factor of six: who has learned anything tells them apart.
    file = ConfigurationFile.load(path)
    windows = make_dataset(read_source(str(path.parent), file.data), file.windows).windows()
    probabilities = OnnxClassifier.open(version.parent).classify(windows.samples)
    assert (probabilities.argmax(axis=1) == windows.label_indices).mean() > 0.9


def test_versions_wait_until_they_are_promoted_and_can_be_taken_back(write_dataset: WriteDataset) -> None:
    path = write_dataset()

    for seed in ("5", "5"):
        result = run(path, "--epochs", "2", "--no-evaluate", "--leave-out", "2", "--seed", seed)
        assert result.exit_code == 0, result.output
        assert "On what was left out:" in result.output
        assert "is on standby" in result.output

    standby = path.parent / "models" / "tiny" / "standby"
    first, second = (onnx_path(standby / version).read_bytes() for version in ("1", "2"))
    assert first == second, "the same seed must give the same network"
    manifest = load_manifest(standby / "1")
    assert manifest.training.groups == ("1", "3")
    assert manifest.evaluation is None

    assert command(path, "promote", "tiny", "1").output == "tiny: version 1 is in use\n"
    assert command(path, "promote", "tiny", "2").output == "tiny: version 2 is in use instead of version 1\n"
    assert command(path, "rollback", "tiny").output == "tiny: version 1 is in use instead of version 2\n"
    listed = json.loads(command(path, "list", "--json").output)
    assert [(one["version"], one["state"]) for one in listed] == [(2, "standby"), (1, "in_use")]
    assert "in use" in command(path, "list").output

    on = ["--on", str(path.parent), "--config", str(path)]
    compared = json.loads(command(path, "compare", "tiny", "1", "2", *on, "--json").output)
    assert compared["groups"] == ["2"]
    assert compared["versions"][0]["accuracy"] == compared["versions"][1]["accuracy"]
    assert "right and shown" in command(path, "compare", "tiny", "1", "2", *on).output


def test_a_single_session_becomes_a_model_without_figures(
    write_dataset: WriteDataset, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_dataset(sessions=("1",))

    result = run(path, "--epochs", "1")

    assert result.exit_code == 0, result.output
    assert "there is only one session (1), so nothing can be held out to test on: record another" in caplog.text
    assert load_manifest(path.parent / "models" / "tiny" / "standby" / "1").evaluation is None


def test_with_json_nothing_else_is_printed(write_dataset: WriteDataset) -> None:
    result = run(write_dataset(), "--epochs", "1", "--no-evaluate", "--json")

    assert ModelManifest.model_validate_json(result.stdout).version == 1


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({"without_column": "activity"}, [], "activity"),
        ({"without_column": "session"}, [], "session"),
        ({"activities": ("Sway", "Bow", "Hop")}, [], "Hop"),
        ({}, ["--leave-out", "9"], "there is no session '9' to leave out; there are 1, 2, 3"),
        ({"n_samples": 3}, ["--no-evaluate"], "no recording is as long as a window of 2 s"),
        ({}, ["--config", "nowhere.toml"], "cannot read the configuration nowhere.toml"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_sentence(
    write_dataset: WriteDataset, changes: dict[str, object], options: list[str], expected: str
) -> None:
    result = run(write_dataset(**changes), *options)

    assert result.exit_code == 2, result.output
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["promote", "tiny", "7"], "7"),
        (["rollback", "tiny"], "no version of tiny is in use"),
        (["compare", "tiny", "1", "2"], "there is no version 1 of tiny; there are none"),
        (["list"], "there is no model in"),
    ],
)
def test_commands_on_what_is_not_there_say_so(write_dataset: WriteDataset, arguments: list[str], expected: str) -> None:
    result = command(write_dataset(), *arguments)

    assert result.exit_code == 2
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_training_without_a_name_asks_for_one(write_dataset: WriteDataset) -> None:
    folder = write_dataset().parent

    result = CliRunner().invoke(app, ["train", str(folder / "recordings.csv")])

    assert result.exit_code == 2
    assert "give one with --name" in result.stderr
