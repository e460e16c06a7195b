from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.recordings import make_recording, same

from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import ExportFormat, Recording, is_readable, read_file, write_recordings

anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)


@pytest.fixture
def recordings() -> list[Recording]:
    return [
        make_recording(seed=1, label=Label(exercise="squat"), subject="ann", session="1"),
        make_recording(seed=2, label=Label(exercise="push-up", form="correct"), subject="bob", session="1"),
    ]


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.parquet"])
def test_a_files_name_tells_its_form(tmp_path: Path, recordings: list[Recording], name: str) -> None:
    form = ExportFormat.PARQUET if name.endswith("parquet") else ExportFormat.CSV
    write_recordings(tmp_path / name, recordings, form)

    assert all(same(*pair) for pair in zip(read_file(tmp_path / name), recordings, strict=True))
    assert is_readable(tmp_path / name)


def test_edge_impulse_is_a_folder(tmp_path: Path, recordings: list[Recording]) -> None:
    write_recordings(tmp_path / "out", recordings, ExportFormat.EDGE_IMPULSE)

    back = [recording for path in sorted((tmp_path / "out").iterdir()) for recording in read_file(path)]

    assert len(back) == 2
    assert all(any(same(one, other) for other in recordings) for one in back)


def test_a_name_that_would_not_be_read_again_is_refused(tmp_path: Path, recordings: list[Recording]) -> None:
    with pytest.raises(RecordingError, match=r"something that ends with \.parquet"):
        write_recordings(tmp_path / "r.csv", recordings, ExportFormat.PARQUET)
    with pytest.raises(RecordingError, match=r"ends with \.csv or \.csv\.gz"):
        write_recordings(tmp_path / "r.txt", recordings, ExportFormat.CSV)
    with pytest.raises(RecordingError, match="not in a form that RepSense reads"):
        read_file(tmp_path / "r.txt")


def test_what_lies_beside_recordings_is_not_one() -> None:
    assert not any(is_readable(Path(name)) for name in ("r.parquet.json", ".r.csv.partial", ".r.csv", "README.md", "a"))
    assert all(is_readable(Path(name)) for name in ("a.csv", "a.CSV.gz", "a.json", "a.pckl", "a.pkl", "a.parquet"))


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """A good file with something cut out and something put in."""
    return st.builds(
        lambda start, length, inserted: good[:start] + inserted + good[start + length :],
        st.integers(0, len(good)),
        st.integers(0, len(good)),
        st.binary(max_size=20),
    )


def gives_recordings_or_the_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        recordings = read_file(path, sample_rate_hz=10.0)
    except RecordingError as error:
        assert str(path) in str(error)  # noqa: PT017 - either way is fine
    else:
        assert recordings


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.parquet", "a.b.json", "r.pckl"])
def test_any_bytes_give_recordings_or_the_error(tmp_path: Path, name: str) -> None:
    @anything
    @given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode(errors="ignore")))
    def check(content: bytes) -> None:
        gives_recordings_or_the_error(tmp_path / name, content)

    check()


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.parquet", "a.b.json"])
def test_damaged_files_give_recordings_or_the_error(tmp_path: Path, recordings: list[Recording], name: str) -> None:
    write: dict[str, Callable[[], Path]] = {
        "a.b.json": lambda: _written(tmp_path / "out", recordings),
        "r.parquet": lambda: _file(tmp_path / name, recordings, ExportFormat.PARQUET),
    }
    good = write.get(name, lambda: _file(tmp_path / name, recordings, ExportFormat.CSV))().read_bytes()

    @anything
    @given(damaged(good))
    def check(content: bytes) -> None:
        gives_recordings_or_the_error(tmp_path / name, content)

    check()


def _file(path: Path, recordings: list[Recording], form: ExportFormat) -> Path:
    write_recordings(path, recordings, form)
    return path


def _written(folder: Path, recordings: list[Recording]) -> Path:
    write_recordings(folder, recordings, ExportFormat.EDGE_IMPULSE)
    return min(folder.iterdir())
