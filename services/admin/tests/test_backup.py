"""Backup and restore, on the embedded database and on one with users, with every collection and models."""

import contextlib
import gzip
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import servers
from support.users_database import ABSENCE, SECANTUS, without_users

from repsense.database import Documents, connect_database
from repsense.documents import INDEXES, PARTITIONS, PERSONS, RECORDINGS, SAMPLES, WORKOUTS
from repsense.errors import RepSenseError, SchemaError
from repsense.schema import RESTORING, SCHEMA_VERSION, ensure_schema, read_schema, write_schema
from repsense_admin import restore as restore_module
from repsense_admin.archive import ArchiveError, verify
from repsense_admin.backup import ORDER, write_backup
from repsense_admin.restore import RestoreError, restore_backup

_SERVERS = [
    pytest.param(servers.database, id="embedded"),
    pytest.param(without_users, id="secantus", marks=pytest.mark.skipif(SECANTUS is None, reason=ABSENCE)),
]
_Everything = dict[str, dict[str, Any]]


@contextlib.contextmanager
def _opened(server: servers.Server) -> Iterator[Documents]:
    database = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
    with database.client:
        database.client.drop_database(database)
        yield database


@pytest.fixture(scope="module", params=_SERVERS)
def two_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[servers.Server, servers.Server]]:
    folder = tmp_path_factory.mktemp("databases")
    with request.param(folder / "one") as one, request.param(folder / "other") as other:
        yield one, other


@pytest.fixture
def database(two_servers: tuple[servers.Server, servers.Server]) -> Iterator[Documents]:
    with _opened(two_servers[0]) as opened:
        yield opened


@pytest.fixture
def other(two_servers: tuple[servers.Server, servers.Server]) -> Iterator[Documents]:
    with _opened(two_servers[1]) as opened:
        yield opened


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for path, content in {
        "bodyweight/1/saved_model.pb": b"shipped",
        "bodyweight/standby/3/saved_model.pb": bytes(range(256)) * 400,
        "bodyweight/standby/3/assets.extra/model.json": b"{}",
        "bodyweight/promotions.jsonl": b'{"version": 1}\n',
        "bodyweight/.4.abc.partial/saved_model.pb": b"being written",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def _fill(database: Documents, n_documents: int = 30) -> None:
    """Documents of every kind of value in every collection."""
    ensure_schema(database)
    for collection in INDEXES:
        database[collection].insert_many(
            [
                {
                    "_id": f"{collection}-{number}",
                    # Few places, so that portions end within one.
                    "sensor_key": f"wrist:{number // 7:016d}",
                    "name": f"{collection}-{number}",
                    "key": f"{collection}-{number}",
                    "started_us": 1_790_000_000_000_000 + number,
                    "totals": [{"exercise": "squat", "form_windows": {"correct": number}}],
                    "confidence": number / 7,
                    "values": b"\x00\xff" * number,
                    "label": None,
                    "simulated": bool(number % 2),
                    "text": "Kniebeuge ä \u2713",
                }
                for number in range(n_documents)
            ]
        )


def _everything(database: Documents) -> _Everything:
    return {name: {one["_id"]: one for one in database[name].find()} for name in INDEXES}


def _files(models: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(models)): path.read_bytes()
        for path in models.rglob("*")
        if path.is_file() and ".partial" not in str(path)
    }


def _backup(database: Documents, models: Path) -> bytes:
    stream = io.BytesIO()
    write_backup(database, models, stream)
    return stream.getvalue()


def test_everything_comes_back_as_it_was(
    database: Documents, other: Documents, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repsense_admin.backup._PORTION", 5)
    monkeypatch.setattr("repsense_admin.backup._PART_BYTES", 2_000)
    _fill(database)
    database[PARTITIONS].insert_one({"_id": "0", "replica": "one"})
    archive = _backup(database, models)

    manifest = restore_backup(io.BytesIO(archive), other, tmp_path / "restored")

    assert _everything(other) == _everything(database)
    assert _files(tmp_path / "restored") == _files(models)
    assert other[PARTITIONS].count_documents({}) == 0
    assert {name: one.n_documents for name, one in manifest.contents.collections.items()} == dict.fromkeys(INDEXES, 30)
    found = read_schema(other)
    assert found is not None
    assert (found["version"], "samples.sensor_key" in found["indexes"]) == (SCHEMA_VERSION, True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        n_parts = sum(name.startswith("database/samples/") for name in tar.getnames())
    assert n_parts > 2


def test_an_empty_stack_too_has_a_backup(database: Documents, other: Documents, tmp_path: Path) -> None:
    restore_backup(io.BytesIO(_backup(database, tmp_path / "none")), other, tmp_path / "restored")
    assert _everything(other) == {name: {} for name in INDEXES}


def test_a_stack_that_has_only_been_started_counts_as_empty(
    database: Documents, other: Documents, tmp_path: Path
) -> None:
    other["models"].insert_one({"_id": "bodyweight@1"})

    restore_backup(io.BytesIO(_backup(database, tmp_path / "none")), other, tmp_path / "restored")

    assert _everything(other) == {name: {} for name in INDEXES}


def test_what_is_written_meanwhile_leads_to_no_result_without_what_it_follows_from(
    database: Documents, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that writes samples, then a set, then a result, between any two operations of the backup."""
    ensure_schema(database)
    written = 0
    collection = type(database[SAMPLES])

    def writing_before(original: Callable[..., Any]) -> Callable[..., Any]:
        def read(self: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - pymongo's
            nonlocal written
            if written < 200:
                for name in ("samples", "sets", "workouts", "classifications"):
                    database[name].insert_one({"_id": written, "sensor_key": f"wrist:{written:016d}", "totals": []})
                written += 1
            return original(self, *arguments, **options)

        return read

    with monkeypatch.context() as patched:
        for name in ("find", "find_raw_batches"):
            patched.setattr(collection, name, writing_before(getattr(collection, name)))
        archive = _backup(database, models)
    counts = {name: one.n_documents for name, one in verify(io.BytesIO(archive)).contents.collections.items()}
    assert counts["classifications"] < counts["workouts"] < counts["sets"] < counts["samples"]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused_and_nothing_is_written(
    database: Documents, other: Documents, models: Path, tmp_path: Path, share: float
) -> None:
    _fill(database, 5)
    archive = _backup(database, models)
    with pytest.raises(ArchiveError, match=r"damaged|not complete"):
        restore_backup(io.BytesIO(archive[: int(share * len(archive))]), other, tmp_path / "restored")
    assert other.list_collection_names() == []
    assert not (tmp_path / "restored").exists()


def test_an_archive_with_one_wrong_byte_anywhere_is_refused(database: Documents, models: Path) -> None:
    _fill(database, 5)
    archive = _backup(database, models)
    n_refused = 0
    # The first ten bytes are the compression's header, of which some mean nothing.
    for at in range(10, len(archive), len(archive) // 60):
        damaged = bytearray(archive)
        damaged[at] ^= 0x10
        try:
            verify(io.BytesIO(bytes(damaged)))
        except ArchiveError:
            n_refused += 1
        else:
            # A zero taken from another place among zeros.
            assert gzip.decompress(damaged) == gzip.decompress(archive)
    assert n_refused > 30


def _rewritten(archive: bytes, change: Callable[[tarfile.TarInfo, bytes], tuple[str, bytes] | None]) -> bytes:
    """An archive whose entries were changed by somebody who knows the form, but for the sums in the manifest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for entry in old:
            file = old.extractfile(entry)
            assert file is not None
            changed = change(entry, file.read())
            if changed is not None:
                copy = tarfile.TarInfo(changed[0])
                copy.size = len(changed[1])
                new.addfile(copy, io.BytesIO(changed[1]))
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e, d: None if "sets" in e.name else (e.name, d), "not what it says"),
        (lambda e, d: (e.name, d[:-1]) if "sets" in e.name else (e.name, d), "cut off"),
        (lambda e, d: (e.name, d + b"x") if e.name.endswith("model.pb") else (e.name, d), "not what it says"),
        (lambda e, d: None if e.name == "manifest.json" else (e.name, d), "its end is missing"),
        (lambda e, d: (e.name, b"[]") if e.name == "manifest.json" else (e.name, d), "says of itself"),
        (lambda e, d: (e.name, d.replace(b'"format": 1', b'"format": 2')), "a newer RepSense wrote"),
        (lambda e, d: ("models/../../x" if "model.pb" in e.name else e.name, d), "what no backup does"),
        (lambda e, d: ("/etc/passwd" if "model.pb" in e.name else e.name, d), "what no backup does"),
        (lambda e, d: ("database/$cmd/000001.bson" if "sets" in e.name else e.name, d), "what no backup does"),
    ],
)
def test_an_archive_that_somebody_changed_is_refused(
    database: Documents, models: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[str, bytes] | None], words: str
) -> None:
    _fill(database, 3)
    with pytest.raises(ArchiveError, match=words):
        verify(io.BytesIO(_rewritten(_backup(database, models), change)))


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar")], ids=["empty", "text", "zip"])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(ArchiveError):
        verify(io.BytesIO(content))


def test_data_and_models_are_lost_only_on_request(
    database: Documents, other: Documents, models: Path, tmp_path: Path
) -> None:
    _fill(database, 3)
    archive = _backup(database, models)
    target = tmp_path / "target"
    seeded = target / "bodyweight" / "1" / "saved_model.pb"
    own = target / "mine" / "1" / "saved_model.pb"
    for path, content in ((seeded, b"shipped"), (own, b"mine")):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    other[RECORDINGS].insert_one({"_id": "there"})

    with pytest.raises(RestoreError, match="the database holds data"):
        restore_backup(io.BytesIO(archive), other, target)
    other[RECORDINGS].delete_many({})
    with pytest.raises(RestoreError, match=r"mine/1/saved_model\.pb is not in the archive"):
        restore_backup(io.BytesIO(archive), other, target)
    assert (own.read_bytes(), read_schema(other)) == (b"mine", None)

    own.unlink()
    restore_backup(io.BytesIO(archive), other, target)
    assert _files(target) == _files(models)

    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    other[SAMPLES].insert_one({"_id": "later"})
    restore_backup(io.BytesIO(archive), other, target, replace=True)
    assert (_files(target), _everything(other)) == (_files(models), _everything(database))


def test_a_restore_that_is_interrupted_keeps_services_away_and_is_repeated(
    database: Documents, other: Documents, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(database, 3)
    archive = _backup(database, models)
    with monkeypatch.context() as patched:
        patched.setattr("repsense_admin.restore._exchange", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            restore_backup(io.BytesIO(archive), other, tmp_path / "restored")
    found = read_schema(other)
    assert found is not None
    assert found["version"] == RESTORING
    with pytest.raises(SchemaError, match="being restored"):
        ensure_schema(other)
    with pytest.raises(SchemaError, match="being restored"):
        _backup(other, models)
    restore_backup(io.BytesIO(archive), other, tmp_path / "restored")
    assert _everything(other) == _everything(database)
    assert _files(tmp_path / "restored") == _files(models)


def test_a_restore_into_which_somebody_else_writes_is_not_taken_for_whole(
    database: Documents, other: Documents, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(database, 3)
    archive = _backup(database, models)
    original = restore_module._insert
    for change in (other[SAMPLES].drop, lambda: other[SAMPLES].insert_one({"_id": "late"})):

        def insert(*arguments: Any, change: Callable[[], object] = change) -> None:  # noqa: ANN401
            original(*arguments)
            if arguments[1] == PERSONS:
                change()

        with monkeypatch.context() as patched:
            patched.setattr(restore_module, "_insert", insert)
            with pytest.raises(RepSenseError, match=r"of samples the database holds [04] documents, the archive 3"):
                restore_backup(io.BytesIO(archive), other, tmp_path / "restored")
        with pytest.raises(SchemaError, match="being restored"):
            ensure_schema(other)
    restore_backup(io.BytesIO(archive), other, tmp_path / "restored")
    assert _everything(other) == _everything(database)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_older_archive_is_migrated_and_a_newer_one_refused(
    database: Documents, other: Documents, models: Path, tmp_path: Path
) -> None:
    database[WORKOUTS].insert_one({"_id": "w", "sensor_key": "wrist:1", "sensor_id": "wrist", "exercises": {}})
    archive = _backup(database, models)
    assert verify(io.BytesIO(archive)).schema_version == 1
    restore_backup(io.BytesIO(archive), other, tmp_path / "restored")
    assert other[WORKOUTS].find_one({}, {"totals": True}) == {"_id": "w", "totals": []}

    newer = f'"schema_version": {SCHEMA_VERSION + 1}'.encode()
    changed = _rewritten(archive, lambda e, d: (e.name, d.replace(b'"schema_version": 1', newer)))
    with pytest.raises(RestoreError, match="a newer RepSense wrote"):
        restore_backup(io.BytesIO(changed), other, tmp_path / "restored", replace=True)
    assert other[WORKOUTS].count_documents({}) == 1


def test_a_newer_database_is_not_backed_up_by_older_code(database: Documents, models: Path) -> None:
    write_schema(database, SCHEMA_VERSION + 1)
    with pytest.raises(SchemaError, match="a newer RepSense wrote"):
        _backup(database, models)


def test_every_collection_has_its_place_in_a_backup() -> None:
    assert sorted(ORDER) == sorted(INDEXES)


def _run(
    *arguments: str, environment: dict[str, str], stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "repsense_admin", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, input=stdin, capture_output=True, timeout=100, check=False, cwd=cwd
    )


def test_the_commands_work_with_files_and_with_streams(
    two_servers: tuple[servers.Server, servers.Server],
    database: Documents,
    other: Documents,
    models: Path,
    tmp_path: Path,
) -> None:
    _fill(database, 3)
    from_here, to_there = (
        {"MONGODB_URL": f"mongodb://127.0.0.1:{server.port}/repsense", "MODELS_DIR": str(folder)}
        for server, folder in zip(two_servers, (models, tmp_path / "restored"), strict=True)
    )
    written = _run("backup", environment=from_here, cwd=tmp_path)
    (file,) = tmp_path.glob("repsense-*.tar.gz")
    assert (written.returncode, file.stat().st_mode & 0o777) == (0, 0o600)
    assert f"wrote {file.name}: {3 * len(INDEXES)} documents and 4 files of models" in written.stderr.decode()
    streamed = _run("backup", "-", environment=from_here)
    assert streamed.returncode == 0

    checked = _run("restore", "--check", str(file), environment=to_there)
    assert (checked.returncode, other.list_collection_names()) == (0, [])
    restored = _run("restore", "-", environment=to_there, stdin=streamed.stdout)
    assert restored.returncode == 0, restored.stderr
    assert _everything(other) == _everything(database)
    assert _files(tmp_path / "restored") == _files(models)

    again = _run("restore", str(file), environment=to_there)
    assert again.returncode == 2
    assert again.stderr.startswith(b"repsense-admin: the database holds data")
    cut = _run("restore", "-", "--replace", environment=to_there, stdin=streamed.stdout[:-50])
    assert (cut.returncode, len(cut.stderr.splitlines())) == (2, 1)
    assert _everything(other) == _everything(database)


def test_a_database_or_a_file_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    nowhere = {"MONGODB_URL": "mongodb://127.0.0.1:9/repsense", "MODELS_DIR": str(tmp_path)}
    away = _run("backup", str(tmp_path / "x"), environment=nowhere)
    missing = _run("restore", str(tmp_path / "none"), environment=nowhere)
    assert [one.returncode for one in (away, missing)] == [2, 2]
    assert b"the database does not answer or refuses" in away.stderr
    assert b"No such file" in missing.stderr
    assert [len(one.stderr.splitlines()) for one in (away, missing)] == [1, 1]
    assert list(tmp_path.iterdir()) == []
