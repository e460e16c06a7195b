"""Sets, workouts and what was said of them in memory, in place of the database."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from repsense.documents import (
    ClassificationDocument,
    ExerciseTotalDocument,
    LabelDocument,
    SetDocument,
    SetEditDocument,
    WorkoutDocument,
    WorkoutEditDocument,
    sensor_key,
)
from repsense_inference.edited_workouts import EditedWorkout, apply_edits, workout_as_seen
from repsense_inference.paging import Page
from repsense_inference.totals import total_of_set

__all__ = ["SECOND", "T0", "FakeSetEdits", "FakeSets", "FakeWorkouts", "make_set", "make_window", "make_workout"]

SECOND = 1_000_000
T0 = 1_772_384_400 * SECOND  # 2026-03-01T17:00:00Z


def make_set(started_us: int = T0, **changes: Any) -> SetDocument:  # noqa: ANN401 - as the document has them
    """Half a minute of push-ups, most of them correct."""
    sensor_id = changes.get("sensor_id", "wrist")
    document = SetDocument(
        _id=f"{sensor_id}-{started_us}",
        sensor_key=sensor_key(sensor_id, started_us),
        sensor_id=sensor_id,
        workout_id=f"{sensor_id}-{T0}",
        state="closed",
        exercise="push-up",
        form="correct",
        form_windows={"correct": 6, "incorrect": 2},
        started_us=started_us,
        ended_us=started_us + 30 * SECOND,
        last_window_end_us=started_us + 31 * SECOND,
        n_windows=8,
        confidence=0.9,
        model_name="mean",
        model_version=1,
        simulated=True,
    )
    document.update(changes)  # type: ignore[typeddict-item]
    return document


def make_workout(*sets: SetDocument, **changes: Any) -> WorkoutDocument:  # noqa: ANN401 - as above
    """The workout of some sets, as the preprocessor would store it."""
    exercises = [one["exercise"] for one in sets]
    document = WorkoutDocument(
        _id=sets[0]["workout_id"],
        sensor_key=sensor_key(sets[0]["sensor_id"], sets[0]["started_us"]),
        sensor_id=sets[0]["sensor_id"],
        started_us=sets[0]["started_us"],
        ended_us=sets[-1]["ended_us"],
        n_sets=len(sets),
        exercises={exercise: exercises.count(exercise) for exercise in sorted(set(exercises))},
        totals=[_total(exercise, sets) for exercise in sorted(set(exercises))],
        simulated=True,
    )
    document.update(changes)  # type: ignore[typeddict-item]
    return document


def make_window(of_set: SetDocument, start_us: int) -> ClassificationDocument:
    """The result of two seconds of a set."""
    sensor_id = of_set["sensor_id"]
    label = LabelDocument(exercise=of_set["exercise"], form=of_set["form"])
    return ClassificationDocument(
        _id=f"{sensor_id}:mean@1:{start_us}",
        sensor_key=sensor_key(sensor_id, start_us),
        sensor_id=sensor_id,
        stream_id="one",
        model_name="mean",
        model_version=1,
        window_start_us=start_us,
        window_end_us=start_us + 2 * SECOND,
        last_sequence=1,
        label=label,
        confidence=0.75,
        window_label=label,
        probabilities=[0.75, 0.25, 0.0],
        unclassified_reason=None,
        simulated=True,
    )


def _total(exercise: str, sets: Collection[SetDocument]) -> ExerciseTotalDocument:
    parts = [total_of_set(one) for one in sets if one["exercise"] == exercise]
    forms = {form for part in parts for form in part["form_windows"]}
    return ExerciseTotalDocument(
        exercise=exercise,
        n_sets=len(parts),
        duration_us=sum(part["duration_us"] for part in parts),
        form_windows={form: sum(part["form_windows"].get(form, 0) for part in parts) for form in sorted(forms)},
    )


@dataclass
class FakeSets:
    documents: dict[str, SetDocument] = field(default_factory=dict)
    asked: tuple[object, ...] | None = None

    def add(self, *sets: SetDocument) -> None:
        """Store sets, the later ones last."""
        self.documents |= {one["_id"]: one for one in sets}

    def newest(self, sensor_id: str) -> SetDocument | None:
        return next((one for one in self.documents.values() if one["sensor_id"] == sensor_id), None)

    def get(self, set_id: str) -> SetDocument | None:
        return self.documents.get(set_id)

    def of_workout(self, workout_id: str) -> list[SetDocument]:
        return [one for one in self.documents.values() if one["workout_id"] == workout_id]

    def newest_first(self, from_us: int, to_us: int, sensor_id: str | None = None) -> Iterator[SetDocument]:
        assert sensor_id is None
        found = [one for one in self.documents.values() if from_us <= one["started_us"] < to_us]
        yield from sorted(found, key=lambda one: one["started_us"], reverse=True)

    def page(self, sensor_id: str | None, workout_id: str | None, limit: int, cursor: str | None) -> Page[SetDocument]:
        self.asked = (sensor_id, workout_id, limit, cursor)
        return Page(list(self.documents.values()), None)


@dataclass
class FakeSetEdits:
    documents: dict[str, SetEditDocument] = field(default_factory=dict)
    rivals: list[SetEditDocument] = field(default_factory=list)
    """What somebody else stores just before one of ours."""

    def get(self, set_id: str) -> SetEditDocument | None:
        return self.documents.get(set_id)

    def of(self, set_ids: Collection[str]) -> dict[str, SetEditDocument]:
        return {key: edit for key, edit in self.documents.items() if key in set_ids}

    def put(self, edit: SetEditDocument, replaced_version: int) -> bool:
        if self.rivals:
            rival = self.rivals.pop()
            self.documents[rival["_id"]] = rival
        before = self.documents.get(edit["_id"])
        if (before["version"] if before else 0) != replaced_version:
            return False
        self.documents[edit["_id"]] = edit
        return True


@dataclass
class FakeWorkouts:
    set_edits: FakeSetEdits
    documents: dict[str, WorkoutDocument] = field(default_factory=dict)
    edits: dict[str, WorkoutEditDocument] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)

    def add(self, *workouts: WorkoutDocument) -> None:
        """Store workouts."""
        self.documents |= {one["_id"]: one for one in workouts}

    def get(self, workout_id: str) -> EditedWorkout | None:
        return next((one for one in self.newest_first() if one.workout_id == workout_id), None)

    def newest_first(self) -> list[EditedWorkout]:
        found = [
            apply_edits(
                workout_as_seen(document),
                [edit for edit in self.set_edits.documents.values() if edit["workout_id"] == workout_id],
                self.edits.get(workout_id),
            )
            for workout_id, document in self.documents.items()
        ]
        return sorted(found, key=lambda one: one.started_us, reverse=True)

    def edit(self, workout_id: str) -> WorkoutEditDocument | None:
        return self.edits.get(workout_id)

    def put_edit(self, edit: WorkoutEditDocument, replaced_version: int) -> bool:
        before = self.edits.get(edit["_id"])
        if (before["version"] if before else 0) != replaced_version:
            return False
        self.edits[edit["_id"]] = edit
        return True

    def forget(self, workout_id: str, set_ids: Collection[str]) -> None:
        assert set_ids
        self.forgotten.append(workout_id)
