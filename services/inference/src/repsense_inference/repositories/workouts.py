"""The `sets` and `workouts` collections, and what people said of them."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pymongo.errors import DuplicateKeyError

from repsense.documents import (
    ERASURES,
    SET_EDITS,
    SETS,
    WORKOUT_EDITS,
    WORKOUTS,
    SetDocument,
    SetEditDocument,
    WorkoutDocument,
    WorkoutEditDocument,
    sensor_key_range,
)
from repsense.timestamps import MICROSECONDS
from repsense_inference.edited_workouts import EditedWorkout, apply_edits, rebuild_from_sets, workout_as_seen
from repsense_inference.paging import Page, page_at_hand
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.held import HeldDocuments
from repsense_inference.repositories.pages import read_page

__all__ = ["StoredSetEdits", "StoredSets", "StoredWorkouts"]

_TIME = "started_us"
_PORTION = 500
"""Sets per query of an export."""
_WORKOUT_SETTLES_US = 24 * 3600 * MICROSECONDS
"""Longer than anybody exercises; a signal that comes later still is noticed."""
_EDIT_SETTLES_US = 60 * MICROSECONDS
"""For the clocks of two services that write."""


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

    def of_workout(self, workout_id: str) -> list[SetDocument]:
        """A workout's sets, oldest first."""
        with self._connection.collection(SETS) as collection:
            found = cast("list[SetDocument]", list(collection.find({"workout_id": workout_id})))
        return sorted(found, key=lambda one: one["started_us"])

    def newest_first(self, from_us: int, to_us: int, sensor_id: str | None = None) -> Iterator[SetDocument]:
        """The sets that started from one time on and before another, perhaps of one sensor, read as they are taken."""
        field = _TIME
        bounds: dict[str, Any] = {"$gte": from_us, "$lt": to_us}
        if sensor_id is not None:
            field = "sensor_key"
            bounds = sensor_key_range(sensor_id, from_us, to_us)
        cursor: str | None = None
        while True:
            page: Page[SetDocument] = read_page(
                self._connection, SETS, field, bounds, limit=_PORTION, cursor_text=cursor
            )
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return

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
        found = [one for one in self.of_workout(workout_id) if sensor_id in {None, one["sensor_id"]}]
        return page_at_hand(found, _TIME, limit, cursor_text)


class StoredSetEdits:
    """See `ports.SetEdits`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def get(self, set_id: str) -> SetEditDocument | None:
        """What was said of one set."""
        return self.of([set_id]).get(set_id)

    def of(self, set_ids: Collection[str]) -> dict[str, SetEditDocument]:
        """What was said of some sets, by their ids."""
        with self._connection.collection(SET_EDITS) as collection:
            found = cast("list[SetEditDocument]", list(collection.find({"_id": {"$in": list(set_ids)}})))
        return {one["_id"]: one for one in found}

    def put(self, edit: SetEditDocument, replaced_version: int) -> bool:
        """Store an edit in place of the one before, unless that has another version by now."""
        return _put(self._connection, SET_EDITS, edit, replaced_version)


@dataclass(frozen=True, slots=True)
class _Joined:
    """A workout with what was said of it, and of what it was put together."""

    sources: tuple[EditedWorkout, Sequence[SetEditDocument], WorkoutEditDocument | None]
    workout: EditedWorkout | None


class StoredWorkouts:
    """See `ports.WorkoutStore`."""

    def __init__(self, connection: DatabaseConnection, sets: StoredSets) -> None:
        self._connection = connection
        self._sets = sets
        self._workouts = HeldDocuments(
            connection,
            WORKOUTS,
            _TIME,
            sums=(("n_sets",), ("ended_us", "started_us")),
            settles_after_us=_WORKOUT_SETTLES_US,
            decode=self._as_seen,
        )
        self._set_edits = HeldDocuments(
            connection,
            SET_EDITS,
            "changed_us",
            sums=(("version",),),
            settles_after_us=_EDIT_SETTLES_US,
            decode=lambda document: cast("SetEditDocument", document),
        )
        self._edits = HeldDocuments(
            connection,
            WORKOUT_EDITS,
            "changed_us",
            sums=(("version",),),
            settles_after_us=_EDIT_SETTLES_US,
            decode=lambda document: cast("WorkoutEditDocument", document),
        )
        self._erased = HeldDocuments(
            connection,
            ERASURES,
            "erased_us",
            sums=(),
            settles_after_us=_EDIT_SETTLES_US,
            decode=lambda document: cast("str", document["_id"]),
        )

        # Few of them change from one reading to the next.
        self._joined: dict[str, _Joined] = {}

    def get(self, workout_id: str) -> EditedWorkout | None:
        """One workout."""
        with self._connection.collection(WORKOUTS) as collection:
            document = collection.find_one({"_id": workout_id})
        if document is None:
            return None
        with self._connection.collection(ERASURES) as collection:
            is_erased = collection.find_one({"_id": workout_id}) is not None
        with self._connection.collection(SET_EDITS) as collection:
            set_edits = cast("list[SetEditDocument]", list(collection.find({"workout_id": workout_id})))
        return self._edited(self._as_seen(document), set_edits, self.edit(workout_id), is_erased=is_erased)

    def newest_first(self) -> list[EditedWorkout]:
        """Every workout."""
        workouts, edits, erased = self._workouts.read(), self._edits.read(), self._erased.read()
        set_edits: defaultdict[str, list[SetEditDocument]] = defaultdict(list)
        for set_edit in self._set_edits.read().values():
            set_edits[set_edit["workout_id"]].append(set_edit)
        joined: dict[str, _Joined] = {}
        for workout_id, workout in workouts.items():
            sources = workout, set_edits.get(workout_id, []), edits.get(workout_id)
            before = self._joined.get(workout_id)
            if before is not None and before.sources == sources and workout_id not in erased:
                joined[workout_id] = before
            else:
                edited = self._edited(*sources, is_erased=workout_id in erased)
                joined[workout_id] = _Joined(sources, edited)
        self._joined = joined
        found = (one.workout for one in joined.values() if one.workout is not None)
        return sorted(found, key=lambda one: one.started_us, reverse=True)

    def edit(self, workout_id: str) -> WorkoutEditDocument | None:
        """What was said of one workout."""
        with self._connection.collection(WORKOUT_EDITS) as collection:
            return cast("WorkoutEditDocument | None", collection.find_one({"_id": workout_id}))

    def put_edit(self, edit: WorkoutEditDocument, replaced_version: int) -> bool:
        """Store an edit in place of the one before, unless that has another version by now."""
        return _put(self._connection, WORKOUT_EDITS, edit, replaced_version)

    def forget(self, workout_id: str, set_ids: Collection[str]) -> None:
        """Let go of a workout that was just deleted with its sets, so that not everything has to be read anew."""
        self._workouts.forget([workout_id])
        self._edits.forget([workout_id])
        self._set_edits.forget(set_ids)

    def _as_seen(self, document: Mapping[str, Any]) -> EditedWorkout:
        # Those of earlier versions of RepSense have no totals.
        sets = None if "totals" in document else self._sets.of_workout(document["_id"])
        return workout_as_seen(cast("WorkoutDocument", document), sets)

    def _edited(
        self,
        workout: EditedWorkout,
        set_edits: Sequence[SetEditDocument],
        edit: WorkoutEditDocument | None,
        *,
        is_erased: bool,
    ) -> EditedWorkout | None:
        if is_erased:
            sets = self._sets.of_workout(workout.workout_id)
            there = {one["_id"] for one in sets}
            rebuilt = rebuild_from_sets(workout, sets)
            if rebuilt is None:
                return None
            workout, set_edits = rebuilt, [one for one in set_edits if one["_id"] in there]
        return apply_edits(workout, set_edits, edit)


def _put(
    connection: DatabaseConnection,
    collection_name: str,
    edit: SetEditDocument | WorkoutEditDocument,
    replaced_version: int,
) -> bool:
    document = dict(edit)
    with connection.collection(collection_name) as collection:
        if replaced_version:
            as_seen = {"_id": edit["_id"], "version": replaced_version}
            return collection.replace_one(as_seen, document).matched_count == 1
        try:
            collection.insert_one(document)
        except DuplicateKeyError:
            return False
        return True
