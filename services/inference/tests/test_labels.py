"""Labels over REST."""

import pytest
from services.inference.tests.fakes_recordings import RecordingWorld, problem_of
from support.recordings import make_recording

from repsense.labels import Label

_SQUAT = Label(exercise="squat")
_PUSH_UP = Label(exercise="push-up", form="correct")


@pytest.fixture
def world() -> RecordingWorld:
    return RecordingWorld()


def test_a_label_is_added_once(world: RecordingWorld) -> None:
    first = world.change("POST", "/v1/labels", {"exercise": "rest", "background": True})
    again = world.change("POST", "/v1/labels", {"exercise": " rest "})
    other = world.change("POST", "/v1/labels", {"exercise": "rest", "form": "lying"})

    assert [one.status_code for one in (first, again, other)] == [201, 200, 201]
    assert again.json() == first.json()
    assert (first.json()["background"], other.json()["background"]) == (True, False)
    assert world.get(first.headers["Location"]) == first.json()
    assert first.headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    "body", [{}, {"exercise": ""}, {"exercise": "x" * 61}, {"exercise": "squat", "form": ""}, {"exercise": "a", "b": 1}]
)
def test_what_is_no_label_is_refused(world: RecordingWorld, body: dict[str, object]) -> None:
    assert problem_of(world.change("POST", "/v1/labels", body)) == (422, "invalid-request")


def test_labels_come_in_alphabetical_order_with_what_is_recorded(world: RecordingWorld) -> None:
    world.label_store.known("Squat")
    world.label_store.known("push-up", "incorrect")
    world.recordings.keep(make_recording(1500, label=_PUSH_UP))
    world.recordings.keep(make_recording(1500, seed=1, label=_PUSH_UP), trim_stop=750)
    world.recordings.keep(make_recording(1500, seed=2))

    items = world.get("/v1/labels")["items"]

    assert [(one["exercise"], one["form"], one["n_recordings"], one["minutes"]) for one in items] == [
        ("push-up", "correct", 2, 1.5),
        ("push-up", "incorrect", 0, 0.0),
        ("Squat", None, 0, 0.0),
    ]


def test_labels_of_the_trash_are_not_brought_back(world: RecordingWorld) -> None:
    world.recordings.keep(make_recording(label=_SQUAT), deleted_us=1_772_386_900_000_000)

    assert world.get("/v1/labels") == {"items": []}


def test_only_what_is_sent_is_changed(world: RecordingWorld) -> None:
    path = f"/v1/labels/{world.label_store.known('push-up', 'correct')['_id']}"

    renamed = world.change("PATCH", path, {"exercise": "press-up"}, version=1)
    marked = world.change("PATCH", path, {"background": True}, version=2)
    bare = world.change("PATCH", path, {"form": None, "background": False}, version="*")

    assert (renamed.json()["exercise"], renamed.json()["form"], renamed.headers["ETag"]) == (
        "press-up",
        "correct",
        '"2"',
    )
    assert (marked.json()["exercise"], marked.json()["background"]) == ("press-up", True)
    assert (bare.json()["form"], bare.json()["background"], bare.json()["version"]) == (None, False, 4)


def test_words_are_given_once(world: RecordingWorld) -> None:
    world.label_store.known("squat")
    path = f"/v1/labels/{world.label_store.known('squat', 'deep')['_id']}"

    assert problem_of(world.change("PATCH", path, {"form": None}, version=1)) == (409, "label-taken")


def test_a_label_in_use_stays(world: RecordingWorld) -> None:
    path = f"/v1/labels/{world.label_store.known('squat')['_id']}"
    recording = world.recordings.keep(make_recording(label=_SQUAT))

    refused = world.change("DELETE", path, version=1)

    assert problem_of(refused) == (409, "label-in-use")
    assert refused.json()["detail"].startswith("1 recording has this label")
    world.change("DELETE", f"/v1/recordings/{recording['_id']}", version=1)
    assert world.change("DELETE", path, version=1).status_code == 204
    assert world.label_store.documents == {}


def test_a_change_needs_the_present_version(world: RecordingWorld) -> None:
    path = f"/v1/labels/{world.label_store.known('squat')['_id']}"

    for method, body in (("PATCH", {"form": "deep"}), ("DELETE", None)):
        assert problem_of(world.change(method, path, body)) == (428, "version-required")
        assert problem_of(world.change(method, path, body, version=7)) == (412, "version-conflict")
        assert problem_of(world.change(method, f"/v1/labels/{'0' * 32}", body, version=1)) == (404, "not-found")
