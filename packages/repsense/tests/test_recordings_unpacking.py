"""Files that are sent by others: read from memory, whatever they try."""

import gzip
import io
import json
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.recordings import make_recording, same

from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import ExportFormat, Recording, export_bytes, read_bytes, unpacking

CSV = b"t,ax,ay,az\n0,1,2,3\n0.1,1,2,4\n"


@pytest.fixture
def recordings() -> list[Recording]:
    return [
        make_recording(seed=1, label=Label(exercise="squat"), subject="ann", session="1"),
        make_recording(seed=2, label=Label(exercise="push-up", form="correct"), subject="bob", session="1"),
    ]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the test are laid out here, and nothing else is to be written anywhere."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def refusal(name: str, content: bytes) -> str:
    """The sentence that refuses a file, without a word of this machine."""
    with pytest.raises(RecordingError) as caught:
        read_bytes(name, content)
    text = str(caught.value)
    assert tempfile.gettempdir() not in text
    assert "repsense-" not in text
    assert text.isprintable()
    assert len(text) <= 500
    return text


@pytest.mark.parametrize("form", list(ExportFormat))
def test_what_is_taken_away_can_be_brought_back(
    recordings: list[Recording], elsewhere: Path, form: ExportFormat
) -> None:
    name, media_type, content = export_bytes(recordings, form)

    back = sorted(read_bytes(name, content), key=lambda recording: recording.subject or "")

    assert all(same(*pair) for pair in zip(back, recordings, strict=True))
    assert media_type.partition("/")[0] in {"application", "text"}
    assert content == export_bytes(recordings, form)[2]
    assert list(elsewhere.iterdir()) == []


def test_what_cannot_be_taken_away_is_said_in_a_sentence(recordings: list[Recording]) -> None:
    odd = make_recording(attributes={"ax": "a channel"})
    with pytest.raises(RecordingError, match=r"^an attribute called 'ax' has no place in CSV"):
        export_bytes([odd], ExportFormat.CSV)
    long_name = make_recording(subject="a" * 300)
    with pytest.raises(RecordingError, match=r"^cannot write") as caught:
        export_bytes([*recordings, long_name], ExportFormat.EDGE_IMPULSE)
    assert tempfile.gettempdir() not in str(caught.value)


def test_a_zip_may_hold_files_of_several_forms(recordings: list[Recording]) -> None:
    packed = zipped(
        {
            "README.md": b"hello",
            "data/a.CSV": CSV,
            "data/b.csv.gz": gzip.compress(CSV, mtime=0),
            "data/c.parquet": export_bytes(recordings, ExportFormat.PARQUET)[2],
            "data/c.parquet.json": b"{}",
            "__MACOSX/data/._a.csv": b"\0",
            "other/a.CSV": CSV,
        }
    )

    assert len(read_bytes("all.zip", packed)) == 5


@pytest.mark.parametrize("name", ["squat.csv", "C:\\Users\\ann\\squat.csv", "../../etc/squat.csv", "/etc/squat.CSV"])
def test_only_the_last_part_of_a_name_counts(name: str) -> None:
    (recording,) = read_bytes(name, CSV)

    assert recording.sample_rate_hz == 10
    assert refusal(name, b"t,ax\n0,what\n").startswith(f"squat.{name[-3:]}, column ax:")


@pytest.mark.parametrize("name", ["..", "\0.csv", "a\nb.csv", "\ud800.csv", f"{'a' * 300}.csv", "深" * 80 + ".csv"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    assert refusal(name, CSV).startswith(("a file cannot be called", "files of this kind are not read"))


@pytest.mark.parametrize("name", ["picture.png", "recordings", "", "a.csv.exe", "a.tar.gz"])
def test_another_kind_of_file_is_refused(name: str) -> None:
    assert refusal(name, CSV).endswith(".pickle or a .zip of these")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"", "a.csv has no samples"),
        ("a.csv", CSV[:-2] + b"x,3,", "a.csv, line 3"),
        ("a.csv", b"\xff\xfe", "cannot read a.csv"),
        ("a.csv.gz", CSV, "cannot read a.csv.gz: Not a gzipped file"),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)[:-9], "cannot read a.csv.gz"),
        ("a.parquet", CSV, "cannot read a.parquet"),
        ("a.json", b"[1]", "a.json is not in Edge Impulse's format"),
        ("a.pckl", b"cos\nsystem\n.", "a.pckl is not read"),
        ("a.zip", CSV, "a.zip is no zip file that can be unpacked"),
        ("a.zip", b"", "a.zip is no zip file that can be unpacked"),
        ("a.zip", zipped({}), "a.zip holds no recordings"),
        ("a.zip", zipped({"b.zip": zipped({"c.csv": CSV})}), "a.zip holds no recordings"),
        ("a.zip", zipped({"x/b.csv": b"t\n0\n"}), "x/b.csv in a.zip"),
    ],
)
def test_a_wrong_file_is_answered_by_a_sentence(name: str, content: bytes, expected: str) -> None:
    assert refusal(name, content).startswith(expected)


@pytest.mark.parametrize("name", ["../a.csv", "x/../../a.csv", "/a.csv", "..\\a.csv"])
def test_a_zip_that_points_out_of_itself_is_refused(elsewhere: Path, name: str) -> None:
    assert refusal("a.zip", zipped({"fine.csv": CSV, name: CSV})).endswith("which points out of it")
    assert list(elsewhere.parent.rglob("*.csv")) == []


def test_a_link_in_a_zip_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")

    assert refusal("a.zip", packed.getvalue()).endswith("which points out of it")


def test_members_of_one_name_do_not_take_each_others_place() -> None:
    # Python's own does not write such a zip without a word.
    packed = zipped({"a.csv": CSV, "b.csv": CSV.replace(b"3", b"5")}).replace(b"b.csv", b"a.csv")

    assert [recording.samples[0, 2] for recording in read_bytes("a.zip", packed)] == [3, 5]


def test_a_zip_that_needs_a_password_is_refused() -> None:
    content = bytearray(zipped({"a.csv": CSV}, zipfile.ZIP_STORED))
    content[6] |= 1  # in the member's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory

    assert "encrypted" in refusal("a.zip", bytes(content))


def test_a_damaged_member_is_noticed() -> None:
    content = zipped({"a.csv": CSV}, zipfile.ZIP_STORED).replace(b"0.1,1,2,4", b"0.2,1,2,4")

    assert "CRC" in refusal("a.zip", content)


def test_bombs_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 1_000_100)
    monkeypatch.setattr(unpacking, "_MAX_JSON_BYTES", 10_000)
    zeros = bytes(2_000_000)
    constant = pa.table({"ax": pa.array([0.0] * 300_000, pa.float32())})
    parquet = io.BytesIO()
    pq.write_table(constant, parquet)
    assert len(parquet.getvalue()) < 10_000

    too_large = "with {} it is more than 1 MB, unpacked: send it in several parts".format
    assert refusal("a.csv.gz", gzip.compress(zeros, mtime=0)) == too_large("a.csv.gz")
    assert refusal("a.zip", zipped({"b.csv": zeros})) == too_large("b.csv in a.zip")
    # Each is small enough, all of them are not.
    together = zipped({f"{n}.csv": CSV + b"\n" * 400_000 for n in range(3)})
    assert refusal("a.zip", together) == too_large("2.csv in a.zip")
    gzipped = zipped({"b.csv.gz": gzip.compress(zeros, mtime=0)})
    assert refusal("a.zip", gzipped) == too_large("b.csv.gz in a.zip")
    assert refusal("a.parquet", parquet.getvalue()) == too_large("a.parquet")
    assert refusal("a.json", json.dumps([[]] * 10_000).encode()).startswith("a.json is larger than")
    assert refusal("a.csv", b"ax," * 333_334).endswith("its first line is endless")


def test_a_zip_of_very_many_files_is_refused() -> None:
    assert refusal("a.zip", zipped(dict.fromkeys(map(str, range(2_001)), b""))).startswith(
        "a.zip holds 2001 files: send at most 2,000 at a time"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.data())
def test_any_damage_to_a_zip_gives_recordings_or_a_sentence(data: st.DataObject) -> None:
    good = zipped({"a.csv": CSV, "b.csv.gz": gzip.compress(CSV, mtime=0)})
    start = data.draw(st.integers(0, len(good)))
    stop = data.draw(st.integers(start, len(good)))
    damaged = good[:start] + data.draw(st.binary(max_size=20)) + good[stop:]

    try:
        recordings = read_bytes("a.zip", damaged)
    except RecordingError as error:
        assert tempfile.gettempdir() not in str(error)  # noqa: PT017 - either way is fine
    else:
        assert recordings
