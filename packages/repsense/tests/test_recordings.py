import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repsense.channels import Channel
from repsense.errors import RecordingError
from repsense.recordings import read_recordings

CSV = """session,activity,i,ax,gz
1,Squat,0,1.0,0.1
1,Squat,1,2.0,0.2
1,Lunge,0,3.0,0.3
2,Lunge,0,4.0,0.4
"""


def test_a_new_recording_begins_where_session_or_activity_change(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(CSV)

    recordings = read_recordings(path, sample_rate_hz=2.0)

    assert [dict(r.attributes) for r in recordings] == [
        {"session": "1", "activity": "Squat"},
        {"session": "1", "activity": "Lunge"},
        {"session": "2", "activity": "Lunge"},
    ]
    assert recordings[0].channels == (Channel.AX, Channel.GZ)
    np.testing.assert_allclose(recordings[0].samples, [[1, 0.1], [2, 0.2]], rtol=1e-6)


def test_gzip_and_parquet_hold_the_same(tmp_path: Path) -> None:
    compressed, parquet = tmp_path / "r.csv.gz", tmp_path / "r.parquet"
    compressed.write_bytes(gzip.compress(CSV.encode()))
    pq.write_table(
        pa.table(
            {
                "session": [1, 1, 1, 2],
                "activity": ["Squat", "Squat", "Lunge", "Lunge"],
                "ax": [1.0, 2.0, 3.0, 4.0],
                "gz": [0.1, 0.2, 0.3, 0.4],
            }
        ),
        parquet,
    )

    for a, b in zip(
        read_recordings(compressed, sample_rate_hz=2.0), read_recordings(parquet, sample_rate_hz=2.0), strict=True
    ):
        assert a.attributes == b.attributes
        np.testing.assert_allclose(a.samples, b.samples)


def test_the_rate_comes_from_the_times(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("t,ax\n" + "".join(f"{k * 0.04:.3f},{k}\n" for k in range(10)))

    (recording,) = read_recordings(path)

    assert recording.sample_rate_hz == pytest.approx(25.0)


def test_rows_are_split_by_the_columns_that_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(CSV)

    assert len(read_recordings(path, sample_rate_hz=2.0, split_by=["session"])) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no samples"),
        ("ax,ay\n", "no samples"),
        ("x,y\n1,2\n", "no channel"),
        ("ax,ay\n1\n", "line 2: 1 values in 2 columns"),
        ("ax\nfast\n", "column ax"),
        ("ax\nnan\n", "sample 1 is nan"),
        ("ax\n1\n2\n", "sample rate .* not known"),
        ("t,ax\n0,1\n0,2\n", "do not increase"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)

    with pytest.raises(RecordingError, match=complaint):
        read_recordings(path)


def test_a_file_that_is_not_there_or_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_text("not parquet")
    (tmp_path / "r.csv.gz").write_text("not gzip")

    for name in ("missing.csv", "r.parquet", "r.csv.gz"):
        with pytest.raises(RecordingError, match="cannot read"):
            read_recordings(tmp_path / name, sample_rate_hz=1.0)
