from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.recordings import any_recordings, make_recording, same

from repsense.channels import Channel
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import Recording, TableColumns, relabelled
from repsense.recordings.tables import read_recordings, read_table, write_csv

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_columns_of_the_usual_names_say_who_did_what(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.csv",
        "subject,session,sensor,exercise,form,load,sample_rate_hz,started_at,ax",
        "ann,3,wrist,push-up,correct,heavy,25,2026-01-02T03:04:05Z,1",
        "ann,3,wrist,push-up,correct,heavy,25,2026-01-02T03:04:05Z,2",
        "ann,3,,rest,,,50.0,,3",
    )

    first, second = read_table(path)

    assert (first.subject, first.session, first.sensor) == ("ann", "3", "wrist")
    assert first.label == Label(exercise="push-up", form="correct")
    assert first.sample_rate_hz == 25.0
    assert first.started_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert dict(first.attributes) == {"load": "heavy"}
    assert (second.label, second.sensor, second.sample_rate_hz) == (Label(exercise="rest"), None, 50.0)
    assert not second.attributes


@pytest.mark.parametrize("name", ["activity", "label"])
def test_an_activity_is_a_label_of_that_name_and_nothing_is_none(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "r.csv", f"{name},ax", "Squat,1", ",2")

    assert [r.label for r in read_table(path, sample_rate_hz=2)] == [Label(exercise="Squat"), None]


def test_other_columns_can_be_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.csv", "who,day,what,device,hz,pulse,ax", "ann,1,Squat,arm,10,80,1", "ann,1,Squat,arm,10,90,2"
    )
    columns = TableColumns(
        subject="who", session="day", activity="what", sensor="device", sample_rate_hz="hz", recording=("who", "what")
    )

    (recording,) = read_table(path, columns=columns)

    assert (recording.subject, recording.session, recording.sensor) == ("ann", "1", "arm")
    assert recording.sample_rate_hz == 10
    assert recording.label == Label(exercise="Squat")
    # The pulse changes within the recording, so it says nothing of it.
    assert not recording.attributes


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "session,ax", "1,1")

    with pytest.raises(RecordingError, match="no column 'who' for the subject; it has session, ax"):
        read_table(path, sample_rate_hz=2, columns=TableColumns(subject="who"))


def test_the_old_way_keeps_every_column_among_the_attributes(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "session,activity,i,ax", "1,Squat,0,1", "1,Squat,1,2")

    (recording,) = read_recordings(path, sample_rate_hz=2)

    assert dict(recording.attributes) == {"session": "1", "activity": "Squat"}
    assert (recording.session, recording.label) == ("1", Label(exercise="Squat"))


def test_a_gap_ends_a_recording_and_the_next_goes_on_with_the_activity(tmp_path: Path) -> None:
    #   t   10.0 ... 10.76 |  2.5 s missing  | 13.28 ... 14.04      and one sample missing after 13.68
    times = [10 + k * 0.04 for k in range(20)] + [13.28 + k * 0.04 for k in range(20) if k != 11]
    rows = [f"a,2026-01-01T00:00:00+00:00,{time:.2f},{k}" for k, time in enumerate(times)]
    path = write(tmp_path / "r.csv", "session,started_at,t,ax", *rows)

    recordings = read_table(path)

    assert [len(r.samples) for r in recordings] == [20, 11, 8]
    assert [r.activity_s for r in recordings] == [0.0, 3.28, 3.76]
    assert [r.sample_rate_hz for r in recordings] == [25.0] * 3
    assert recordings[1].started_at == datetime(2026, 1, 1, 0, 0, 3, 280_000, tzinfo=UTC)
    np.testing.assert_array_equal(np.concatenate([r.samples[:, 0] for r in recordings]), range(39))


def test_jitter_is_no_gap(tmp_path: Path) -> None:
    late = np.random.default_rng(1).uniform(0, 0.009, 200)
    path = write(tmp_path / "r.csv", "t,ax", *(f"{k * 0.02 + late[k]:.4f},{k}" for k in range(200)))

    (recording,) = read_table(path)

    assert recording.sample_rate_hz == 50.0


def test_times_in_whole_milliseconds_give_the_true_rate(tmp_path: Path) -> None:
    # 60 Hz is 16.67 ms: the median interval alone would say 58.8 Hz.
    path = write(tmp_path / "r.csv", "t,ax", *(f"{round(k * 1000 / 60) / 1000},1" for k in range(300)))

    (recording,) = read_table(path)

    assert recording.sample_rate_hz == 60.0


def test_sensors_of_different_rates_may_be_in_one_file(tmp_path: Path) -> None:
    rows = [f"{sensor},{k / rate},1" for sensor, rate in (("a", 100), ("b", 10)) for k in range(20)]

    assert [r.sample_rate_hz for r in read_table(write(tmp_path / "r.csv", "sensor,t,ax", *rows))] == [100.0, 10.0]


def test_a_recording_of_one_sample_has_the_rate_of_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "session,t,ax", *(f"1,{k / 50},1" for k in range(20)), "2,0,1")

    assert [r.sample_rate_hz for r in read_table(path)] == [50.0, 50.0]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["t,ax", "0,1", "0.1,1", "0.1,1"], r"do not increase at row 3 \(0.1 after 0.1\)"),
        (["t,ax", "0,1", "0.1,1", "0,1"], r"do not increase at row 3 \(0 after 0.1\)"),
        (["t,ax", *(f"{k // 4 * 0.16 + k * 0.001},1" for k in range(40))], "jump 9 times in 40 rows"),
        (["t,ax", "0,1", ",1"], "column t: row 2 is no finite number"),
        (["sample_rate_hz,ax", "fast,1"], "'fast' in row 1 is no number"),
        (["sample_rate_hz,ax", "-1,1"], "rate of -1 Hz is not possible"),
        (["started_at,sample_rate_hz,ax", "noon,1,1"], "'noon' in row 1 is no time"),
        (["sample_rate_hz,ax,ay", "1,1,1", "1,1,"], "column ay: row 2 is empty"),
        (["sample_rate_hz,ax", "1,", "1, "], "rows 1 to 2: every channel is empty"),
        (["sample_rate_hz,ax", "1,1e39"], "is inf"),
        (["sample_rate_hz,ax,ax", "1,1,1"], "2 columns called 'ax'"),
        (["activity,sample_rate_hz,ax", "x" * 61 + ",1,1"], "cannot be a label"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_row(tmp_path: Path, rows: list[str], complaint: str) -> None:
    with pytest.raises(RecordingError, match=complaint):
        read_table(write(tmp_path / "r.csv", *rows))


def test_a_parquet_table_is_read_as_its_types_are(tmp_path: Path) -> None:
    path = tmp_path / "subject=nobody" / "r.parquet"
    path.parent.mkdir()
    table = pa.table({"subject": ["a", "a", None], "session": [1, 1, 2], "t": [0.0, 0.5, 0.0], "ax": [1, 2, 3]})
    pq.write_table(table, path)

    first, second = read_table(path)

    assert (first.subject, first.session, first.sample_rate_hz) == ("a", "1", 2.0)
    assert (second.subject, second.session) == (None, "2")


@in_one_folder
@given(st.lists(any_recordings(in_order=True), min_size=1, max_size=4), st.sampled_from(["r.csv", "r.csv.gz"]))
def test_what_is_written_as_csv_comes_back_the_same(tmp_path: Path, recordings: list[Recording], name: str) -> None:
    write_csv(tmp_path / name, recordings)

    back = read_table(tmp_path / name)

    assert len(back) == len(recordings)
    assert all(same(*pair) for pair in zip(back, recordings, strict=True))
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_the_same_recordings_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        write_csv(tmp_path / name, [make_recording()])

    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_a_hundred_thousand_samples_are_written_as_short_numbers(tmp_path: Path) -> None:
    samples = np.full((100_000, 1), 0.1, dtype=np.float32)
    recording = Recording(samples, (Channel.AX,), 100.0)

    write_csv(tmp_path / "r.csv", [recording])

    assert (tmp_path / "r.csv").read_text().splitlines()[4].endswith(",0.1,,,,,,,,")
    assert same(read_table(tmp_path / "r.csv")[0], recording)


@pytest.mark.parametrize(
    ("recording", "complaint"),
    [
        (make_recording(attributes={"ax": "1"}), "called 'ax' has no place in CSV"),
        (make_recording(0), "needs samples"),
        (make_recording(sample_rate_hz=0.0), "rate of 0 Hz"),
        (make_recording(activity_s=-1.0), "cannot begin -1 s"),
        (make_recording(offset=float("nan")), "sample 1 of channel az is nan"),
        (make_recording(subject="\ud800"), "cannot write"),
        (make_recording(started_at=datetime(2026, 1, 1)), "no time without its zone"),  # noqa: DTZ001 - that is it
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_the_file_alone(
    tmp_path: Path, recording: Recording, complaint: str
) -> None:
    (tmp_path / "r.csv").write_text("precious")

    with pytest.raises(RecordingError, match=complaint):
        write_csv(tmp_path / "r.csv", [recording])

    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"r.csv": "precious"}


def test_activities_get_their_labels() -> None:
    squat, rest, bare = (
        make_recording(label=label) for label in (Label(exercise="Squat"), Label(exercise="Rest"), None)
    )
    labels = {"Squat": Label(exercise="squat")}

    assert [r.label for r in relabelled([squat, rest, bare], labels, ["Rest"])] == [Label(exercise="squat"), None]
    assert relabelled([squat, rest, bare], {}) == [squat, rest, bare]
    with pytest.raises(RecordingError, match=r"recordings of 'Rest', which has no label.*labels for Squat"):
        relabelled([squat, rest], labels)
