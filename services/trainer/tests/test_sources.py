import logging
from dataclasses import replace
from pathlib import Path

import pytest
from support.recordings import make_recording, same

from repsense.channels import CHANNELS
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import ExportFormat, write_recordings
from repsense_trainer.errors import ConfigurationError, DatasetError
from repsense_trainer.sources import SourceDescription, load_source_description, read_source

SQUAT, LUNGE = Label(exercise="squat"), Label(exercise="lunge")
BARE = "day,what,ax\n1,Squat,1\n1,Squat,2\n1,Rest,3\n2,Squat,4\n"


def test_a_file_is_read_as_its_description_says(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(BARE)
    description = SourceDescription(
        sample_rate_hz=2, activity_column="what", session_column="day", labels={"Squat": SQUAT}, ignored=("Rest",)
    )

    recordings = read_source(str(tmp_path / "r.csv"), description)

    assert [(r.label, r.session, len(r.samples), r.sample_rate_hz) for r in recordings] == [
        (SQUAT, "1", 2, 2.0),
        (SQUAT, "2", 1, 2.0),
    ]


def test_an_activity_without_a_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(BARE)
    description = SourceDescription(sample_rate_hz=2, activity_column="what", labels={"Squat": SQUAT})

    with pytest.raises(RecordingError, match="'Rest', which has no label: give it one, or ignore it"):
        read_source(str(tmp_path / "r.csv"), description)


def test_a_folder_is_everything_in_it_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second, third = (make_recording(seed=seed, label=SQUAT) for seed in range(3))
    (tmp_path / "b").mkdir()
    write_recordings(tmp_path / "c.parquet", [third], ExportFormat.PARQUET)
    write_recordings(tmp_path / "b" / "x.csv.gz", [second], ExportFormat.CSV)
    write_recordings(tmp_path / "a.csv", [first], ExportFormat.CSV)
    (tmp_path / "notes.txt").write_text("not a recording")
    (tmp_path / "sets.csv").write_text("set,weight\n1,20\n")

    recordings = read_source(str(tmp_path))

    assert all(same(*pair) for pair in zip(recordings, [first, second, third], strict=True))
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        f"left out: {tmp_path / 'sets.csv'} has no channel: it needs columns named like {', '.join(CHANNELS)}"
    ]


def test_a_folder_may_be_read_in_part(tmp_path: Path) -> None:
    for name, seed in (("a.csv", 0), ("b.csv", 1), ("c.csv", 2)):
        write_recordings(tmp_path / name, [make_recording(seed=seed)], ExportFormat.CSV)

    assert len(read_source(str(tmp_path), SourceDescription(recordings=("a.csv", "c.csv")))) == 2
    assert len(read_source(str(tmp_path), SourceDescription.model_validate({"recordings": "b.csv"}))) == 1


def test_the_same_recording_is_read_once_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = make_recording(label=SQUAT)
    write_recordings(tmp_path / "a.csv", [recording], ExportFormat.CSV)
    write_recordings(tmp_path / "b.parquet", [recording, replace(recording, label=LUNGE)], ExportFormat.PARQUET)

    recordings = read_source(str(tmp_path))

    assert [r.label for r in recordings] == [SQUAT, LUNGE]
    assert f"1 recording(s) of {tmp_path / 'b.parquet'} that are in {tmp_path / 'a.csv'} already" in caplog.text


def test_what_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist: name a file, a folder, or a database"):
        read_source(str(tmp_path / "missing"))
    with pytest.raises(DatasetError, match=r"r\.csv does not exist: name the folder that holds r\.csv"):
        read_source(str(tmp_path), SourceDescription(recordings=("r.csv",)))
    with pytest.raises(DatasetError, match="has no file that can be read"):
        read_source(str(tmp_path))
    (tmp_path / "r.csv").write_text(BARE)
    with pytest.raises(RecordingError, match=r"sample rate of .*r\.csv is not known"):
        read_source(str(tmp_path))
    description = SourceDescription(sample_rate_hz=1, activity_column="what", ignored=("Squat", "Rest"))
    with pytest.raises(DatasetError, match="no recordings but those that are ignored"):
        read_source(str(tmp_path), description)


def test_a_database_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repsense.database._OPERATION_TIMEOUT_MS", 100)

    with pytest.raises(DatasetError, match=r"database mongodb://127\.0\.0\.1:1/repsense does not answer") as error:
        read_source("mongodb://ann:secret@127.0.0.1:1/repsense")
    assert "secret" not in str(error.value)


def test_only_the_data_of_a_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('name = 3\n[data]\nrecordings = "r.csv"\n[data.labels]\nSquat = { exercise = "squat" }\n')

    assert load_source_description(path) == SourceDescription(recordings=("r.csv",), labels={"Squat": SQUAT})
    path.write_text("[windows]\nwindow_s = 2\n")
    assert load_source_description(path) == SourceDescription()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[data", "is not TOML"),
        ("data = 1", r"c\.toml: data: Input should be"),
        ("[data]\nrate = 1", r"c\.toml: data\.rate: Extra inputs are not permitted"),
        ("[data]\nsample_rate_hz = -1", r"data\.sample_rate_hz: Input should be greater than 0"),
        ('[data.labels]\nSquat = { form = "deep" }', r"data\.labels\.Squat\.exercise: Field required"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused_with_the_place(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=complaint):
        load_source_description(path)


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the configuration .*c\.toml"):
        load_source_description(tmp_path / "c.toml")
