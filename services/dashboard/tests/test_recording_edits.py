"""Every change to recordings, and its way back."""

from collections.abc import Callable, Iterator

import pytest
from services.dashboard.tests.fake_recordings import FakeRecordings

from repsense_dashboard.api import ApiClient, ApiProblemError, Label
from repsense_dashboard.api.recordings import Recording, RecordingChanges, RecordingFilter
from repsense_dashboard.components.page import Changes
from repsense_dashboard.recording_edits import RecordingEdits

_SQUAT, _LUNGE = Label(exercise="squat"), Label(exercise="lunge")


@pytest.fixture
def client(api_url: str) -> Iterator[ApiClient]:
    with ApiClient(api_url) as client:
        yield client


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def edits(client: ApiClient, changes: Changes) -> RecordingEdits:
    return RecordingEdits(client.recordings, changes)


@pytest.fixture
def recordings(client: ApiClient, fake_recordings: FakeRecordings) -> tuple[Recording, ...]:
    fake_recordings.add_recording("squat", subject="Anna", session="1")
    fake_recordings.add_recording("lunge", subject="Ben", session="2")
    return client.recordings.list_recordings(RecordingFilter()).items


def _facts(recording: Recording) -> tuple[object, ...]:
    return (
        recording.recording_id, recording.label, recording.subject, recording.session, recording.note,
        recording.trim_start_s, recording.trim_end_s,
    )  # fmt: skip


_EDITS: dict[str, Callable[[RecordingEdits, tuple[Recording, ...]], object]] = {
    "trim": lambda edits, all_: edits.trim(all_[0], 3.0, 9.0),
    "untrim": lambda edits, all_: edits.untrim(all_[0]),
    "describe": lambda edits, all_: edits.describe(all_[0], label=_SQUAT, subject="Cy", session=None, note="wet floor"),
    "relabel": lambda edits, all_: edits.relabel(all_, Label(exercise="squat", form="deep")),
    "unlabel": lambda edits, all_: edits.relabel(all_, None),
    "person": lambda edits, all_: edits.move_to_person(all_, "Cy"),
    "session": lambda edits, all_: edits.move_to_session(all_, "9"),
    "delete": lambda edits, all_: edits.throw_away(all_),
    "split": lambda edits, all_: edits.split(all_[0], 8.0),
}


@pytest.mark.parametrize("name", _EDITS)
def test_every_change_can_be_undone(
    client: ApiClient, changes: Changes, edits: RecordingEdits, recordings: tuple[Recording, ...], name: str
) -> None:
    before = [_facts(each) for each in recordings]
    _EDITS[name](edits, recordings)
    changed = client.recordings.list_recordings(RecordingFilter()).items
    assert [_facts(each) for each in changed] != before
    assert changes.last is not None
    changes.undo()
    restored = client.recordings.list_recordings(RecordingFilter()).items
    assert [_facts(each) for each in restored] == before
    assert changes.last is None


def test_several_changes_are_undone_one_after_the_other(
    client: ApiClient, changes: Changes, edits: RecordingEdits, recordings: tuple[Recording, ...]
) -> None:
    first = edits.trim(recordings[0], 3.0, 9.0)
    edits.trim_to_movement(first)
    edits.relabel(client.recordings.list_recordings(RecordingFilter()).items, _LUNGE)
    for _each in range(3):
        changes.undo()
    restored = client.recordings.list_recordings(RecordingFilter()).items
    assert [_facts(each) for each in restored] == [_facts(each) for each in recordings]


def test_what_was_restored_can_be_thrown_away_again(
    client: ApiClient, changes: Changes, edits: RecordingEdits, recordings: tuple[Recording, ...]
) -> None:
    edits.restore(edits.throw_away(recordings).items)
    assert len(client.recordings.list_recordings(RecordingFilter()).items) == 2
    changes.undo()
    assert client.recordings.list_recordings(RecordingFilter()).items == ()


def test_a_change_of_what_somebody_else_has_changed_is_not_made_and_not_remembered(
    client: ApiClient, changes: Changes, edits: RecordingEdits, recordings: tuple[Recording, ...]
) -> None:
    client.recordings.change(recordings[0], RecordingChanges(note="from another tab"))
    with pytest.raises(ApiProblemError):
        edits.trim(recordings[0], 3.0, 9.0)
    assert edits.relabel(recordings[:1], _LUNGE).conflicts == (recordings[0].recording_id,)
    assert edits.throw_away(recordings[:1]).items == ()
    assert changes.last is None


def test_saying_the_same_again_is_no_change(
    changes: Changes, edits: RecordingEdits, recordings: tuple[Recording, ...]
) -> None:
    known = recordings[0]
    same = edits.describe(known, label=known.label, subject=known.subject, session=known.session, note=known.note)
    assert same is None
    assert changes.last is None


def test_changes_are_told_in_words(changes: Changes, edits: RecordingEdits, recordings: tuple[Recording, ...]) -> None:
    edits.trim(recordings[1], 3.0, 9.0)
    assert changes.last == "Take of squat trimmed"
    edits.relabel(recordings[:1], Label(exercise="squat", form="deep"))
    assert changes.last == "1 recording relabelled as squat (deep)"


def test_only_what_was_changed_is_counted(
    client: ApiClient, changes: Changes, edits: RecordingEdits, recordings: tuple[Recording, ...]
) -> None:
    client.recordings.change(recordings[0], RecordingChanges(note="from another tab"))
    edits.move_to_person(recordings, "Ben")
    assert changes.last == "1 recording moved to Ben"
