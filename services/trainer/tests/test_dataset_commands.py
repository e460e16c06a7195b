import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.recordings import make_recording, same
from typer.testing import CliRunner, Result

from repsense.labels import Label
from repsense.recordings import ExportFormat, Recording, read_file, write_recordings
from repsense.recordings.inspection import Inspection
from repsense_trainer.dataset_commands import app

WriteDataset = Callable[..., Path]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


@pytest.fixture
def recordings() -> list[Recording]:
    labels = (Label(exercise="squat"), Label(exercise="push-up", form="correct"))
    return [make_recording(800, seed=n, label=labels[n % 2], subject="ann", session=str(n // 2)) for n in range(4)]


@pytest.fixture
def archive(tmp_path: Path, recordings: list[Recording]) -> Path:
    write_recordings(tmp_path / "all.parquet", recordings, ExportFormat.PARQUET)
    return tmp_path / "all.parquet"


def test_a_dataset_is_shown_with_what_is_wrong_with_it(archive: Path) -> None:
    result = run("inspect", archive, "--window-s", 33)

    assert result.exit_code == 0, result.output
    assert "all.parquet: 2.1 minutes in 4 recordings" in result.stdout
    assert "push-up (correct)" in result.stdout
    assert "Sample rates: 25 Hz" in result.stdout
    assert "4 of 4 recordings (push-up (correct), squat) are shorter than a window of 33 s" in result.stdout.replace(
        "\n", ""
    )


def test_a_dataset_without_faults_is_praised(archive: Path) -> None:
    assert "Nothing speaks against training on it." in run("inspect", archive).stdout


def test_the_configuration_of_a_training_says_how_to_read(write_dataset: WriteDataset) -> None:
    path = write_dataset()

    result = run("inspect", path.parent, "--config", path)

    assert result.exit_code == 0, result.output
    assert "bow (deep)" in result.stdout


def test_a_rate_can_be_given(write_dataset: WriteDataset) -> None:
    path = write_dataset().parent / "recordings.csv"

    assert "sample rate" in run("inspect", path).stderr
    assert "Sample rates: 5 Hz" in run("inspect", path, "--sample-rate-hz", 5).stdout


def test_json_is_one_document_and_nothing_else(archive: Path, tmp_path: Path) -> None:
    result = run("inspect", archive, "--json", "--plot", tmp_path / "picture.png")

    assert Inspection.model_validate_json(result.stdout).minutes == pytest.approx(4 * 800 / 25 / 60)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_an_export_reads_back_the_same(archive: Path, tmp_path: Path, recordings: list[Recording], name: str) -> None:
    result = run("export", archive, tmp_path / name)

    assert result.exit_code == 0, result.output
    assert all(same(*pair) for pair in zip(read_file(tmp_path / name), recordings, strict=True))


def test_a_folder_is_exported_to_for_edge_impulse(archive: Path, tmp_path: Path) -> None:
    result = run("export", archive, tmp_path / "out", "--json")

    assert json.loads(result.stdout) == {"n_recordings": 4, "format": "edge-impulse", "path": str(tmp_path / "out")}
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["inspect", "nowhere"], "nowhere does not exist"),
        (["inspect", "ARCHIVE", "--config", "nowhere.toml"], "cannot read the configuration nowhere.toml"),
        (["inspect", "ARCHIVE", "--plot", "picture.gif"], "picture.gif must end with .png or .svg"),
        (["inspect", "ARCHIVE", "--plot", "nowhere/picture.png"], "cannot write nowhere/picture.png"),
        (["export", "ARCHIVE", "out.txt"], "out.txt does not say in which form to write"),
        (["export", "ARCHIVE", "nowhere/out.csv"], "cannot write nowhere/out.csv"),
        (["export", "ARCHIVE", "out.csv", "--format", "parquet"], "would not be read as parquet"),
        (["import", "ARCHIVE", "--to", "models"], "--to must be the URL of a database"),
        (["import", "ARCHIVE", "--to", "mongodb://a", "--form", "deep"], "name the exercise with --label"),
        (["import", "ARCHIVE", "--to", "mongodb://a", "--label", "x" * 61], "cannot be a label"),
        (["import", "ARCHIVE", "--to", "mongodb://a:b:c"], "MONGODB_URL"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    archive: Path, arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run(*(archive if argument == "ARCHIVE" else argument for argument in arguments))

    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
