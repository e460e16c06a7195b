"""Sets and workouts, and the present of a sensor."""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.config import JsonDict

from repsense.documents import SetDocument, SetEditDocument
from repsense.labels import Label
from repsense.timestamps import MICROSECONDS, from_epoch_us
from repsense_inference.edited_workouts import EditedWorkout
from repsense_inference.schemas.base import PUSH_UP, Name, NextCursor, Note, Request, Resource, label_from
from repsense_inference.schemas.classifications import CLASSIFICATION_EXAMPLE, Classification
from repsense_inference.schemas.sensors import SENSOR_EXAMPLE, Sensor
from repsense_inference.totals import ExerciseTotal as Total
from repsense_inference.totals import incorrect_share

__all__ = [
    "ExerciseSet",
    "ExerciseTotal",
    "Live",
    "SetChange",
    "SetPage",
    "SetRecordingRequest",
    "TimelineWindow",
    "Workout",
    "WorkoutChange",
    "WorkoutPage",
    "WorkoutTimeline",
]

MAX_REPETITIONS = 10_000

SET_EXAMPLE: JsonDict = {
    "set_id": "wrist-1772386900000000",
    "version": 0,
    "sensor_id": "wrist",
    "workout_id": "wrist-1772384400000000",
    "state": "open",
    "exercise": "push-up",
    "form": "correct",
    "form_windows": {"correct": 14, "incorrect": 2},
    "incorrect_share": 0.125,
    "recognised": PUSH_UP,
    "corrected": False,
    "discarded": False,
    "repetitions": None,
    "note": None,
    "started_at": "2026-03-01T17:41:40Z",
    "ended_at": "2026-03-01T17:42:10Z",
    "duration_s": 30.0,
    "n_windows": 16,
    "confidence": 0.95,
    "model_name": "bodyweight",
    "model_version": 1,
    "simulated": False,
}
_WORKOUT_EXAMPLE: JsonDict = {
    "workout_id": "wrist-1772384400000000",
    "version": 1,
    "sensor_id": "wrist",
    "subject": "Anna",
    "note": None,
    "started_at": "2026-03-01T17:00:00Z",
    "ended_at": "2026-03-01T17:42:10Z",
    "duration_s": 2530.0,
    "active_s": 270.0,
    "n_sets": 9,
    "exercises": {"push-up": 3, "squat": 6},
    "totals": [
        {"exercise": "push-up", "n_sets": 3, "active_s": 90.0, "incorrect_share": 0.125, "repetitions": 36},
        {"exercise": "squat", "n_sets": 6, "active_s": 180.0, "incorrect_share": None, "repetitions": None},
    ],
    "simulated": False,
}


class ExerciseSet(Resource):
    """A stretch of one exercise without a rest, as the network saw it and as people corrected it."""

    model_config = ConfigDict(title="Set", json_schema_extra={"examples": [SET_EXAMPLE]})

    set_id: str
    version: Annotated[int, Field(description="Counts the edits; 0 if there was none.")]
    sensor_id: str
    workout_id: str
    state: Annotated[Literal["open", "closed"], Field(description='"open" while it may still grow.')]
    exercise: Annotated[str, Field(description="The corrected one, as the form.")]
    form: Annotated[str | None, Field(description="The form of most windows.")]
    form_windows: Annotated[dict[str, int], Field(description="How many windows had each form.")]
    incorrect_share: Annotated[
        float | None, Field(description="Of the windows whose form is known: 0 all correct, 1 all incorrect.")
    ]
    recognised: Annotated[Label, Field(description="What the network said.")]
    corrected: Annotated[bool, Field(description="Whether somebody said what it really was.")]
    discarded: Annotated[bool, Field(description="Whether somebody said that it was no set at all.")]
    repetitions: Annotated[int | None, Field(description="As somebody counted them; null if nobody did.")]
    note: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    duration_s: float
    n_windows: int
    confidence: Annotated[float, Field(description="Mean confidence of its windows.")]
    model_name: str
    model_version: int
    simulated: bool

    @classmethod
    def from_document(cls, document: SetDocument, edit: SetEditDocument | None = None) -> Self:
        """From what is stored.

        Args:
            document: The set as the network saw it.
            edit: What was said of it.
        """
        recognised = Label(exercise=document["exercise"], form=document["form"])
        given = edit and label_from(edit["label"])
        label = given or recognised
        form_windows = document["form_windows"]
        if given:
            form_windows = {} if given.form is None else {given.form: document["n_windows"]}
        return cls(
            set_id=document["_id"],
            version=edit["version"] if edit else 0,
            sensor_id=document["sensor_id"],
            workout_id=document["workout_id"],
            state=document["state"],
            exercise=label.exercise,
            form=label.form,
            form_windows=form_windows,
            incorrect_share=incorrect_share(form_windows),
            recognised=recognised,
            corrected=given is not None,
            discarded=bool(edit and edit["discarded"]),
            repetitions=edit["repetitions"] if edit else None,
            note=edit["note"] if edit else None,
            started_at=from_epoch_us(document["started_us"]),
            ended_at=from_epoch_us(document["ended_us"]),
            duration_s=(document["ended_us"] - document["started_us"]) / MICROSECONDS,
            n_windows=document["n_windows"],
            confidence=document["confidence"],
            model_name=document["model_name"],
            model_version=document["model_version"],
            simulated=document["simulated"],
        )


class SetChange(Request):
    """What is to be different about a set; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"label": {"exercise": "push-up", "form": "incorrect"}, "repetitions": 12},
                {"label": None},
                {"discarded": True},
            ]
        }
    )

    label: Annotated[Label | None, Field(description="What it really was; null goes back to what was recognised.")] = (
        None
    )
    discarded: Annotated[bool, Field(description="Whether it was no set at all.")] = False
    repetitions: Annotated[int | None, Field(ge=0, le=MAX_REPETITIONS, description="How many were counted.")] = None
    note: Note | None = None


class SetRecordingRequest(Request):
    """What else is known of a set that becomes training data."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"subject": "Anna", "session": "monday"}, {}]})

    subject: Annotated[
        Name | None, Field(description="Who it was; if it is left out, whom the workout is said to be of.")
    ] = None
    session: Annotated[
        Name | None,
        Field(description="On which occasion; if it is left out, the day in UTC: 2026-03-01 workout."),
    ] = None


class SetPage(Resource):
    """Sets, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [SET_EXAMPLE], "next_cursor": None}]})

    items: list[ExerciseSet]
    next_cursor: NextCursor


class ExerciseTotal(Resource):
    """What sets of one exercise add up to."""

    exercise: str
    n_sets: int
    active_s: Annotated[float, Field(description="How long they lasted together.")]
    incorrect_share: Annotated[float | None, Field(description="Of the windows whose form is known: 0 to 1.")]
    repetitions: Annotated[int | None, Field(description="As far as somebody counted them; null if nobody did.")]

    @classmethod
    def from_total(cls, total: Total) -> Self:
        """From a total of sets."""
        return cls(
            exercise=total.exercise,
            n_sets=total.n_sets,
            active_s=total.duration_us / MICROSECONDS,
            incorrect_share=total.incorrect_share,
            repetitions=total.repetitions,
        )


class Workout(Resource):
    """Sets without a long pause between them; what was discarded does not count."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WORKOUT_EXAMPLE]})

    workout_id: str
    version: Annotated[int, Field(description="Counts the edits of subject and note; 0 if there was none.")]
    sensor_id: str
    subject: Annotated[str | None, Field(description="Who it was, if somebody said so.")]
    note: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    duration_s: float
    active_s: Annotated[float, Field(description="How long its sets lasted together.")]
    n_sets: int
    exercises: Annotated[dict[str, int], Field(description="Sets per exercise.")]
    totals: Annotated[list[ExerciseTotal], Field(description="By exercise, in alphabetical order.")]
    simulated: bool

    @classmethod
    def from_workout(cls, workout: EditedWorkout) -> Self:
        """From what is stored and was said of it."""
        return cls(
            workout_id=workout.workout_id,
            version=workout.version,
            sensor_id=workout.sensor_id,
            subject=workout.subject,
            note=workout.note,
            started_at=from_epoch_us(workout.started_us),
            ended_at=from_epoch_us(workout.ended_us),
            duration_s=(workout.ended_us - workout.started_us) / MICROSECONDS,
            active_s=workout.active_us / MICROSECONDS,
            n_sets=workout.n_sets,
            exercises={one.exercise: one.n_sets for one in workout.totals},
            totals=[ExerciseTotal.from_total(one) for one in workout.totals],
            simulated=workout.simulated,
        )


class WorkoutChange(Request):
    """What is to be different about a workout; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"subject": "Anna"}, {"note": "shoulder hurts"}]})

    subject: Annotated[Name | None, Field(description="Who it was; null if that is not known.")] = None
    note: Note | None = None


class WorkoutPage(Resource):
    """Workouts, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_WORKOUT_EXAMPLE], "next_cursor": None}]})

    items: list[Workout]
    next_cursor: NextCursor


class TimelineWindow(Resource):
    """What was recognised in one window of a workout, or in several that lie together."""

    start_at: AwareDatetime
    end_at: AwareDatetime
    label: Annotated[Label | None, Field(description="Of most of them; null is unknown.")]
    confidence: Annotated[float, Field(description="Mean of those with this label.")]


class WorkoutTimeline(Resource):
    """One workout in the order of time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "started_at": "2026-03-01T17:41:40Z",
                    "ended_at": "2026-03-01T17:42:10Z",
                    "sets": [SET_EXAMPLE],
                    "windows": [
                        {
                            "start_at": "2026-03-01T17:41:39Z",
                            "end_at": "2026-03-01T17:41:41.500000Z",
                            "label": PUSH_UP,
                            "confidence": 0.97,
                        }
                    ],
                }
            ]
        }
    )

    started_at: AwareDatetime
    ended_at: AwareDatetime
    sets: Annotated[list[ExerciseSet], Field(description="Oldest first, with the discarded ones.")]
    windows: Annotated[list[TimelineWindow], Field(description="Oldest first.")]


class Live(Resource):
    """The present of one sensor."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"sensor": SENSOR_EXAMPLE, "classification": CLASSIFICATION_EXAMPLE, "running_set": SET_EXAMPLE}
            ]
        }
    )

    sensor: Sensor
    classification: Annotated[Classification | None, Field(description="The newest one.")]
    running_set: Annotated[ExerciseSet | None, Field(description="The open set of that classification.")]
