"""What is wrong with the database, by the errors of its driver and by real servers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteError,
)
from pymongo.server_type import SERVER_TYPE
from pymongo.topology_description import TopologyDescription
from support.servers import database

from repsense.database import Documents, connect_database
from repsense.documents import LABELS, WRITE_PROBES
from repsense.schema import RESTORING, SCHEMA_VERSION, write_schema
from repsense_inference.errors import DatabaseUnavailableError
from repsense_inference.faults import FaultKind
from repsense_inference.repositories import connection
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.database_faults import fault_of

_PATIENCE_S = 20.0


def _topology(*servers: int, can_write: bool = False) -> TopologyDescription:
    described = {number: SimpleNamespace(server_type=server) for number, server in enumerate(servers)}
    known = SimpleNamespace(server_descriptions=lambda: described, has_writable_server=lambda: can_write)
    return cast("TopologyDescription", known)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServerSelectionTimeoutError("127.0.0.1:9: connection refused"), FaultKind.DATABASE_AWAY),
        (NetworkTimeout("timed out"), FaultKind.DATABASE_AWAY),
        (NotPrimaryError("not primary", {"code": 10107}), FaultKind.DATABASE_ELECTING),
        (OperationFailure("Authentication failed.", 18), FaultKind.DATABASE_PASSWORD),
        (OperationFailure("not authorized on repsense to execute command", 13), FaultKind.DATABASE_RIGHTS),
        (WriteError("database or disk is full", 8), FaultKind.DATABASE_FULL),
        (OperationFailure("Out of disk space", 14031), FaultKind.DATABASE_FULL),
        (WriteError("28: No space left on device", 8), FaultKind.DATABASE_FULL),
        (OperationFailure("you are over your space quota", 8000), FaultKind.DATABASE_FULL),
        (
            BulkWriteError({"writeErrors": [{"code": 8, "errmsg": "database or disk is full"}]}),
            FaultKind.DATABASE_FULL,
        ),
        (OperationFailure("User writes blocked", 371), FaultKind.DATABASE_READ_ONLY),
        (WriteError("attempt to write a readonly database", 8), FaultKind.DATABASE_READ_ONLY),
        (DuplicateKeyError("E11000 duplicate key error", 11000), None),
        (OperationFailure("unknown operator: $x", 2), None),
    ],
)
def test_an_error_of_the_driver_is_a_fault_or_a_mistake_of_ours(error: PyMongoError, kind: FaultKind | None) -> None:
    fault = fault_of(error, _topology(SERVER_TYPE.Unknown))

    assert (fault and fault.kind) == kind


@pytest.mark.parametrize(
    ("servers", "can_write", "kind"),
    [
        ((SERVER_TYPE.RSSecondary, SERVER_TYPE.Unknown), False, FaultKind.DATABASE_ELECTING),
        ((SERVER_TYPE.RSSecondary, SERVER_TYPE.RSPrimary), True, FaultKind.DATABASE_AWAY),
        ((SERVER_TYPE.Unknown, SERVER_TYPE.Unknown), False, FaultKind.DATABASE_AWAY),
    ],
)
def test_servers_without_a_primary_are_choosing_one(servers: tuple[int, ...], can_write: bool, kind: FaultKind) -> None:  # noqa: FBT001 - a parameter
    fault = fault_of(ServerSelectionTimeoutError("no primary"), _topology(*servers, can_write=can_write))

    assert fault is not None
    assert fault.kind == kind


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROBE_INTERVAL_S", "WRITE_PROBE_INTERVAL_S", "WRITE_RETRY_S"):
        monkeypatch.setattr(connection, name, 0.02)


@contextmanager
def _watching(documents: Documents) -> Iterator[DatabaseConnection]:
    watched = DatabaseConnection(documents)
    watched.start()
    try:
        yield watched
    finally:
        watched.stop()


def _eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def _kind(watched: DatabaseConnection) -> FaultKind | None:
    return None if watched.fault is None else watched.fault.kind


def test_a_database_that_cannot_write_is_noticed_can_be_read_and_recovers(
    tmp_path: Path,
) -> None:
    with database(tmp_path) as server, pytest.MonkeyPatch.context() as full:
        documents = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        with _watching(documents) as watched:
            _eventually(lambda: _kind(watched) is None)
            _eventually(lambda: documents[WRITE_PROBES].find_one({"_id": "inference"}) is not None)
            full.setattr(Collection, "update_one", _fail)

            _eventually(lambda: _kind(watched) is FaultKind.DATABASE_FULL)

            assert watched.absence is None
            with watched.collection(LABELS) as labels:
                assert labels.find_one() is None
            with pytest.raises(DatabaseUnavailableError, match="no room left"), watched.collection(LABELS) as labels:
                labels.update_one({"_id": "a"}, {"$set": {"n": 1}}, upsert=True)
            full.undo()
            _eventually(lambda: _kind(watched) is None)
            # What was written to see whether there is room takes none.
            _eventually(lambda: [one["padding"] for one in documents[WRITE_PROBES].find()] == [""])


def _fail(*_: object, **__: object) -> None:
    """A change on a full disk, as the embedded database refuses it; one that is really full is tried elsewhere."""
    msg = "database or disk is full"
    raise WriteError(msg, 8)


def test_a_database_that_goes_away_is_noticed_and_recovers(tmp_path: Path) -> None:
    with database(tmp_path) as server:
        documents = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense?serverSelectionTimeoutMS=100")
        with _watching(documents) as watched:
            _eventually(lambda: _kind(watched) is None)
            server.kill()
            _eventually(lambda: _kind(watched) is FaultKind.DATABASE_AWAY)
            server.start()
            _eventually(lambda: _kind(watched) is None)


def test_a_mistake_of_ours_does_not_end_the_watching(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with database(tmp_path) as server:
        documents = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense?serverSelectionTimeoutMS=100")
        watched = DatabaseConnection(documents)
        damaged: dict[str, int] = {}
        watched.start(on_connection=lambda: damaged["started_us"])
        try:
            _eventually(lambda: "could not be looked at" in caplog.text)
            server.kill()
            _eventually(lambda: _kind(watched) is FaultKind.DATABASE_AWAY)
            server.start()
            _eventually(lambda: _kind(watched) is None)
        finally:
            watched.stop()


@pytest.mark.parametrize(("version", "words"), [(RESTORING, "being restored"), (SCHEMA_VERSION + 1, "newer RepSense")])
def test_a_database_that_must_not_be_used_any_more_is_left_alone_and_recovers(
    tmp_path: Path, version: int, words: str
) -> None:
    with database(tmp_path) as server:
        documents = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        with _watching(documents) as watched:
            _eventually(lambda: _kind(watched) is None)
            write_schema(documents, version)
            _eventually(lambda: _kind(watched) is FaultKind.DATABASE_SCHEMA)
            with pytest.raises(DatabaseUnavailableError, match=words), watched.collection(LABELS):
                pytest.fail("nothing may be read")
            write_schema(documents, SCHEMA_VERSION)
            _eventually(lambda: _kind(watched) is None)
