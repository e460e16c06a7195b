"""The `training_jobs` collection, the one that this service writes to."""

from typing import Any, cast

from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from repsense.documents import TRAINING_JOBS, TrainingJobDocument, TrainingJobState
from repsense_inference.errors import InvalidCursorError
from repsense_inference.paging import Cursor, Page, page_from
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.pages import read_page

__all__ = ["StoredTrainingJobs"]

_TIME = "created_us"
_WITHOUT_LOG = {"log": 0}
"""Hundreds of lines per job that only one route shows."""


class StoredTrainingJobs:
    """See `ports.TrainingJobs`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def add(self, job: TrainingJobDocument) -> TrainingJobDocument:
        """Put a job into the queue, unless one with its id is there; return the one that is there then."""
        with self._connection.collection(TRAINING_JOBS) as collection:
            try:
                collection.insert_one(cast("dict[str, Any]", job))
            except DuplicateKeyError:
                return _read(collection, job["_id"]) or job
        return job

    def get(self, job_id: str) -> TrainingJobDocument | None:
        """One job, without its log."""
        with self._connection.collection(TRAINING_JOBS) as collection:
            return _read(collection, job_id)

    def log(self, job_id: str) -> list[str] | None:
        """The last lines of a job's log, oldest first."""
        with self._connection.collection(TRAINING_JOBS) as collection:
            found = collection.find_one({"_id": job_id}, {"log": 1})
        return None if found is None else found["log"]

    def queue(self) -> list[str]:
        """The ids of the jobs that wait, in the order in which they will be taken."""
        with self._connection.collection(TRAINING_JOBS) as collection:
            found = list(collection.find({"state": "queued"}, {_TIME: 1}))
        return [one["_id"] for one in sorted(found, key=lambda one: (one[_TIME], one["_id"]))]

    def page(self, state: TrainingJobState | None, limit: int, cursor: str | None) -> Page[TrainingJobDocument]:
        """Jobs without their logs, perhaps those in one state."""
        if state is not None:
            return self._page_of_state(state, limit, cursor)
        return read_page(
            self._connection,
            TRAINING_JOBS,
            _TIME,
            {"$gte": 0},
            limit=limit,
            cursor_text=cursor,
            projection=_WITHOUT_LOG,
        )

    def cancel(self, job_id: str, now_us: int) -> TrainingJobDocument | None:
        """End a job that nobody works on, or ask the worker of a running one to; return the job as it is then.

        A job that has ended stays as it is.
        """
        with self._connection.collection(TRAINING_JOBS) as collection:
            while True:
                job = _read(collection, job_id)
                if job is None or job["state"] not in {"queued", "running"}:
                    return job
                changes: dict[str, Any] = {"cancel_requested": True}
                if job["state"] == "queued" or job["lease_until_us"] < now_us:
                    changes |= {"state": "cancelled", "ended_us": now_us, "lease_until_us": 0}
                # As it was read: if a worker has taken, renewed or ended it meanwhile, look again.
                as_read = {"_id": job_id, "state": job["state"], "lease_until_us": job["lease_until_us"]}
                changed = collection.find_one_and_update(
                    as_read, {"$set": changes}, _WITHOUT_LOG, return_document=ReturnDocument.AFTER
                )
                if changed is not None:
                    return cast("TrainingJobDocument", changed)

    def _page_of_state(self, state: str, limit: int, cursor_text: str | None) -> Page[TrainingJobDocument]:
        """All in one state are read by its index and sorted here, since nx-27017 would scan for two fields."""
        cursor = None if cursor_text is None else Cursor.decode(cursor_text, _TIME)
        if cursor is not None and isinstance(cursor.value, str):
            raise InvalidCursorError
        with self._connection.collection(TRAINING_JOBS) as collection:
            found = cast("list[TrainingJobDocument]", list(collection.find({"state": state}, _WITHOUT_LOG)))
        wanted = [one for one in found if cursor is None or one["created_us"] <= int(cursor.value)]
        wanted.sort(key=lambda one: one["created_us"], reverse=True)
        return page_from(wanted, _TIME, limit, cursor)


def _read(collection: Collection[dict[str, Any]], job_id: str) -> TrainingJobDocument | None:
    return cast("TrainingJobDocument | None", collection.find_one({"_id": job_id}, _WITHOUT_LOG))
