"""What the workouts page asks: workouts, their sets, the history, and what people say of them."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import AwareDatetime

from repsense_dashboard.api.connection import Connection, Download, Resource
from repsense_dashboard.api.live import Label

__all__ = [
    "ExerciseTotal",
    "History",
    "HistoryFilter",
    "HistoryPeriod",
    "HistoryTotal",
    "TimelineWindow",
    "Workout",
    "WorkoutPage",
    "WorkoutSet",
    "WorkoutTimeline",
    "WorkoutsApi",
]


class WorkoutSet(Resource):
    """A set as it stands now, with what was corrected by hand.

    `exercise` and `form` are the corrected ones, `recognised` is what the network said.
    """

    set_id: str
    version: int
    sensor_id: str
    workout_id: str
    state: Literal["open", "closed"]
    exercise: str
    form: str | None = None
    incorrect_share: float | None = None
    recognised: Label
    corrected: bool = False
    discarded: bool = False
    repetitions: int | None = None
    note: str | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    duration_s: float
    n_windows: int
    confidence: float | None = None
    model_name: str
    model_version: int
    simulated: bool = False


class ExerciseTotal(Resource):
    """What a workout, or a period, holds of one exercise."""

    exercise: str
    n_sets: int
    active_s: float
    incorrect_share: float | None = None
    repetitions: int | None = None


class Workout(Resource):
    """Sets without a long pause between them."""

    workout_id: str
    version: int
    sensor_id: str
    subject: str | None = None
    note: str | None = None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    duration_s: float
    active_s: float
    n_sets: int
    totals: tuple[ExerciseTotal, ...] = ()
    simulated: bool = False


class WorkoutPage(Resource):
    """Workouts, newest first."""

    items: tuple[Workout, ...]
    next_cursor: str | None = None


class TimelineWindow(Resource):
    """What was recognised in one window of a workout; `label` is None where the network did not know."""

    start_at: AwareDatetime
    end_at: AwareDatetime
    label: Label | None = None
    confidence: float | None = None


class WorkoutTimeline(Resource):
    """One workout in the order of time."""

    started_at: AwareDatetime
    ended_at: AwareDatetime
    sets: tuple[WorkoutSet, ...]
    windows: tuple[TimelineWindow, ...]


class HistoryTotal(Resource):
    """Workouts summed up."""

    n_workouts: int
    n_sets: int
    active_s: float
    incorrect_share: float | None = None
    exercises: tuple[ExerciseTotal, ...] = ()


class HistoryPeriod(HistoryTotal):
    """The workouts of one day or week; `starts_on` is its first day in the history's zone."""

    starts_on: date


class History(Resource):
    """The workouts by day or week, newest first; periods without any are left out."""

    zone: str
    by: Literal["day", "week"]
    periods: tuple[HistoryPeriod, ...]
    total: HistoryTotal


class HistoryFilter(Resource):
    """Which workouts; None lets everything pass."""

    subject: str | None = None
    sensor_id: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None

    def params(self) -> dict[str, str | float]:
        """Return it as parameters of an address."""
        values = {
            "subject": self.subject,
            "sensor_id": self.sensor_id,
            "from": None if self.from_at is None else self.from_at.isoformat(),
            "to": None if self.to_at is None else self.to_at.isoformat(),
        }
        return {name: value for name, value in values.items() if value is not None}


class WorkoutsApi:
    """Reads and corrects workouts; every method raises `ApiError` if there is no usable answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_workouts(
        self, wanted: HistoryFilter, *, exercise: str | None = None, limit: int, cursor: str | None = None
    ) -> WorkoutPage:
        """Return workouts, newest first; `exercise` asks for those that hold a set of it."""
        params = wanted.params() | {"limit": limit}
        if exercise is not None:
            params["exercise"] = exercise
        if cursor is not None:
            params["cursor"] = cursor
        return self._connection.get(WorkoutPage, "/v1/workouts", params)

    def get_workout(self, workout_id: str) -> Workout:
        """Return one workout."""
        return self._connection.get(Workout, f"/v1/workouts/{workout_id}")

    def get_timeline(self, workout_id: str, *, max_points: int) -> WorkoutTimeline:
        """Return one workout in the order of time, with at most `max_points` windows."""
        params = {"max_points": max_points}
        return self._connection.get(WorkoutTimeline, f"/v1/workouts/{workout_id}/timeline", params)

    def edit_workout(self, workout: Workout, changes: dict[str, Any]) -> Workout:
        """Change `subject` or `note` of a workout, as long as it still is the `workout` that is given."""
        path = f"/v1/workouts/{workout.workout_id}"
        return self._connection.send("PATCH", Workout, path, changes, version=workout.version)

    def delete_workout(self, workout: Workout) -> None:
        """Delete a workout with all its sets for good, as long as it still is the `workout` that is given."""
        self._connection.delete(f"/v1/workouts/{workout.workout_id}", version=workout.version)

    def edit_set(self, entry: WorkoutSet, changes: dict[str, Any]) -> WorkoutSet:
        """Change `label`, `discarded`, `repetitions` or `note` of a set, as long as it still is `entry`.

        The label None goes back to what was recognised.
        """
        return self._connection.send("PATCH", WorkoutSet, f"/v1/sets/{entry.set_id}", changes, version=entry.version)

    def keep_as_recording(self, set_id: str, *, subject: str | None, session: str) -> int:
        """Make training data of a set, with its present label; return how many recordings it became."""
        body = {"session": session} | ({} if subject is None else {"subject": subject})
        path = f"/v1/sets/{set_id}/recording"
        return len(self._connection.send("POST", _Recordings, path, body, patient=True).items)

    def get_history(self, wanted: HistoryFilter, *, zone: str, by: Literal["day", "week"]) -> History:
        """Return the workouts summed up by days or weeks of a time zone."""
        return self._connection.get(History, "/v1/history", wanted.params() | {"zone": zone, "by": by})

    def export(self, form: Literal["json", "csv"]) -> Download:
        """Return everything as a file: workouts with their sets, or as CSV a row per set."""
        return self._connection.download(
            "/v1/history/export", {"format": form}, default_name=f"repsense-workouts.{form}"
        )


class _Recording(Resource):
    recording_id: str


class _Recordings(Resource):
    items: tuple[_Recording, ...]
