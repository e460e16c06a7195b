"""The `training_jobs` collection, which workers change too."""

from collections.abc import Callable
from typing import Any, cast

from pydantic import ValidationError
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from repsense.database import Documents
from repsense.documents import TRAINING_JOBS, LabelDocument, TrainingJobDocument, TrainingJobState
from repsense.labels import Label
from repsense.training import RecordingSelection, TrainingConfiguration
from repsense_inference.paging import Page, page_at_hand
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.pages import read_page

__all__ = ["StoredTrainingJobs", "rename_label_in_queue", "rename_person_in_queue"]

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
        with self._connection.collection(TRAINING_JOBS) as collection:
            found = cast("list[TrainingJobDocument]", list(collection.find({"state": state}, _WITHOUT_LOG)))
        return page_at_hand(found, _TIME, limit, cursor_text)


def _read(collection: Collection[dict[str, Any]], job_id: str) -> TrainingJobDocument | None:
    return cast("TrainingJobDocument | None", collection.find_one({"_id": job_id}, _WITHOUT_LOG))


def rename_person_in_queue(documents: Documents, former: str, name: str) -> None:
    """Let the jobs that wait follow the name of a person."""

    def renamed(subject: str) -> str:
        return name if subject == former else subject

    _rename_in_queue(documents, renamed_person=renamed, renamed_label=lambda label: label)


def rename_label_in_queue(documents: Documents, former: LabelDocument, words: LabelDocument) -> None:
    """Let the jobs that wait follow the words of a label."""
    former_label, label = Label.model_validate(former), Label.model_validate(words)

    def renamed(one: Label) -> Label:
        return label if one == former_label else one

    _rename_in_queue(documents, renamed_person=lambda name: name, renamed_label=renamed)


def _rename_in_queue(
    documents: Documents, *, renamed_person: Callable[[str], str], renamed_label: Callable[[Label], Label]
) -> None:
    jobs = documents[TRAINING_JOBS]
    for job in list(jobs.find({"state": "queued"}, {"selection": 1, "configuration": 1})):
        try:
            selection = RecordingSelection.model_validate_json(job["selection"])
            configuration = TrainingConfiguration.model_validate_json(job["configuration"])
        except ValidationError:
            continue  # Of another version, whose worker has to make do with the former name.
        names = {
            "subjects": selection.subjects and tuple(map(renamed_person, selection.subjects)),
            "labels": selection.labels and tuple(map(renamed_label, selection.labels)),
        }
        background = {"background": tuple(map(renamed_label, configuration.background))}
        changes = {
            "selection": selection.model_copy(update=names).model_dump_json(),
            "configuration": configuration.model_copy(update=background).model_dump_json(),
        }
        if any(job[field] != text for field, text in changes.items()):
            # A worker that has taken it meanwhile has read what it asks for.
            jobs.update_one({"_id": job["_id"], "state": "queued"}, {"$set": changes})
