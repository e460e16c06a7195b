"""Recordings as files over REST."""

import io
import zipfile

import numpy as np
import pytest
from services.inference.tests.fakes_recordings import RecordingWorld, problem_of
from support.recordings import make_recording, same

from repsense.labels import Label
from repsense.recordings import ExportFormat, Recording
from repsense.recordings.formats import export_bytes, read_bytes
from repsense_inference.app import MAX_BODY_BYTES
from repsense_inference.routes.recording_files import IMPORT_PATH, MAX_IMPORT_BYTES

_OCTETS = {"Content-Type": "application/octet-stream"}
_SQUAT = Label(exercise="squat")


@pytest.fixture
def world() -> RecordingWorld:
    return RecordingWorld()


def _parquet(*recordings: Recording) -> bytes:
    return export_bytes(recordings, ExportFormat.PARQUET)[2]


def test_a_file_is_imported(world: RecordingWorld) -> None:
    content = _parquet(make_recording(label=_SQUAT, subject="Anna"), make_recording(seed=1, session="friday"))

    response = world.request(
        "POST",
        IMPORT_PATH,
        params={"filename": "C:\\takes\\mine.parquet", "subject": "Ben", "session": "monday"},
        content=content,
        headers=_OCTETS,
    )

    assert response.status_code == 201
    result = response.json()
    assert (result["n_found"], result["n_new"], len(result["items"])) == (2, 2, 2)
    assert {(one["subject"], one["session"]) for one in result["items"]} == {("Anna", "monday"), ("Ben", "friday")}
    assert {one["name"] for one in world.persons.all()} == {"Anna", "Ben"}
    assert [one["exercise"] for one in world.label_store.all()] == ["squat"]


def test_only_the_first_recordings_of_a_large_file_are_shown(world: RecordingWorld) -> None:
    content = _parquet(*(make_recording(5, seed=seed) for seed in range(205)))

    result = world.request(
        "POST", IMPORT_PATH, params={"filename": "mine.parquet"}, content=content, headers=_OCTETS
    ).json()

    assert (result["n_found"], result["n_new"], len(result["items"])) == (205, 205, 200)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.parquet", b"nothing of the kind"),
        ("mine.csv", b"a,b\n1,2\n"),
        ("mine.csv", b""),
        ("mine.json", b"{}"),
        ("mine.zip", b"PK"),
        ("mine.pkl", b"cos\nsystem\n(S'true'\ntR."),
        ("mine.txt", b"hello"),
        ("../../etc/passwd", b"hello"),
        ("/", b"hello"),
    ],
)
def test_a_wrong_file_gets_a_sentence(world: RecordingWorld, name: str, content: bytes) -> None:
    response = world.request("POST", IMPORT_PATH, params={"filename": name}, content=content, headers=_OCTETS)

    assert problem_of(response) == (422, "unreadable-file")
    assert "/tmp" not in response.json()["detail"]  # noqa: S108 - what must not be told
    assert world.recordings.documents == {}


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]
)
def test_what_a_foreign_page_could_send_is_no_file(world: RecordingWorld, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    response = world.request(
        "POST", IMPORT_PATH, params={"filename": "mine.parquet"}, content=_parquet(make_recording()), headers=headers
    )

    assert problem_of(response) == (415, "wrong-media-type")
    assert world.recordings.documents == {}


def test_a_table_without_a_rate_needs_one(world: RecordingWorld) -> None:
    table = b"ax,ay,az\n" + b"0.1,0.2,9.8\n" * 20
    parameters = {"filename": "mine.csv"}

    without = world.request("POST", IMPORT_PATH, params=parameters, content=table, headers=_OCTETS)
    given = world.request(
        "POST", IMPORT_PATH, params=parameters | {"sample_rate_hz": 10}, content=table, headers=_OCTETS
    )

    assert problem_of(without) == (422, "unreadable-file")
    assert given.json()["items"][0]["sample_rate_hz"] == 10.0


def test_files_may_be_larger_than_other_bodies(world: RecordingWorld) -> None:
    large = {**_OCTETS, "Content-Length": str(MAX_IMPORT_BYTES + 1)}
    content = b"x" * (MAX_BODY_BYTES + 1)

    taken = world.request("POST", IMPORT_PATH, params={"filename": "mine.csv"}, content=content, headers=_OCTETS)
    refused = world.request("POST", IMPORT_PATH, params={"filename": "mine.csv"}, content=b"x", headers=large)
    elsewhere = world.request("POST", "/v1/recordings/trash", content=content, headers=_OCTETS)

    assert problem_of(taken) == (422, "unreadable-file")
    assert problem_of(refused) == problem_of(elsewhere) == (413, "body-too-large")
    assert str(MAX_IMPORT_BYTES) in refused.json()["detail"]


@pytest.mark.parametrize(
    ("form", "name", "media_type"),
    [
        ("parquet", "recordings.parquet", "application/vnd.apache.parquet"),
        ("csv", "recordings.csv", "text/csv; charset=utf-8"),
        ("edge-impulse", "recordings.zip", "application/zip"),
    ],
)
def test_recordings_are_exported_without_what_is_trimmed_off(
    world: RecordingWorld, form: str, name: str, media_type: str
) -> None:
    recording = make_recording(100, label=_SQUAT, subject="Anna", session="1")
    world.recordings.keep(recording, trim_start=20, trim_stop=80)
    world.recordings.keep(make_recording(seed=1, label=_SQUAT, subject="Ben"))

    response = world.request("GET", "/v1/recordings/export", params={"format": form, "subject": "Anna"})

    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["Content-Type"] == media_type
    [back] = read_bytes(name, response.content)
    assert (len(back.samples), back.label) == (60, _SQUAT)
    assert np.allclose(back.samples, recording.samples[20:80], atol=1e-5)


def test_an_archive_is_exact(world: RecordingWorld) -> None:
    recordings = [make_recording(seed=seed, label=_SQUAT, subject=f"p{seed}") for seed in range(3)]
    for recording in reversed(recordings):
        world.recordings.keep(recording)

    back = read_bytes("a.parquet", world.request("GET", "/v1/recordings/export").content)

    assert all(same(one, other) for one, other in zip(recordings, back, strict=True))


def test_edge_impulse_gets_a_zip_with_a_file_for_each(world: RecordingWorld) -> None:
    for seed in range(3):
        world.recordings.keep(make_recording(seed=seed, label=_SQUAT))

    content = world.request("GET", "/v1/recordings/export", params={"format": "edge-impulse"}).content

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".json")]) == 3


def test_there_is_something_to_export_or_a_sentence(world: RecordingWorld) -> None:
    world.recordings.keep(make_recording(subject="Anna"), deleted_us=1)

    response = world.request("GET", "/v1/recordings/export")

    assert problem_of(response) == (422, "invalid-request")
    assert "no recording fits" in response.json()["detail"]


def test_an_export_that_is_too_large_is_to_be_made_in_parts(world: RecordingWorld) -> None:
    world.recordings.keep(make_recording(subject="Anna"), n_captured=30_000_000)

    response = world.request("GET", "/v1/recordings/export")

    assert problem_of(response) == (422, "invalid-request")
    assert world.recordings.n_loads == 0


def test_a_damaged_recording_is_named(world: RecordingWorld) -> None:
    document = world.recordings.keep(make_recording())
    world.recordings.stored_samples[document["_id"]] = b"short"

    for path in ("export", "inspection", f"{document['_id']}/signal"):
        response = world.request("GET", f"/v1/recordings/{path}")

        assert problem_of(response) == (409, "unusable-recording")
        assert document["_id"] in response.json()["detail"]
