"""What moves in a sensor's stored signal, and keeping it, over REST."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from services.inference.tests.fakes_recordings import FakeChunks, RecordingWorld, problem_of
from support.recordings import make_recording

from repsense.channels import CHANNELS
from repsense.documents import LabelDocument, SetDocument, SetEditDocument
from repsense.labels import Label
from repsense.timestamps import from_epoch_us, now_us

_SECOND = 1_000_000
_T0 = 1_772_384_400 * _SECOND  # 2026-03-01T17:00:00Z
_RATE_HZ = 50.0
_SQUAT = Label(exercise="squat")


@dataclass
class _Sets:
    documents: list[SetDocument] = field(default_factory=list)

    def newest_first(self, from_us: int, to_us: int, sensor_id: str | None = None) -> Iterator[SetDocument]:
        for one in sorted(self.documents, key=lambda one: one["started_us"], reverse=True):
            if from_us <= one["started_us"] < to_us and one["sensor_id"] == sensor_id:
                yield one


@dataclass
class _SetEdits:
    edits: dict[str, SetEditDocument] = field(default_factory=dict)

    def of(self, set_ids: list[str]) -> dict[str, SetEditDocument]:
        return {one: self.edits[one] for one in set_ids if one in self.edits}


@pytest.fixture
def chunks() -> FakeChunks:
    return FakeChunks()


@pytest.fixture
def sets() -> _Sets:
    return _Sets()


@pytest.fixture
def edits() -> _SetEdits:
    return _SetEdits()


@pytest.fixture
def world(chunks: FakeChunks, sets: _Sets, edits: _SetEdits) -> RecordingWorld:
    return RecordingWorld(samples=chunks, others={"sets": sets, "set_edits": edits})


def _signal(*parts: tuple[bool, float]) -> NDArray[np.float32]:
    """Six channels at 50 Hz: parts that move, a repetition every two seconds, or rest, each for so many seconds."""
    random = np.random.default_rng(0)
    pieces = []
    for moves, seconds in parts:
        times_s = np.arange(round(seconds * _RATE_HZ)) / _RATE_HZ
        piece = random.normal(0, 0.02, (len(times_s), 6))
        piece[:, 2] += 9.81 + (4 * (1 - np.cos(np.pi * times_s)) if moves else 0)
        pieces.append(piece)
    return np.concatenate(pieces).astype(np.float32)


def _interval(from_s: float, to_s: float, start_us: int = _T0) -> dict[str, str]:
    return {
        "from": from_epoch_us(start_us + round(from_s * _SECOND)).isoformat(),
        "to": from_epoch_us(start_us + round(to_s * _SECOND)).isoformat(),
    }


def _seconds(time: str) -> float:
    return (datetime.fromisoformat(time) - datetime(2026, 3, 1, 17, tzinfo=UTC)).total_seconds()


def _keep(world: RecordingWorld, **fields: object) -> list[dict[str, Any]]:
    response = world.change("POST", "/v1/recordings", {"sensor_id": "wrist", **fields})
    assert response.status_code == 201, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def test_a_take_under_way_tells_when_it_began_to_move_and_how_often(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((False, 4), (True, 10), (False, 3)), _T0)

    take = world.get("/v1/sensors/wrist/movement", **_interval(0, 30))

    assert (take["sensor_id"], take["n_samples"]) == ("wrist", 850)
    assert (_seconds(take["from"]), _seconds(take["to"])) == (0, 30)
    assert _seconds(take["onset_at"]) == pytest.approx(4, abs=0.8)
    assert _seconds(take["end_at"]) == pytest.approx(14, abs=0.8)
    assert [_seconds(time) for time in take["repetitions"]] == pytest.approx([5, 7, 9, 11, 13], abs=0.4)
    assert len(take["preview"]) == 120
    assert np.argmax(take["preview"]) / 120 * 17 == pytest.approx(9, abs=5)
    assert [one["reason"] for one in take["interruptions"]] == ["the signal ended 13.0 s early"]


def test_nothing_moves_as_long_as_nothing_does(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((False, 5)), _T0)

    take = world.get("/v1/sensors/wrist/movement", **_interval(0, 5))

    assert (take["n_samples"], take["onset_at"], take["end_at"], take["repetitions"]) == (250, None, None, [])
    assert max(take["preview"]) < 0.1


def test_a_movement_without_rest_began_with_the_take(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((True, 60)), _T0)

    take = world.get("/v1/sensors/wrist/movement", **_interval(0, 60))

    assert (_seconds(take["onset_at"]), _seconds(take["end_at"])) == (0, 60)
    assert len(take["repetitions"]) == 30


def test_interruptions_are_told_where_they_are(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((True, 10)), _T0)
    chunks.send(_signal((True, 8)), _T0 + 12 * _SECOND, sequence=600)
    chunks.send(_signal((True, 6)), _T0 + 24 * _SECOND, stream_id="two")

    take = world.get("/v1/sensors/wrist/movement", **_interval(0, 30))

    assert [(_seconds(one["at"]), one["reason"]) for one in take["interruptions"]] == [
        (10, "2.0 s of signal were lost"),
        (20, "the sensor was disconnected"),
    ]
    assert (_seconds(take["onset_at"]), _seconds(take["end_at"])) == (0, 30)
    assert len(take["repetitions"]) == 5 + 4 + 3


def test_nothing_stored_is_no_movement(world: RecordingWorld) -> None:
    take = world.get("/v1/sensors/nobody/movement", **_interval(0, 5))

    assert (take["n_samples"], take["onset_at"], take["preview"], take["interruptions"]) == (0, None, [], [])


@pytest.mark.parametrize("resource", ["movement", "timeline"])
@pytest.mark.parametrize(
    "parameters", [{}, _interval(5, 5), _interval(6, 5), _interval(0, 86_401), {"from": "2026-03-01T17:00:00"}]
)
def test_an_interval_has_a_beginning_and_an_end(
    world: RecordingWorld, resource: str, parameters: dict[str, str]
) -> None:
    response = world.request("GET", f"/v1/sensors/wrist/{resource}", params=parameters)

    assert problem_of(response) == (422, "invalid-request")


def test_a_timeline_shows_movement_and_where_nothing_is_stored(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((False, 20), (True, 20), (False, 10)), _T0 + 10 * _SECOND)

    timeline = world.get("/v1/sensors/wrist/timeline", **_interval(0, 70), max_points=20)

    preview = timeline["preview"]
    assert (_seconds(timeline["kept_from"]), _seconds(preview["start_at"]), preview["step_s"]) == (10, 0, 5)
    values = preview["values"]
    assert [value is None for value in values] == [True] * 2 + [False] * 10 + [True] * 2
    assert all(value < 0.3 for value in (*values[2:5], values[11]))
    assert all(value > 1 for value in values[6:10])


def test_a_long_timeline_is_looked_at_here_and_there_and_remembered(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((False, 600), (True, 600)), _T0 + 600 * _SECOND)

    first = world.get("/v1/sensors/wrist/timeline", **_interval(0, 3600))["preview"]
    n_reads = chunks.n_reads
    again = world.get("/v1/sensors/wrist/timeline", **_interval(0, 3600))["preview"]

    assert again == first
    assert (first["step_s"], len(first["values"])) == (15, 240)
    values = first["values"]
    assert values[:40] == [None] * 40
    assert max(values[40:79]) < 0.3
    assert min(values[81:120]) > 1
    assert values[120:] == [None] * 120
    # Two looks in each step with signal, and one to find that there is no more.
    assert 160 <= n_reads <= 165
    assert chunks.n_reads == n_reads + 1


def test_what_was_erased_is_not_remembered(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((True, 1200)), _T0)
    world.get("/v1/sensors/wrist/timeline", **_interval(0, 3600))
    kept = chunks.chunks[0]
    chunks.chunks = [kept]
    person = world.persons.known("Anna")

    world.change("DELETE", f"/v1/persons/{person['_id']}?confirm=Anna", version=1)

    values = world.get("/v1/sensors/wrist/timeline", **_interval(0, 3600))["preview"]["values"]
    assert values[0] is not None
    assert values[1:] == [None] * 239


def test_a_preview_has_no_more_points_than_are_of_use(world: RecordingWorld) -> None:
    timeline = world.get("/v1/sensors/wrist/timeline", **_interval(0, 3600), max_points=10_000)

    assert (timeline["preview"]["step_s"], len(timeline["preview"]["values"])) == (10, 360)


def test_a_timeline_of_nothing_is_empty(world: RecordingWorld) -> None:
    timeline = world.get("/v1/sensors/wrist/timeline", **_interval(0, 86_400))

    assert (timeline["kept_from"], timeline["recordings"], timeline["sets"]) == (None, [], [])
    assert timeline["preview"]["step_s"] == 300
    assert timeline["preview"]["values"] == [None] * 288


def _set(start_s: float, end_s: float, sensor_id: str = "wrist") -> SetDocument:
    started_us, ended_us = _T0 + round(start_s * _SECOND), _T0 + round(end_s * _SECOND)
    return SetDocument(
        _id=f"{sensor_id}-{started_us}",
        sensor_key=f"{sensor_id}:{started_us}",
        sensor_id=sensor_id,
        workout_id=f"{sensor_id}-{_T0}",
        state="closed",
        exercise="squat",
        form=None,
        form_windows={},
        started_us=started_us,
        ended_us=ended_us,
        last_window_end_us=ended_us,
        n_windows=10,
        confidence=0.9,
        model_name="mean",
        model_version=1,
        simulated=False,
    )


def _edit(document: SetDocument, *, exercise: str | None = None, discarded: bool = False) -> SetEditDocument:
    return SetEditDocument(
        _id=document["_id"],
        workout_id=document["workout_id"],
        started_us=document["started_us"],
        version=1,
        changed_us=_T0,
        label=None if exercise is None else LabelDocument(exercise=exercise, form=None),
        discarded=discarded,
        repetitions=None,
        note=None,
        n_windows=10,
        original={"exercise": "squat", "n_sets": 1, "duration_us": 1, "form_windows": {}},
    )


def test_a_timeline_has_the_sensors_recordings_and_corrected_sets(
    world: RecordingWorld, sets: _Sets, edits: _SetEdits
) -> None:
    taken: dict[str, Any] = {"sensor": "wrist", "label": _SQUAT}
    started_at = from_epoch_us(_T0)
    inside = world.recordings.keep(make_recording(500, started_at=started_at, **taken), trim_start=50)
    world.recordings.keep(make_recording(500, seed=1, started_at=started_at, sensor="ankle"))
    world.recordings.keep(make_recording(500, seed=2, started_at=started_at, **taken), deleted_us=now_us())
    world.recordings.keep(make_recording(500, seed=3, started_at=from_epoch_us(_T0 - 20 * _SECOND), **taken))
    world.recordings.keep(make_recording(500, seed=4, **taken))
    sets.documents = [_set(-30, -10), _set(-5, 5), _set(10, 20), _set(20, 25), _set(12, 18, "ankle"), _set(60, 70)]
    edits.edits = {
        sets.documents[2]["_id"]: _edit(sets.documents[2], exercise="lunge"),
        sets.documents[3]["_id"]: _edit(sets.documents[3], discarded=True),
    }

    timeline = world.get("/v1/sensors/wrist/timeline", **_interval(0, 60))

    [recording] = timeline["recordings"]
    assert (recording["recording_id"], recording["label"]["exercise"]) == (inside["_id"], "squat")
    assert (_seconds(recording["started_at"]), _seconds(recording["ended_at"])) == (2, 20)
    assert [(one["exercise"], _seconds(one["started_at"])) for one in timeline["sets"]] == [
        ("squat", -5),
        ("lunge", 10),
    ]


def test_a_take_is_trimmed_to_its_movement(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((False, 4), (True, 10), (False, 3)), _T0)

    [trimmed] = _keep(world, **_interval(0, 17))
    [whole] = _keep(world, **_interval(0, 16.9), trim="none")

    assert (trimmed["captured_s"], whole["trim_start_s"], whole["trim_end_s"]) == (17, 0, 16.9)
    assert trimmed["trim_start_s"] == pytest.approx(4, abs=0.8)
    assert trimmed["trim_end_s"] == pytest.approx(14, abs=0.8)
    assert _seconds(trimmed["started_at"]) == trimmed["trim_start_s"]
    assert (trimmed["sensor_id"], trimmed["channels"], trimmed["label"]) == ("wrist", list(CHANNELS[:6]), None)


def test_losses_that_were_filled_are_told(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((True, 4)), _T0)
    del chunks.chunks[5]

    [take] = _keep(world, **_interval(0, 4), trim="none")

    assert (take["n_samples"], take["attributes"], take["interruption"]) == (200, {"filled_samples": "10"}, None)


def test_a_take_of_rest_is_not_trimmed_to_the_fidgeting_in_it(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(_signal((False, 8), (True, 4), (False, 8)), _T0)
    world.change("POST", "/v1/labels", {"exercise": "rest", "background": True})

    [rest] = _keep(world, **_interval(0, 20), label={"exercise": "rest"})
    [squat] = _keep(world, **_interval(0, 20), label={"exercise": "squat"})

    assert rest["duration_s"] == 20
    assert squat["duration_s"] < 8


def test_the_last_moment_of_a_take_is_waited_for(world: RecordingWorld, chunks: FakeChunks) -> None:
    start_us = now_us() - 4 * _SECOND
    chunks.arriving = chunks.send(_signal((True, 4)), start_us)[15:]
    chunks.chunks = chunks.chunks[:15]

    [take] = _keep(world, **_interval(0, 4, start_us), trim="none")

    assert (take["n_samples"], chunks.arriving) == (200, [])


def test_a_sensor_that_is_silent_is_not_waited_for(world: RecordingWorld, chunks: FakeChunks) -> None:
    start_us = now_us() - 20 * _SECOND
    sent = chunks.send(_signal((True, 4)), start_us)
    chunks.arriving = [sent[-1]]
    chunks.chunks = sent[:-1]

    [take] = _keep(world, **_interval(0, 20, start_us), trim="none")

    assert take["interruption"] == "the signal ended 16.0 s early"
    assert chunks.arriving == []


@pytest.mark.parametrize(
    "changes",
    [
        _interval(5, 5),
        _interval(5, 4),
        _interval(0, 601),
        {"from": "yesterday"},
        {"sensor_id": "Left Wrist"},
        {"trim": "somehow"},
        {"label": "squat"},
        {"subject": " "},
        {"colour": "red"},
    ],
)
def test_what_cannot_be_kept_is_refused(world: RecordingWorld, changes: dict[str, str]) -> None:
    body = {"sensor_id": "wrist", **_interval(0, 5), **changes}

    assert problem_of(world.change("POST", "/v1/recordings", body)) == (422, "invalid-request")


def test_what_is_too_long_for_the_database_is_told(world: RecordingWorld, chunks: FakeChunks) -> None:
    chunks.send(np.zeros((1_200_000, 6), np.float32), _T0, rate_hz=2_000.0, size=100_000)

    response = world.change("POST", "/v1/recordings", {"sensor_id": "wrist", **_interval(0, 600), "trim": "none"})

    assert problem_of(response) == (422, "invalid-request")
    assert "too long for the database" in response.json()["detail"]
