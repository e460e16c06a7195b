import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.recordings import any_recordings, make_recording, same

from repsense.errors import RecordingError
from repsense.recordings import Recording
from repsense.recordings.archive import read_archive, sidecar_path, write_archive
from repsense.recordings.tables import read_recordings


def rewrite(path: Path, table: pa.Table | None = None, **changes: object) -> None:
    """Change an archive as damage would: its rows, or keys of its description."""
    old = pq.read_table(path)
    description = json.loads((old.schema.metadata or {})[b"repsense"]) | changes
    table = old if table is None else table
    pq.write_table(table.replace_schema_metadata({"repsense": json.dumps(description)}), path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(any_recordings(), max_size=4))
def test_what_is_written_comes_back_bit_for_bit_and_in_order(tmp_path: Path, recordings: list[Recording]) -> None:
    path = tmp_path / "r.parquet"
    write_archive(path, recordings)

    back = read_archive(path)

    assert len(back) == len(recordings)
    assert all(same(*pair) for pair in zip(back, recordings, strict=True))


def test_zero_keeps_its_sign(tmp_path: Path) -> None:
    samples = np.array([[0.0], [-0.0], [0.0], [1e-45]], dtype=np.float32)
    write_archive(tmp_path / "r.parquet", [Recording(samples, make_recording().channels[:1], 2.0)])

    (back,) = read_archive(tmp_path / "r.parquet")

    assert back.samples.tobytes() == samples.tobytes()


def test_the_description_lies_beside_the_file_for_people(tmp_path: Path) -> None:
    write_archive(tmp_path / "r.parquet", [make_recording(subject="ann")])

    beside = json.loads((tmp_path / "r.parquet.json").read_text())

    assert sidecar_path(tmp_path / "r.parquet") == tmp_path / "r.parquet.json"
    assert beside == json.loads(pq.read_schema(tmp_path / "r.parquet").metadata[b"repsense"])
    assert beside["recordings"][0]["subject"] == "ann"


def test_an_archive_is_a_table_for_those_who_know_nothing_of_it(tmp_path: Path) -> None:
    few = make_recording(30, channels=make_recording().channels[:6], seed=1)
    one = Recording(few.samples[:, :1], few.channels[:1], 10.0)
    write_archive(tmp_path / "r.parquet", [few, one])

    first, second = read_recordings(tmp_path / "r.parquet")

    np.testing.assert_array_equal(first.samples, few.samples)
    assert (first.sample_rate_hz, second.sample_rate_hz) == (25.0, 10.0)
    assert second.channels == one.channels
    assert pq.read_table(tmp_path / "r.parquet")["mx"].null_count == 60


def test_a_file_without_a_description_is_read_as_a_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"session": ["1", "1"], "ax": [1.0, 2.0]}), tmp_path / "r.parquet")

    (recording,) = read_archive(tmp_path / "r.parquet", sample_rate_hz=5)

    assert (recording.session, recording.sample_rate_hz) == ("1", 5)


def test_many_recordings_share_row_groups(tmp_path: Path) -> None:
    write_archive(tmp_path / "r.parquet", [make_recording(20, seed=seed) for seed in range(100)])

    assert pq.ParquetFile(tmp_path / "r.parquet").num_row_groups == 1


def test_a_newer_archive_asks_for_a_newer_program(tmp_path: Path) -> None:
    write_archive(tmp_path / "r.parquet", [make_recording()])
    rewrite(tmp_path / "r.parquet", schema_version=2, something="new")

    with pytest.raises(RecordingError, match=r"newer RepSense \(schema version 2, this one knows 1\): update"):
        read_archive(tmp_path / "r.parquet")


def test_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"

    def damage(complaint: str, **changes: object) -> None:
        write_archive(path, [make_recording(30), make_recording(20, seed=1)])
        table = changes.pop("table", None)
        assert table is None or callable(table)
        rewrite(path, None if table is None else table(pq.read_table(path)), **changes)
        with pytest.raises(RecordingError, match=complaint):
            read_archive(path)

    def one_sample_changed(table: pa.Table) -> pa.Table:
        values = table["ax"].to_numpy().copy()
        values[7] += 1
        return table.set_column(2, "ax", pa.array(values))

    damage("has 49 rows, and its recordings 50", table=lambda table: table.slice(1))
    damage("no column 'gy'", table=lambda table: table.drop_columns(["gy"]))
    damage("is not what was written", table=one_sample_changed)
    damage("its description schema_version", schema_version="one")
    damage("its description recordings.0.id: Field required", recordings=[{}])
    damage("its description else", **{"else": 1})


def test_half_a_file_and_a_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    write_archive(path, [make_recording()])
    whole = path.read_bytes()

    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[100:], b"PAR1" + whole[4:-200] + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="cannot read"):
            read_archive(path)
    with pytest.raises(RecordingError, match="cannot read"):
        read_archive(tmp_path / "missing.parquet")
    with pytest.raises(RecordingError, match="cannot write"):
        write_archive(tmp_path / "nowhere" / "r.parquet", [make_recording()])
