"""Recordings in the real embedded database."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pymongo
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.monitoring import CommandListener, CommandStartedEvent
from support.recordings import any_recordings, make_recording, same
from support.servers import database
from typer.testing import CliRunner

from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import RECORDING_SAMPLES, RECORDINGS
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import ExportFormat, Recording, read_file, recording_id, write_recordings
from repsense.recordings.stored import (
    MAX_SAMPLES_BYTES,
    StoredRecordings,
    each_recording,
    find_recording_documents,
    find_recordings,
    load_recordings,
    read_samples,
    recording_documents,
    recording_from,
    store_documents,
    store_recordings,
)
from repsense.training import RecordingSelection
from repsense_trainer.dataset_commands import app
from repsense_trainer.sources import read_source

EVERYTHING = RecordingSelection()
SQUAT, LUNGE, REST = (Label(exercise=name) for name in ("squat", "lunge", "rest"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with database(tmp_path_factory.mktemp("database")) as server:
        yield f"mongodb://127.0.0.1:{server.port}/repsense"


@pytest.fixture
def documents(url: str) -> Iterator[Documents]:
    documents = connect_database(url)
    _delete_all(documents)
    ensure_indexes(documents)
    yield documents
    documents.client.close()


def _delete_all(documents: Documents) -> None:
    for collection in (RECORDINGS, RECORDING_SAMPLES):
        documents[collection].delete_many({})


def _change(documents: Documents, recording: Recording, **fields: object) -> None:
    """As somebody does who edits a recording."""
    change = {"$set": fields, "$inc": {"version": 1}}
    assert documents[RECORDINGS].update_one({"_id": recording_id(recording)}, change).matched_count == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(any_recordings(), min_size=1, max_size=4, unique_by=recording_id))
def test_what_is_stored_comes_back_the_same(documents: Documents, recordings: list[Recording]) -> None:
    _delete_all(documents)

    assert store_recordings(documents, recordings) == StoredRecordings(
        [recording_id(recording) for recording in recordings], len(recordings)
    )

    back = {recording_id(recording): recording for recording in find_recordings(documents, EVERYTHING)}
    assert len(back) == len(recordings)
    assert all(same(back[recording_id(recording)], recording) for recording in recordings)


def test_the_same_recording_is_stored_once(documents: Documents) -> None:
    first, second, third = (make_recording(seed=seed) for seed in range(3))

    assert store_recordings(documents, [first, second, first]).n_new == 2
    assert store_recordings(documents, [second, third]).n_new == 1
    assert store_recordings(documents, [first, second, third]).n_new == 0
    assert store_recordings(documents, []) == StoredRecordings([], 0)
    assert documents[RECORDINGS].count_documents({}) == documents[RECORDING_SAMPLES].count_documents({}) == 3


def test_who_stores_again_changes_nothing(documents: Documents) -> None:
    recording = make_recording(label=SQUAT)
    store_documents(documents, [recording_documents(recording, 5, trim=(2, 40), interruption="lost", note="mine")])
    _change(documents, recording, label=LUNGE.model_dump(), changed_us=6)

    assert store_recordings(documents, [recording]) == StoredRecordings([recording_id(recording)], 0)

    (stored,) = find_recording_documents(documents, EVERYTHING)
    assert (stored["created_us"], stored["changed_us"], stored["version"]) == (5, 6, 2)
    assert (stored["trim_start"], stored["trim_stop"], stored["interruption"]) == (2, 40, "lost")
    assert (stored["label"], stored["note"]) == (LUNGE.model_dump(), "mine")


def test_a_trimmed_recording_begins_later_and_keeps_what_is_trimmed_off(documents: Documents) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    waited = make_recording(100, seed=1, started_at=noon)
    went_on = make_recording(100, seed=2, started_at=noon, activity_s=3.0)
    store_documents(documents, [recording_documents(one, 0, trim=(25, 75)) for one in (waited, went_on)])

    first, second = find_recordings(documents, EVERYTHING)
    if first.activity_s:
        first, second = second, first
    assert first.samples.tobytes() == waited.samples[25:75].tobytes()
    assert first.started_at == second.started_at == noon + timedelta(seconds=1)
    assert (first.activity_s, second.activity_s) == (0.0, 4.0)
    captured = read_samples(documents, [recording_id(waited)])
    assert captured == {recording_id(waited): waited.samples.tobytes()}


@pytest.mark.parametrize("trim", [(-1, 10), (10, 10), (20, 10), (0, 51)])
def test_a_trim_must_leave_something_of_what_there_is(trim: tuple[int, int]) -> None:
    with pytest.raises(RecordingError, match="cannot be trimmed"):
        recording_documents(make_recording(50), 0, trim=trim)


def test_what_was_changed_exported_and_comes_back_is_known(documents: Documents) -> None:
    recording = make_recording(label=SQUAT, subject="ann", started_at=datetime(2026, 1, 1, tzinfo=UTC))
    store_recordings(documents, [recording, make_recording(label=LUNGE, subject="ann", seed=1)])
    _change(documents, recording, label=LUNGE.model_dump(), trim_start=7)
    exported = find_recordings(documents, RecordingSelection(ids=(recording_id(recording),)))
    assert recording_id(exported[0]) != recording_id(recording)

    assert store_recordings(documents, exported) == StoredRecordings([recording_id(recording)], 0)

    other_samples = replace(exported[0], samples=exported[0].samples + np.float32(1))
    assert store_recordings(documents, [other_samples]).n_new == 1


def test_what_was_brought_back_in_a_form_with_less_room_is_known(documents: Documents, tmp_path: Path) -> None:
    started_at = datetime(2026, 3, 5, 10, tzinfo=UTC)
    whole = make_recording(label=SQUAT, subject="ann", session="1", started_at=started_at, activity_s=2.0)
    other = replace(
        whole, samples=whole.samples + 1, attributes={"simulated": "true"}, sample_rate_hz=49.81372912345678
    )
    store_recordings(documents, [whole, other])
    write_recordings(tmp_path / "out", [whole, other], ExportFormat.EDGE_IMPULSE)
    back = [recording for path in (tmp_path / "out").iterdir() for recording in read_file(path)]

    assert {recording.started_at for recording in back} == {None}
    stored = store_recordings(documents, back)

    assert (set(stored.ids), stored.n_new) == ({recording_id(whole), recording_id(other)}, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"session": "2"},
        {"label": LUNGE},
        {"started_at": datetime(2026, 3, 6, tzinfo=UTC)},
        {"activity_s": 1.0},
        {"attributes": {"load": "heavy"}},
    ],
)
def test_what_says_something_else_is_another_recording(documents: Documents, change: dict[str, Any]) -> None:
    whole = make_recording(
        label=SQUAT, session="1", started_at=datetime(2026, 3, 5, tzinfo=UTC), activity_s=2.0, attributes={"a": "b"}
    )
    store_recordings(documents, [whole])

    assert store_recordings(documents, [replace(whole, **change)]).n_new == 1


def test_what_was_thrown_away_is_not_found_and_replaced_by_the_same_recording(documents: Documents) -> None:
    thrown_away, kept = make_recording(seed=0, label=SQUAT), make_recording(seed=1, label=SQUAT)
    store_recordings(documents, [thrown_away, kept])
    _change(documents, thrown_away, label=LUNGE.model_dump(), deleted_us=9)

    assert [recording_id(recording) for recording in find_recordings(documents, EVERYTHING)] == [recording_id(kept)]
    assert find_recordings(documents, RecordingSelection(ids=(recording_id(thrown_away),))) == []
    # As it is by now it lies in the trash only, so this is a new one.
    assert store_recordings(documents, [replace(thrown_away, label=LUNGE)]).n_new == 1
    assert store_recordings(documents, [thrown_away]) == StoredRecordings([recording_id(thrown_away)], 1)

    stored = documents[RECORDINGS].find_one({"_id": recording_id(thrown_away)})
    assert stored is not None
    assert (stored["deleted_us"], stored["version"], stored["label"]) == (0, 3, SQUAT.model_dump())
    assert len(find_recordings(documents, EVERYTHING)) == 3


def test_a_recording_that_is_deleted_meanwhile_is_left_out(documents: Documents) -> None:
    first, second = make_recording(seed=0), make_recording(seed=1)
    store_recordings(documents, [first, second])
    found = find_recording_documents(documents, EVERYTHING)

    documents[RECORDING_SAMPLES].delete_one({"_id": recording_id(first)})

    (left,) = load_recordings(documents, found)
    assert same(left, second)
    assert [key for key, _ in each_recording(documents, found)] == [recording_id(second)]


def test_many_recordings_go_in_batches(documents: Documents) -> None:
    recordings = [make_recording(10, seed=seed) for seed in range(450)]

    assert store_recordings(documents, recordings).n_new == 450
    stored = store_recordings(documents, [*recordings, make_recording(10, seed=450)])
    assert (stored.n_new, len(set(stored.ids))) == (1, 451)
    assert len(find_recordings(documents, EVERYTHING)) == 451


def test_a_long_recording_is_stored_and_a_longer_one_refused(documents: Documents) -> None:
    longest = MAX_SAMPLES_BYTES // (4 * 6)
    samples = np.zeros((longest + 1, 6), dtype=np.float32)
    recording = replace(make_recording(), samples=samples[:-1], sample_rate_hz=100.0)

    assert store_recordings(documents, [recording]).n_new == 1
    (back,) = find_recordings(documents, EVERYTHING)
    assert same(back, recording)
    with pytest.raises(RecordingError, match=r"104 minutes is too long for the database: .* at most 104 minutes"):
        store_recordings(documents, [replace(recording, samples=samples)])


def test_a_selection_finds_its_recordings_in_order(documents: Documents) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    recordings = [
        make_recording(seed=0, subject="bob", session="1", label=SQUAT, sensor="wrist"),
        make_recording(seed=1, subject="ann", session="2", label=SQUAT, started_at=noon + timedelta(hours=1)),
        make_recording(seed=2, subject="ann", session="2", label=LUNGE, started_at=noon),
        make_recording(seed=3, subject="ann", session="1", label=Label(exercise="squat", form="deep")),
        make_recording(seed=4),
    ]
    store_recordings(documents, recordings)

    def found(**selection: tuple[object, ...]) -> list[int]:
        ids = [recording_id(recording) for recording in recordings]
        return [
            ids.index(recording_id(recording))
            for recording in find_recordings(documents, RecordingSelection.model_validate(selection))
        ]

    assert found() == [4, 3, 2, 1, 0]
    assert found(subjects=("ann",)) == [3, 2, 1]
    assert found(subjects=("ann", "bob"), labels=(SQUAT,)) == [1, 0]
    assert found(sessions=("1",)) == [3, 0]
    assert found(sensors=("wrist",)) == [0]
    assert found(ids=(recording_id(recordings[2]), recording_id(recordings[0]), "unknown")) == [2, 0]
    assert found(ids=()) == found(labels=(REST,)) == []


class Fetched(CommandListener):
    """Counts what is asked for samples."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find" and event.command["find"] == RECORDING_SAMPLES:
            self.ids += event.command["filter"]["_id"]["$in"]

    def succeeded(self, event: object) -> None:
        pass

    def failed(self, event: object) -> None:
        pass


def test_samples_of_others_are_not_fetched(documents: Documents, url: str) -> None:
    wanted = make_recording(seed=1, subject="ann")
    store_recordings(documents, [wanted, make_recording(seed=2, subject="bob")])
    fetched = Fetched()
    with pymongo.MongoClient[dict[str, Any]](url, event_listeners=[fetched]) as client:
        find_recordings(client.get_default_database(), RecordingSelection(subjects=("ann",)))

    assert fetched.ids == [recording_id(wanted)]


@pytest.mark.parametrize(
    "damage",
    [
        {"channels": ["ax", "what"]},
        {"label": "squat"},
        {"n_captured": 7},
        {"attributes": 1},
        {"trim_start": 50},
        {"trim_stop": 51},
    ],
)
def test_a_damaged_document_is_named(documents: Documents, damage: dict[str, object]) -> None:
    document, samples = recording_documents(make_recording(), 0)
    documents[RECORDINGS].insert_one(document | damage)
    documents[RECORDING_SAMPLES].insert_one(dict(samples))

    with pytest.raises(RecordingError, match=f"recording {document['_id']} in the database is damaged"):
        find_recordings(documents, EVERYTHING)
    # Others can be stored all the same.
    assert store_recordings(documents, [make_recording(seed=1)]).n_new == 1


def test_damaged_samples_are_named(documents: Documents) -> None:
    document, samples = recording_documents(make_recording(), 0)
    documents[RECORDINGS].insert_one(dict(document))
    documents[RECORDING_SAMPLES].insert_one({**samples, "samples": b"123"})

    with pytest.raises(RecordingError, match=f"recording {document['_id']} in the database is damaged"):
        find_recordings(documents, EVERYTHING)


def test_what_the_database_cannot_hold_is_refused(documents: Documents) -> None:
    for recording in (make_recording(subject="\ud800"), make_recording(attributes={"a\0b": "c"}), make_recording(0)):
        with pytest.raises(RecordingError):
            store_recordings(documents, [make_recording(seed=1), recording])
    assert documents[RECORDINGS].count_documents({}) == documents[RECORDING_SAMPLES].count_documents({}) == 0


def test_the_command_line_imports_once_and_exports_the_same(documents: Documents, url: str, tmp_path: Path) -> None:
    recordings = [
        make_recording(seed=seed, label=label, session=session)
        for seed, (label, session) in enumerate([(SQUAT, "1"), (LUNGE, "2"), (None, None)])
    ]
    write_recordings(tmp_path / "in.csv", recordings, ExportFormat.CSV)

    def run(*arguments: object) -> Any:  # noqa: ANN401 - whatever it prints
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    given = ("--subject", "ann", "--session", "9", "--sensor", "wrist", "--label", "push-up", "--form", "deep")
    for n_new in (3, 0):
        imported = run("import", tmp_path / "in.csv", "--to", url, *given)
        assert imported == {"n_recordings": 3, "n_new": n_new, "database": url}

    stored = find_recordings(documents, EVERYTHING)
    assert [(r.subject, r.session, r.sensor, str(r.label)) for r in stored] == [
        ("ann", "1", "wrist", "squat"),
        ("ann", "2", "wrist", "lunge"),
        ("ann", "9", "wrist", "push-up (deep)"),
    ]
    for name in ("out.parquet", "out.csv.gz"):
        assert run("export", url, tmp_path / name)["n_recordings"] == 3
        assert all(same(*pair) for pair in zip(read_file(tmp_path / name), stored, strict=True))
    assert run("export", url, tmp_path / "out")["format"] == "edge-impulse"
    assert len(run("inspect", url)["recordings"]) == 3
    assert len(read_source(url, selection=RecordingSelection(labels=(SQUAT,)))) == 1


def test_the_id_tells_everything_apart() -> None:
    recording = make_recording(label=SQUAT, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    changed: list[Recording] = [
        replace(recording, **change)
        for change in (
            {"label": LUNGE},
            {"label": None},
            {"subject": "ann"},
            {"session": "ann"},
            {"sensor": "wrist"},
            {"sample_rate_hz": 26.0},
            {"activity_s": 1.0},
            {"attributes": {"a": "b"}},
            {"started_at": datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
            {"samples": -recording.samples},
            {"channels": recording.channels[::-1]},
        )
    ]

    ids = [recording_id(recording), *map(recording_id, changed)]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 32 for one in ids)
    document, samples = recording_documents(recording, 1)
    assert recording_id(recording_from(document, samples["samples"])) == document["_id"] == ids[0]
