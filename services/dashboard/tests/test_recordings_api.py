"""The client of recordings, persons and labels against the stand-in, and what it sends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import Request, World
from services.dashboard.tests.fake_recordings import FakeRecordings

from repsense_dashboard.api import ApiClient, ApiProblemError, Label
from repsense_dashboard.api.labels import LabelChanges
from repsense_dashboard.api.persons import PersonChanges
from repsense_dashboard.api.recordings import RecordingChanges, RecordingFilter, TrimTo

_NOW = datetime.now(UTC)


@pytest.fixture
def sent() -> list[httpx.Request]:
    return []


@pytest.fixture
def client(world: World, fake_recordings: FakeRecordings, sent: list[httpx.Request]) -> Iterator[ApiClient]:
    """Return a client whose questions are answered without a network."""
    assert fake_recordings in world.routes

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        query: dict[str, list[str]] = {}
        for name, value in request.url.params.multi_items():
            query.setdefault(name, []).append(value)
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = world.answer(Request(request.method, request.url.path, query, headers, request.content))
        body, media_type = fake_api._encode(answer)
        return httpx.Response(answer.status, content=body, headers={"Content-Type": media_type, **answer.headers})

    with ApiClient("http://api.test", transport=httpx.MockTransport(handler)) as client:
        yield client


def test_recordings_come_newest_first_and_in_pages(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    for hours in (1, 3, 2):
        fake_recordings.add_recording("squat", session=str(hours), ago=timedelta(hours=hours))
    first = client.recordings.list_recordings(RecordingFilter(), limit=2)
    rest = client.recordings.list_recordings(RecordingFilter(), limit=2, cursor=first.next_cursor)
    assert [each.session for each in (*first.items, *rest.items)] == ["1", "2", "3"]
    assert rest.next_cursor is None


def test_a_filter_sends_only_what_matters(client: ApiClient, sent: list[httpx.Request]) -> None:
    client.recordings.list_recordings(RecordingFilter(exercise="squat", unlabelled=False, deleted=True), limit=5)
    assert dict(sent[0].url.params) == {"exercise": "squat", "deleted": "true", "limit": "5"}


def test_a_stretch_of_the_past_becomes_a_recording(
    client: ApiClient, fake_recordings: FakeRecordings, sent: list[httpx.Request]
) -> None:
    label = Label(exercise="squat", form="correct")
    begin = _NOW - timedelta(seconds=20)
    (made,) = client.recordings.keep_interval("wrist", begin, _NOW, label=label, subject="Anna", session=None)
    assert (made.label, made.subject, made.captured_s) == (label, "Anna", 20.0)
    assert set(fake_recordings.recordings) == {made.recording_id}
    assert b'"from":"' in sent[0].content
    assert b'"trim":"auto"' in sent[0].content


def test_what_the_service_has_forgotten_is_a_problem_with_its_words(client: ApiClient) -> None:
    begin = _NOW - timedelta(days=3)
    with pytest.raises(ApiProblemError) as caught:
        client.recordings.keep_interval(
            "wrist", begin, begin + timedelta(seconds=9), label=None, subject=None, session=None
        )
    assert caught.value.kind == "samples-gone"


def test_a_change_names_the_version_that_it_was_made_for_and_nothing_else(
    client: ApiClient, fake_recordings: FakeRecordings, sent: list[httpx.Request]
) -> None:
    known = client.recordings.get_recording(fake_recordings.add_recording("squat")["recording_id"])
    changed = client.recordings.change(known, RecordingChanges(trim=TrimTo(start_s=2.0, end_s=9.5)))
    assert (changed.trim_start_s, changed.trim_end_s, changed.duration_s) == (2.0, 9.5, 7.5)
    assert sent[-1].headers["If-Match"] == '"1"'
    assert sent[-1].content == b'{"trim":{"start_s":2.0,"end_s":9.5}}'

    with pytest.raises(ApiProblemError) as caught:
        client.recordings.change(known, RecordingChanges(label=None))
    assert (caught.value.status, caught.value.kind) == (412, "version-conflict")


def test_several_changes_spare_what_somebody_else_changed(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    for _each in range(2):
        fake_recordings.add_recording("squat")
    known = client.recordings.list_recordings(RecordingFilter()).items
    client.recordings.change(known[0], RecordingChanges(note="mine"))
    written = client.recordings.change_several(known, RecordingChanges(label=Label(exercise="lunge")))
    assert written.conflicts == (known[0].recording_id,)
    assert [each.label for each in written.items] == [Label(exercise="lunge")]


def test_trash_gives_back_what_it_took(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    fake_recordings.add_recording("squat")
    known = client.recordings.list_recordings(RecordingFilter()).items
    client.recordings.throw_away(known)
    assert client.recordings.list_recordings(RecordingFilter()).items == ()
    (trashed,) = client.recordings.list_recordings(RecordingFilter(deleted=True)).items
    assert trashed.deleted_at is not None
    client.recordings.restore([trashed.recording_id])
    (back,) = client.recordings.list_recordings(RecordingFilter()).items
    client.recordings.delete_for_good(back)
    assert fake_recordings.recordings == {}


def test_splitting_replaces_a_recording_by_its_parts(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    known = client.recordings.get_recording(fake_recordings.add_recording("squat")["recording_id"])
    parts = client.recordings.split(known, [8.0])
    assert [part.captured_s for part in parts] == [8.0, 12.0]
    kept = client.recordings.list_recordings(RecordingFilter()).items
    assert {each.recording_id for each in kept} == {part.recording_id for part in parts}


def test_a_signal_comes_with_its_trim_and_repetitions(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    recording_id = fake_recordings.add_recording("squat")["recording_id"]
    signal = client.recordings.get_signal(recording_id, max_points=100)
    assert len(signal.offsets_s) == len(signal.samples) == 100
    assert (signal.trim_start_s, signal.trim_end_s, signal.captured_s) == (1.3, 18.9, 20.0)
    assert len(signal.repetitions_s) == 8


def test_files_are_sent_as_they_are(client: ApiClient, sent: list[httpx.Request]) -> None:
    result = client.recordings.import_file("a b.csv", b"\xff\x00", sample_rate_hz=50.0, subject="Ben")
    assert (result.n_found, result.n_new) == (3, 3)
    assert dict(sent[0].url.params) == {"filename": "a b.csv", "sample_rate_hz": "50.0", "subject": "Ben"}
    assert sent[0].content == b"\xff\x00"
    assert sent[0].headers["Content-Type"] == "application/octet-stream"


def test_a_file_of_something_else_is_refused_in_words(client: ApiClient) -> None:
    with pytest.raises(ApiProblemError, match=r"holiday\.jpg is not a file of recordings"):
        client.recordings.import_file("holiday.jpg", b"")


def test_an_export_has_the_name_that_the_service_gives_it(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    wanted = fake_recordings.add_recording("squat")["recording_id"]
    fake_recordings.add_recording("lunge")
    file = client.recordings.export(RecordingFilter(exercise="squat"), "edge-impulse")
    assert (file.name, file.content.decode()) == ("recordings.zip", wanted)


def test_a_summary_adds_up(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    fake_recordings.add_recording("squat", subject="Anna")
    fake_recordings.add_recording("squat", subject="Ben")
    fake_recordings.add_recording(None, subject="Ben")
    summary = client.recordings.summarize()
    assert summary.n_recordings == 3
    assert summary.minutes == pytest.approx(sum(cell.minutes for cell in summary.cells), abs=0.01)
    assert {(cell.label and cell.label.exercise, cell.subject) for cell in summary.cells} == {
        ("squat", "Anna"), ("squat", "Ben"), (None, "Ben"),
    }  # fmt: skip


def test_warnings_are_read(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    fake_recordings.warnings = [{"kind": "gaps", "text": "There are gaps."}]
    assert [each.text for each in client.recordings.inspect().warnings] == ["There are gaps."]


def test_movement_of_a_take_is_read(client: ApiClient, sent: list[httpx.Request]) -> None:
    movement = client.movement.get_movement("wrist", _NOW - timedelta(seconds=10), _NOW)
    assert len(movement.repetitions) == 4
    assert len(movement.preview) > 0
    assert sent[0].url.params["to"] == _NOW.isoformat()


def test_a_timeline_is_read_with_what_is_known_of_it(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    made = fake_recordings.add_recording("squat", ago=timedelta(minutes=30))
    timeline = client.movement.get_timeline("wrist", _NOW - timedelta(hours=2), _NOW, max_points=240)
    assert len(timeline.preview.values) == 240
    assert timeline.preview.step_s == 30
    assert [each.recording_id for each in timeline.recordings] == [made["recording_id"]]


def test_persons_are_added_renamed_and_erased_with_their_name_typed(
    client: ApiClient, fake_recordings: FakeRecordings
) -> None:
    person = client.persons.add("Anna")
    with pytest.raises(ApiProblemError) as taken:
        client.persons.add("Anna")
    assert taken.value.kind == "name-taken"
    fake_recordings.add_recording("squat", subject="Anna")
    person = client.persons.change(person, PersonChanges(name="Anne"))
    assert client.persons.list_persons()[0].n_recordings == 1
    assert client.persons.get_belongings(person).models[0].name == "bodyweight"
    with pytest.raises(ApiProblemError) as unconfirmed:
        client.persons.erase(person, confirmation="Anna")
    assert unconfirmed.value.kind == "not-confirmed"
    assert client.persons.erase(person, confirmation="Anne").n_recordings == 1
    assert client.persons.list_persons() == ()


def test_labels_are_added_renamed_and_removed(client: ApiClient, fake_recordings: FakeRecordings) -> None:
    label = client.labels.add(Label(exercise="squat"))
    label = client.labels.change(label, LabelChanges(form="deep"))
    assert label.label == Label(exercise="squat", form="deep")
    fake_recordings.add_recording("squat", "deep")
    with pytest.raises(ApiProblemError) as used:
        client.labels.remove(label)
    assert used.value.kind == "label-in-use"
    fake_recordings.recordings.clear()
    client.labels.remove(label)
    assert client.labels.list_labels() == ()


def test_labels_of_the_model_in_use_are_read(client: ApiClient, world: World) -> None:
    old = {"in_use": False, "manifest": {"labels": [{"exercise": "plank", "form": None}]}}
    new = {"in_use": True, "manifest": {"labels": [{"exercise": "squat", "form": "correct"}]}}
    world.models = [old, new]
    assert client.labels.list_recognised() == (Label(exercise="squat", form="correct"),)
    world.models = []
    assert client.labels.list_recognised() == ()
