"""Reading the `sets` and `workouts` collections."""

import math
from typing import cast

from repsense.documents import SETS, WORKOUTS, SetDocument, WorkoutDocument, sensor_key_range
from repsense_inference.errors import InvalidCursorError
from repsense_inference.paging import Cursor, Page, page_from
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.pages import read_page

__all__ = ["StoredSets", "StoredWorkouts"]

_TIME = "started_us"


class StoredSets:
    """See `ports.SetReader`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def newest(self, sensor_id: str) -> SetDocument | None:
        """The sensor's set that started last."""
        items = self.page(sensor_id, None, limit=1, cursor=None).items
        return items[0] if items else None

    def get(self, set_id: str) -> SetDocument | None:
        """One set."""
        with self._connection.collection(SETS) as collection:
            return cast("SetDocument | None", collection.find_one({"_id": set_id}))

    def page(self, sensor_id: str | None, workout_id: str | None, limit: int, cursor: str | None) -> Page[SetDocument]:
        """Sets, perhaps of one sensor or of one workout."""
        if workout_id is not None:
            return self._page_of_workout(workout_id, sensor_id, limit, cursor)
        if sensor_id is not None:
            return read_page(
                self._connection, SETS, "sensor_key", sensor_key_range(sensor_id), limit=limit, cursor_text=cursor
            )
        return read_page(self._connection, SETS, _TIME, {"$gte": 0}, limit=limit, cursor_text=cursor)

    def _page_of_workout(
        self, workout_id: str, sensor_id: str | None, limit: int, cursor_text: str | None
    ) -> Page[SetDocument]:
        """A workout has some dozens of sets: all are read by its index, the rest is done here."""
        cursor = None if cursor_text is None else Cursor.decode(cursor_text, _TIME)
        newest_us = cursor.value if cursor else math.inf
        if isinstance(newest_us, str):
            raise InvalidCursorError
        with self._connection.collection(SETS) as collection:
            found = cast("list[SetDocument]", list(collection.find({"workout_id": workout_id})))
        wanted = [one for one in found if sensor_id in {None, one["sensor_id"]} and one["started_us"] <= newest_us]
        wanted.sort(key=lambda one: one["started_us"], reverse=True)
        return page_from(wanted, _TIME, limit, cursor)


class StoredWorkouts:
    """See `ports.WorkoutReader`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def get(self, workout_id: str) -> WorkoutDocument | None:
        """One workout."""
        with self._connection.collection(WORKOUTS) as collection:
            return cast("WorkoutDocument | None", collection.find_one({"_id": workout_id}))

    def page(self, sensor_id: str | None, limit: int, cursor: str | None) -> Page[WorkoutDocument]:
        """Workouts, perhaps of one sensor."""
        if sensor_id is not None:
            return read_page(
                self._connection, WORKOUTS, "sensor_key", sensor_key_range(sensor_id), limit=limit, cursor_text=cursor
            )
        return read_page(self._connection, WORKOUTS, _TIME, {"$gte": 0}, limit=limit, cursor_text=cursor)
