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
from repsense.documents import RECORDINGS
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import ExportFormat, Recording, read_file, recording_id, write_recordings
from repsense.recordings.stored import (
    MAX_SAMPLES_BYTES,
    find_recordings,
    recording_document,
    recording_from,
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
    documents[RECORDINGS].delete_many({})
    ensure_indexes(documents)
    yield documents
    documents.client.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(any_recordings(), min_size=1, max_size=4, unique_by=recording_id))
def test_what_is_stored_comes_back_the_same(documents: Documents, recordings: list[Recording]) -> None:
    documents[RECORDINGS].delete_many({})

    assert store_recordings(documents, recordings) == len(recordings)

    back = {recording_id(recording): recording for recording in find_recordings(documents, EVERYTHING)}
    assert len(back) == len(recordings)
    assert all(same(back[recording_id(recording)], recording) for recording in recordings)


def test_the_same_recording_is_stored_once(documents: Documents) -> None:
    first, second, third = (make_recording(seed=seed) for seed in range(3))

    assert store_recordings(documents, [first, second, first]) == 2
    assert store_recordings(documents, [second, third]) == 1
    assert store_recordings(documents, [first, second, third]) == 0
    assert store_recordings(documents, []) == 0
    assert documents[RECORDINGS].count_documents({}) == 3


def test_who_stores_again_does_not_change_when_it_was_stored(documents: Documents) -> None:
    recording = make_recording()
    documents[RECORDINGS].insert_one(dict(recording_document(recording, created_us=5)))

    store_recordings(documents, [recording])

    stored = documents[RECORDINGS].find_one({})
    assert stored is not None
    assert stored["created_us"] == 5


def test_many_recordings_go_in_batches(documents: Documents) -> None:
    recordings = [make_recording(10, seed=seed) for seed in range(450)]

    assert store_recordings(documents, recordings) == 450
    assert store_recordings(documents, [*recordings, make_recording(10, seed=450)]) == 1
    assert len(find_recordings(documents, EVERYTHING)) == 451


def test_a_long_recording_is_stored_and_a_longer_one_refused(documents: Documents) -> None:
    longest = MAX_SAMPLES_BYTES // (4 * 6)
    samples = np.zeros((longest + 1, 6), dtype=np.float32)
    recording = replace(make_recording(), samples=samples[:-1], sample_rate_hz=100.0)

    assert store_recordings(documents, [recording]) == 1
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
        if event.command_name == "find" and event.command.get("projection") != {"samples": False}:
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
    [{"samples": b"123"}, {"channels": ["ax", "what"]}, {"label": "squat"}, {"n_samples": 7}, {"attributes": 1}],
)
def test_a_damaged_document_is_named(documents: Documents, damage: dict[str, object]) -> None:
    document = dict(recording_document(make_recording(), 0)) | damage
    documents[RECORDINGS].insert_one(document)

    with pytest.raises(RecordingError, match=f"recording {document['_id']} in the database is damaged"):
        find_recordings(documents, EVERYTHING)


def test_what_the_database_cannot_hold_is_refused(documents: Documents) -> None:
    for recording in (make_recording(subject="\ud800"), make_recording(attributes={"a\0b": "c"}), make_recording(0)):
        with pytest.raises(RecordingError):
            store_recordings(documents, [recording])


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
    assert recording_id(recording_from(recording_document(recording, 1))) == ids[0]
