from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from repsense.classifiers.onnx import OnnxClassifier
from repsense.manifest import load_manifest, onnx_path
from repsense_trainer.cli import app
from repsense_trainer.dataset import DatasetDescription, load_dataset

WriteDataset = Callable[..., Path]


def run(path: Path, *options: str) -> Result:
    """`repsense-train train` on the data beside a description, into the folder "models" there."""
    folder = path.parent
    arguments = ["train", str(folder), "--dataset", str(path), "--output", str(folder / "models"), *options]
    return CliRunner().invoke(app, arguments)


def test_a_small_dataset_becomes_a_model_with_its_figures(write_dataset: WriteDataset) -> None:
    path = write_dataset(sessions=("1", "2"))

    result = run(path, "--epochs", "12")

    assert result.exit_code == 0, result.output
    assert "Accuracy" in result.output
    version = path.parent / "models" / "tiny" / "1"
    manifest = load_manifest(version)
    assert [str(label) for label in manifest.labels] == ["sway", "bow (deep)"]
    assert manifest.training.groups == ("1", "2")
    assert manifest.training.configuration["epochs"] == 12
    assert manifest.stillness is not None
    assert 0.5 <= manifest.confidence_threshold <= 0.9
    assert manifest.evaluation is not None
    assert [group.group for group in manifest.evaluation.groups] == ["1", "2"]
    assert [entry.name for entry in version.parent.iterdir()] == ["1"]
    # The movements differ in amplitude by a factor of six: who has learned anything tells them apart.
    windows = load_dataset(path.parent, DatasetDescription.load(path)).windows()
    probabilities = OnnxClassifier.open(version.parent).classify(windows.samples)
    assert (probabilities.argmax(axis=1) == windows.label_indices).mean() > 0.9


def test_the_same_seed_gives_the_same_network_and_the_next_version(write_dataset: WriteDataset) -> None:
    path = write_dataset()

    for seed in ("5", "5"):
        result = run(path, "--epochs", "2", "--no-evaluate", "--leave-out", "2", "--seed", seed)
        assert result.exit_code == 0, result.output
        assert "On the sessions left out (2):" in result.output

    models = path.parent / "models" / "tiny"
    first, second = (onnx_path(models / version).read_bytes() for version in ("1", "2"))
    assert first == second
    manifest = load_manifest(models / "1")
    assert manifest.training.groups == ("1", "3")
    assert manifest.evaluation is None


def test_a_version_is_not_overwritten_by_accident(write_dataset: WriteDataset) -> None:
    path = write_dataset()
    version = path.parent / "models" / "tiny" / "4"
    version.mkdir(parents=True)
    (version / "precious").touch()
    options = ("--epochs", "1", "--no-evaluate", "--version", "4")

    refused = run(path, *options)
    assert refused.exit_code == 2
    assert "exists already" in refused.output
    assert (version / "precious").exists()

    assert run(path, *options, "--force").exit_code == 0
    assert load_manifest(version).version == 4
    assert [entry.name for entry in version.parent.iterdir()] == ["4"]


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({"without_column": "activity"}, [], "has no column 'activity'"),
        ({"without_column": "gx"}, [], "has no column 'gx'"),
        ({"activities": ("Sway", "Bow", "Hop")}, [], "'Hop', which has no label"),
        ({"sessions": ("1",)}, [], "there is only one session (1)"),
        ({}, ["--leave-out", "9"], "there is no session '9' to leave out; there are 1, 2, 3"),
        ({"n_samples": 3}, ["--no-evaluate"], "no recording is as long as a window of 4 samples"),
        ({}, ["--dataset", "nowhere.toml"], "cannot read the dataset description nowhere.toml"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_sentence(
    write_dataset: WriteDataset, changes: dict[str, object], options: list[str], expected: str
) -> None:
    result = run(write_dataset(**changes), *options)

    assert result.exit_code == 2
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.output


def test_a_missing_file_is_named(write_dataset: WriteDataset) -> None:
    path = write_dataset()
    (path.parent / "recordings.csv").unlink()

    result = run(path)

    assert result.exit_code == 2
    assert "recordings.csv does not exist: name the folder that holds recordings.csv" in result.stderr
