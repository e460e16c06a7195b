"""Workouts as people see them: what the preprocessor stored, with what was said of it."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from repsense.documents import SetDocument, SetEditDocument, WorkoutDocument, WorkoutEditDocument
from repsense_inference.totals import ExerciseTotal, add_up, sums_of_edit, total_of_set, total_seen

__all__ = ["EditedWorkout", "apply_edits", "choose", "rebuild_from_sets", "workout_as_seen"]


@dataclass(frozen=True, slots=True)
class EditedWorkout:
    """Sets of one sensor without a long pause between them.

    Attributes:
        workout_id: Its id.
        sensor_id: The sensor.
        started_us: When its first set began, microseconds since 1970.
        ended_us: When its last set ended.
        totals: One per exercise.
        simulated: Whether nobody moved.
        version: Counts the edits of the workout itself; 0 if there was none.
        subject: Who it was, if somebody said so.
        note: What somebody wrote to it.
    """

    workout_id: str
    sensor_id: str
    started_us: int
    ended_us: int
    totals: tuple[ExerciseTotal, ...]
    simulated: bool
    version: int = 0
    subject: str | None = None
    note: str | None = None

    @property
    def n_sets(self) -> int:
        """Sets of all exercises."""
        return sum(one.n_sets for one in self.totals)

    @property
    def active_us(self) -> int:
        """How long the sets lasted together."""
        return sum(one.duration_us for one in self.totals)


def workout_as_seen(document: WorkoutDocument, sets: Iterable[SetDocument] | None = None) -> EditedWorkout:
    """A workout without what was edited.

    Args:
        document: What the preprocessor stored.
        sets: The workout's sets, to be counted in place of the document's totals.
    """
    totals = document["totals"] if sets is None else [total_of_set(one) for one in sets]
    return EditedWorkout(
        workout_id=document["_id"],
        sensor_id=document["sensor_id"],
        started_us=document["started_us"],
        ended_us=document["ended_us"],
        totals=add_up(map(total_seen, totals)),
        simulated=bool(document["simulated"]),
    )


def rebuild_from_sets(workout: EditedWorkout, sets: Sequence[SetDocument]) -> EditedWorkout | None:
    """What is left of a workout whose sets were deleted while the preprocessor was not through with it.

    Args:
        workout: The workout as it is stored, with totals of what is gone.
        sets: Its sets that are there; without any, nothing is left.
    """
    if not sets:
        return None
    return dataclasses.replace(
        workout,
        started_us=min(one["started_us"] for one in sets),
        ended_us=max(one["ended_us"] for one in sets),
        totals=add_up(total_seen(total_of_set(one)) for one in sets),
    )


def apply_edits(
    workout: EditedWorkout, set_edits: Iterable[SetEditDocument], edit: WorkoutEditDocument | None
) -> EditedWorkout:
    """A workout with what was said of it.

    Args:
        workout: As the network saw it.
        set_edits: Of its sets; all of these sets are contained in its totals.
        edit: Of the workout itself.
    """
    corrections = [part for one in set_edits for part in sums_of_edit(one)]
    if corrections:
        workout = dataclasses.replace(workout, totals=add_up([*workout.totals, *corrections]))
    if edit is not None:
        workout = dataclasses.replace(workout, version=edit["version"], subject=edit["subject"], note=edit["note"])
    return workout


def choose(
    workouts: Iterable[EditedWorkout],
    from_us: int,
    to_us: int | None,
    *,
    sensor_id: str | None = None,
    subject: str | None = None,
    exercise: str | None = None,
) -> list[EditedWorkout]:
    """The workouts that started from one time on and before another, perhaps of one sensor, person or exercise."""
    return [
        one
        for one in workouts
        if one.started_us >= from_us
        and (to_us is None or one.started_us < to_us)
        and sensor_id in {None, one.sensor_id}
        and subject in {None, one.subject}
        and (exercise is None or any(total.exercise == exercise for total in one.totals))
    ]
