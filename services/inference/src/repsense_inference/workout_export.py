"""Everything that is known of workouts, as a file that is written while it is sent."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from repsense.documents import SetDocument, SetEditDocument
from repsense_inference.edited_workouts import EditedWorkout
from repsense_inference.schemas.workouts import ExerciseSet, Workout

__all__ = ["EditsReader", "WorkoutWithSets", "csv_lines", "json_lines", "with_sets"]

EditsReader = Callable[[Collection[str]], Mapping[str, SetEditDocument]]
WorkoutWithSets = tuple[Workout, Sequence[ExerciseSet]]

_PORTION = 500
"""Sets whose edits are looked up together."""
_COLUMNS = (
    "workout_id",
    "workout_started_at",
    "subject",
    "workout_note",
    "set_id",
    "started_at",
    "ended_at",
    "duration_s",
    "exercise",
    "form",
    "incorrect_share",
    "repetitions",
    "recognised_exercise",
    "recognised_form",
    "discarded",
    "note",
    "n_windows",
    "confidence",
    "sensor_id",
    "model_name",
    "model_version",
    "simulated",
)


def with_sets(
    workouts: Iterable[EditedWorkout], sets: Iterable[SetDocument], edits_of: EditsReader
) -> Iterator[WorkoutWithSets]:
    """Put workouts and their sets together, reading no more of the sets than is needed for the next workout.

    Args:
        workouts: Newest first.
        sets: All sets of these workouts, perhaps others too, newest first.
        edits_of: Looks up what was said of sets.

    Yields:
        Each workout with its sets, oldest first, the discarded ones too.
    """
    waiting: defaultdict[str, list[ExerciseSet]] = defaultdict(list)
    coming = _edited(sets, edits_of)
    following = next(coming, None)
    for workout in workouts:
        # No set starts before its workout.
        while following is not None and following[0]["started_us"] >= workout.started_us:
            waiting[following[0]["workout_id"]].append(ExerciseSet.from_document(*following))
            following = next(coming, None)
        yield Workout.from_workout(workout), waiting.pop(workout.workout_id, [])[::-1]


def json_lines(workouts: Iterable[WorkoutWithSets]) -> Iterator[str]:
    """A JSON object with all workouts, each on a line of its own and with its sets."""
    yield '{"workouts":['
    separator = "\n"
    for workout, sets in workouts:
        entry = workout.model_dump(mode="json") | {"sets": [one.model_dump(mode="json") for one in sets]}
        yield separator + json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        separator = ",\n"
    yield "\n]}\n"


def csv_lines(workouts: Iterable[WorkoutWithSets]) -> Iterator[str]:
    """A table with a row per set."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    for workout, sets in workouts:
        writer.writerows(_row(workout, one) for one in sets)
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _row(workout: Workout, one: ExerciseSet) -> dict[str, object]:
    whole = one.model_dump(mode="json")
    return {column: whole[column] for column in _COLUMNS if column in whole} | {
        "workout_started_at": workout.model_dump(mode="json", include={"started_at"})["started_at"],
        "subject": workout.subject,
        "workout_note": workout.note,
        "recognised_exercise": one.recognised.exercise,
        "recognised_form": one.recognised.form,
    }


def _edited(sets: Iterable[SetDocument], edits_of: EditsReader) -> Iterator[tuple[SetDocument, SetEditDocument | None]]:
    coming = iter(sets)
    while portion := list(islice(coming, _PORTION)):
        edits = edits_of([one["_id"] for one in portion])
        yield from ((one, edits.get(one["_id"])) for one in portion)
