"""The schema of a database and its migrations, on the embedded database, with documents as earlier code wrote them."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pymongo.collection import Collection
from support import servers

from repsense import schema
from repsense.database import Documents, connect_database
from repsense.documents import RECORDING_SAMPLES, RECORDINGS, SCHEMA, SETS, WORKOUTS
from repsense.errors import RecordingError, SchemaError
from repsense.migrations import schema_2
from repsense.recordings.stored import find_recordings
from repsense.schema import RESTORING, SCHEMA_VERSION, ensure_schema, read_schema, write_schema
from repsense.timestamps import now_us
from repsense.training import RecordingSelection

_STARTED_US = 1_790_000_000_000_000
_VALUES = np.arange(60, dtype=np.float32).reshape(20, 3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.database(tmp_path_factory.mktemp("database")) as running:
        yield running


@pytest.fixture
def database(server: servers.Server) -> Iterator[Documents]:
    connected = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
    connected.client.drop_database(connected)
    yield connected
    connected.client.close()


def _old_recording(key: str, **changes: object) -> dict[str, Any]:
    """As recordings were stored when they held their samples."""
    document = {
        "_id": key,
        "subject": "ann",
        "session": "1",
        "label": {"exercise": "squat", "form": None},
        "sensor": "wrist",
        "sample_rate_hz": 10.0,
        "channels": ["ax", "ay", "az"],
        "n_samples": 20,
        "samples": _VALUES.astype("<f4").tobytes(),
        "started_us": _STARTED_US,
        "activity_s": 0.0,
        "attributes": {"simulated": "true"},
        "created_us": _STARTED_US + 5,
    }
    return document | changes


def _old_set(workout: str, at_s: int, exercise: str, **changes: object) -> dict[str, Any]:
    started_us = _STARTED_US + at_s * 1_000_000
    document = {
        "_id": f"wrist-{started_us}",
        "sensor_key": f"wrist:{started_us:016d}",
        "sensor_id": "wrist",
        "workout_id": workout,
        "state": "closed",
        "exercise": exercise,
        "form": "correct",
        "form_windows": {"correct": 8, "incorrect": 2},
        "started_us": started_us,
        "ended_us": started_us + 20_000_000,
        "last_window_end_us": started_us + 21_000_000,
        "n_windows": 10,
        "confidence": 0.9,
        "model_name": "bodyweight",
        "model_version": 1,
        "simulated": True,
    }
    return document | changes


def _old_workout(key: str) -> dict[str, Any]:
    """As workouts were stored before they had totals."""
    return {
        "_id": key,
        "sensor_key": f"wrist:{_STARTED_US:016d}",
        "sensor_id": "wrist",
        "started_us": _STARTED_US,
        "ended_us": _STARTED_US + 140_000_000,
        "n_sets": 3,
        "exercises": {"push-up": 1, "squat": 2},
        "simulated": True,
    }


def _indexed(database: Documents, collection: str) -> set[str]:
    """The indexed fields; each server names its indexes in its own way."""
    return {index["key"][0][0] for index in database[collection].index_information().values()}


def _fill_as_before(database: Documents, n_recordings: int = 1) -> None:
    database[RECORDINGS].insert_many([_old_recording(f"{number:032x}") for number in range(n_recordings)])
    database[WORKOUTS].insert_one(_old_workout("w"))
    database[SETS].insert_many(
        [
            _old_set("w", 0, "squat"),
            _old_set("w", 60, "push-up", form=None, form_windows={}),
            _old_set("w", 120, "squat", form_windows={"correct": 3}),
            _old_set("another", 900, "squat"),
        ]
    )


def test_a_new_database_has_the_schema_and_every_index(database: Documents, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ensure_schema(database)
        ensure_schema(database)
    found = read_schema(database)
    assert found is not None
    assert (found["version"], found["claimed_by"]) == (SCHEMA_VERSION, None)
    assert "samples.sensor_key" in found["indexes"]
    assert "sensor_key" in _indexed(database, "samples")
    assert caplog.messages == [f"the database does not say its schema: by what is in it, that is {SCHEMA_VERSION}"]


def test_an_index_that_the_code_did_not_have_before_is_created(database: Documents) -> None:
    ensure_schema(database)
    database[SCHEMA].update_one({"_id": "schema"}, {"$pull": {"indexes": "sets.state"}})
    database[SETS].drop_indexes()
    assert "state" not in _indexed(database, SETS)
    ensure_schema(database)
    assert "state" in _indexed(database, SETS)


def test_documents_of_schema_1_become_those_of_today(database: Documents, caplog: pytest.LogCaptureFixture) -> None:
    _fill_as_before(database)
    with caplog.at_level(logging.INFO):
        ensure_schema(database)
        ensure_schema(database)
    (told,) = [message for message in caplog.messages if "was brought" in message]
    assert told == (
        "the database was brought from schema 1 to 2: 1 recordings have their samples beside them, "
        "1 workouts have totals"
    )
    (recording,) = find_recordings(database, RecordingSelection())
    np.testing.assert_array_equal(recording.samples, _VALUES)
    stored = database[RECORDINGS].find_one()
    assert stored is not None
    assert len(stored.pop("preview")) == len(_VALUES)
    kept = {k: v for k, v in _old_recording("0" * 32).items() if k not in {"samples", "n_samples"}}
    assert stored == kept | {
        "version": 1,
        "n_captured": 20,
        "trim_start": 0,
        "trim_stop": 20,
        "interruption": None,
        "note": None,
        "changed_us": _STARTED_US + 5,
        "deleted_us": 0,
    }
    workout = database[WORKOUTS].find_one()
    assert workout == _old_workout("w") | {
        "totals": [
            {"exercise": "push-up", "n_sets": 1, "duration_us": 20_000_000, "form_windows": {}},
            {
                "exercise": "squat",
                "n_sets": 2,
                "duration_us": 40_000_000,
                "form_windows": {"correct": 11, "incorrect": 2},
            },
        ]
    }


def test_a_damaged_recording_is_kept_as_it_is(database: Documents, caplog: pytest.LogCaptureFixture) -> None:
    database[RECORDINGS].insert_one(_old_recording("a" * 32, samples=b"short"))
    with caplog.at_level(logging.INFO):
        ensure_schema(database)
    assert "1 of them damaged before, and still so" in caplog.text
    assert database[RECORDING_SAMPLES].find_one() == {"_id": "a" * 32, "samples": b"short"}
    with pytest.raises(RecordingError, match="damaged"):
        find_recordings(database, RecordingSelection())


def test_documents_of_today_stay_as_they_are_where_the_schema_was_not_noted(database: Documents) -> None:
    _fill_as_before(database)
    ensure_schema(database)
    database[SCHEMA].delete_many({})
    before = {name: list(database[name].find()) for name in (RECORDINGS, RECORDING_SAMPLES, WORKOUTS, SETS)}
    ensure_schema(database)
    found = read_schema(database)
    assert found is not None
    assert found["version"] == SCHEMA_VERSION
    assert {name: list(database[name].find()) for name in before} == before


@pytest.mark.parametrize("n_writes", range(1, 8))
def test_a_migration_that_is_interrupted_is_gone_on_with(
    database: Documents, monkeypatch: pytest.MonkeyPatch, n_writes: int
) -> None:
    _fill_as_before(database, n_recordings=3)
    writes = 0

    def interrupted(name: str) -> Callable[..., object]:
        original: Callable[..., object] = getattr(Collection, name)

        def write(self: Collection[dict[str, Any]], *arguments: object, **options: object) -> object:
            nonlocal writes
            if self.name != SCHEMA:
                writes += 1
                if writes == n_writes:
                    raise KeyboardInterrupt
            return original(self, *arguments, **options)

        return write

    with monkeypatch.context() as patched:
        for name in ("insert_one", "replace_one", "update_one"):
            patched.setattr(Collection, name, interrupted(name))
        with pytest.raises(KeyboardInterrupt):
            ensure_schema(database)
    unfinished = read_schema(database)
    assert unfinished is not None
    assert unfinished["version"] == 1
    ensure_schema(database)
    assert len(find_recordings(database, RecordingSelection())) == 3
    assert not schema_2.holds_schema_1(database)
    finished = read_schema(database)
    assert finished is not None
    assert finished["version"] == SCHEMA_VERSION


def test_several_services_that_start_at_once_migrate_once(
    database: Documents, server: servers.Server, caplog: pytest.LogCaptureFixture
) -> None:
    _fill_as_before(database, n_recordings=40)
    begin = threading.Barrier(4)
    refused: list[SchemaError] = []
    failures: list[BaseException] = []

    def serve() -> None:
        own = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        try:
            begin.wait()
            while True:
                try:
                    ensure_schema(own)
                except SchemaError as error:
                    refused.append(error)
                else:
                    return
        except BaseException as error:  # noqa: BLE001 - whatever a thread ran into is the test's result
            failures.append(error)
        finally:
            own.client.close()

    with caplog.at_level(logging.INFO):
        services = [threading.Thread(target=serve) for _ in range(4)]
        for service in services:
            service.start()
        for service in services:
            service.join()
    assert not failures
    assert all(error.is_passing for error in refused)
    assert len([message for message in caplog.messages if "was brought" in message]) == 1
    assert len(find_recordings(database, RecordingSelection())) == 40


def test_whoever_was_killed_at_it_is_replaced_when_the_claim_has_expired(
    database: Documents, caplog: pytest.LogCaptureFixture
) -> None:
    _fill_as_before(database)
    write_schema(database, 1)
    claim = {"claimed_by": "killed", "claimed_until_us": now_us() + 60_000_000}
    database[SCHEMA].update_one({"_id": "schema"}, {"$set": claim})
    with pytest.raises(SchemaError, match="by somebody else") as caught:
        ensure_schema(database)
    assert caught.value.is_passing
    database[SCHEMA].update_one({"_id": "schema"}, {"$set": {"claimed_until_us": now_us() - 1}})
    with caplog.at_level(logging.INFO):
        ensure_schema(database)
    assert caplog.messages[0] == "whoever was changing the database's schema did not end it; it is gone on with"
    assert len(find_recordings(database, RecordingSelection())) == 1


@pytest.mark.parametrize(
    ("version", "words"), [(SCHEMA_VERSION + 1, "a newer RepSense wrote"), (RESTORING, "being restored")]
)
def test_a_database_that_is_not_for_this_code_is_refused_and_not_touched(
    database: Documents, version: int, words: str
) -> None:
    write_schema(database, version)
    with pytest.raises(SchemaError, match=words) as caught:
        ensure_schema(database)
    assert not caught.value.is_passing
    assert database.list_collection_names() == [SCHEMA]


def test_the_claim_of_a_long_migration_is_renewed(database: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_RENEWAL_S", 0.01)
    write_schema(database, 1)
    seen: list[int] = []

    def migrate(changed: Documents) -> str:
        before = read_schema(changed)
        assert before is not None
        while not seen or seen[-1] == before["claimed_until_us"]:
            now = read_schema(changed)
            assert now is not None
            seen.append(now["claimed_until_us"])
        return "nothing"

    monkeypatch.setattr(schema, "MIGRATIONS", {1: migrate})
    ensure_schema(database)
    assert seen[-1] > seen[0] or len(seen) == 1
