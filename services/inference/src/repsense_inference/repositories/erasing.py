"""Deleting for good, in an order that can be repeated when it was interrupted.

What leads to the rest goes last: the samples of a recording before it, a workout's sets before what says whose it is.
"""

import json
import re
from collections.abc import Collection, Sequence
from typing import Any, cast

from repsense.database import Documents
from repsense.documents import (
    CLASSIFICATIONS,
    ERASURES,
    PERSONS,
    RECORDINGS,
    SAMPLES,
    SET_EDITS,
    SETS,
    TRAINING_JOBS,
    WORKOUT_EDITS,
    WORKOUTS,
    PersonDocument,
    RecordingDocument,
    SetDocument,
    TrainingJobDocument,
    WorkoutDocument,
    sensor_key_range,
)
from repsense.timestamps import MICROSECONDS, now_us
from repsense_inference.recording_ports import Belongings, Erased
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.recordings import StoredRecordings

__all__ = ["Eraser"]

_LONGEST_WINDOW_US = 60 * MICROSECONDS
"""`training.WindowConfiguration` allows no longer one."""
_ID = re.compile(r"[0-9a-f]{32}")
_ENDED = frozenset({"succeeded", "failed", "cancelled"})
_JOB_TEXTS = {"state": True, "selection": True, "progress": True, "error": True, "log": True}


class Eraser:
    """See `recording_ports.Erasing`."""

    def __init__(self, connection: DatabaseConnection, recordings: StoredRecordings) -> None:
        self._connection = connection
        self._recordings = recordings

    def belongings(self, name: str) -> Belongings:
        """What `erase_person` would delete, and which trainings are under way."""
        with self._connection.documents() as documents:
            recordings = _recordings_of(documents, name)
            jobs = _jobs_naming(documents, _names_of(documents, name), {one["_id"] for one in recordings})
            n_workouts = len(_workouts_of(documents, name))
        return Belongings(
            n_recordings=len(recordings),
            recorded_s=sum((one["trim_stop"] - one["trim_start"]) / one["sample_rate_hz"] for one in recordings),
            n_workouts=n_workouts,
            n_training_jobs=sum(job["state"] in _ENDED for job in jobs),
            n_trainings_under_way=sum(job["state"] not in _ENDED for job in jobs),
        )

    def erase_person(self, name: str) -> Erased:
        """Delete everything of a person but the person: jobs, workouts, recordings, and the signal of their times."""
        erased = Erased()
        with self._connection.documents() as documents:
            recordings = _recordings_of(documents, name)
            jobs = _jobs_naming(documents, _names_of(documents, name), {one["_id"] for one in recordings})
            for job in jobs:
                if job["state"] in _ENDED:
                    erased += Erased(
                        n_training_jobs=documents[TRAINING_JOBS].delete_one({"_id": job["_id"]}).deleted_count
                    )
            for workout_id in _workouts_of(documents, name):
                erased += _erase_workout(documents, workout_id, with_samples=True)
            for recording in recordings:
                erased += _erase_signal(documents, recording)
        self._recordings.remove([one["_id"] for one in recordings])
        return erased + Erased(n_recordings=len(recordings))

    def erase_workout(self, workout_id: str) -> Erased:
        """Delete a workout with its sets and results; the signal goes by itself after a while."""
        with self._connection.documents() as documents:
            return _erase_workout(documents, workout_id, with_samples=False)

    def purge(self, before_us: int) -> int:
        """Forget workouts that were erased before a time and were not written again; return how many."""
        with self._connection.documents() as documents:
            old = [one["_id"] for one in documents[ERASURES].find({"erased_us": {"$lt": before_us}}, {"_id": True})]
            # One whose document is there again goes on being counted by its sets.
            gone = [key for key in old if documents[WORKOUTS].find_one({"_id": key}, {"_id": True}) is None]
            return sum(documents[ERASURES].delete_one({"_id": key}).deleted_count for key in gone)


def _recordings_of(documents: Documents, name: str) -> list[RecordingDocument]:
    found = documents[RECORDINGS].find({"subject": name}, {"preview": False})
    return cast("list[RecordingDocument]", list(found))


def _workouts_of(documents: Documents, name: str) -> list[str]:
    return [edit["_id"] for edit in documents[WORKOUT_EDITS].find({"subject": name}, {"subject": True})]


def _names_of(documents: Documents, name: str) -> set[str]:
    """What a person is called, and was called before, but for what somebody else is called by now."""
    persons = cast("list[PersonDocument]", list(documents[PERSONS].find({}, {"name": True, "earlier_names": True})))
    earlier = {each for person in persons if person["name"] == name for each in person.get("earlier_names", ())}
    return {name} | earlier - {person["name"] for person in persons}


def _jobs_naming(documents: Documents, names: Collection[str], ids: Collection[str]) -> list[TrainingJobDocument]:
    """The jobs in which a person or one of the recordings appears, be it in a line of the log."""
    # Once as it is, once as JSON has it.
    written = {*names, *(json.dumps(name, ensure_ascii=escaped)[1:-1] for name in names for escaped in (True, False))}
    spellings = "|".join(map(re.escape, written))
    word = re.compile(rf"(?<!\w)(?:{spellings})(?!\w)")
    jobs = cast("list[TrainingJobDocument]", list(documents[TRAINING_JOBS].find({}, _JOB_TEXTS)))
    return [job for job in jobs if any(word.search(text) or not _ids_in(text).isdisjoint(ids) for text in _texts(job))]


def _texts(job: TrainingJobDocument) -> Sequence[str]:
    progress = job["progress"]
    told = [progress["stage"], *progress["groups"]] if progress else []
    return [job["selection"], job["error"] or "", *told, *job["log"]]


def _ids_in(text: str) -> set[str]:
    return set(_ID.findall(text))


def _erase_signal(documents: Documents, recording: RecordingDocument) -> Erased:
    """Delete what the preprocessor stored while a recording was taken."""
    sensor_id, from_us = recording["sensor"], recording["started_us"]
    if sensor_id is None or from_us is None:
        return Erased()
    to_us = from_us + round(recording["n_captured"] * MICROSECONDS / recording["sample_rate_hz"])
    return Erased(
        n_classifications=_delete_windows(documents, sensor_id, from_us, to_us),
        n_samples_documents=_delete_samples(documents, sensor_id, from_us, to_us),
    )


def _erase_workout(documents: Documents, workout_id: str, *, with_samples: bool) -> Erased:
    documents[ERASURES].update_one({"_id": workout_id}, {"$set": {"erased_us": now_us()}}, upsert=True)
    workout = cast("WorkoutDocument | None", documents[WORKOUTS].find_one({"_id": workout_id}))
    sets = cast("list[SetDocument]", list(documents[SETS].find({"workout_id": workout_id})))
    erased = Erased(n_workouts=1, n_sets=len(sets))
    described: list[Any] = [*sets, *([workout] if workout else [])]
    if described:
        sensor_id = described[0]["sensor_id"]
        from_us = min(one["started_us"] for one in described)
        to_us = max([*(one["last_window_end_us"] for one in sets), *(one["ended_us"] for one in described)])
        erased += Erased(n_classifications=_delete_windows(documents, sensor_id, from_us, to_us))
        if with_samples:
            erased += Erased(n_samples_documents=_delete_samples(documents, sensor_id, from_us, to_us))
    documents[SET_EDITS].delete_many({"workout_id": workout_id})
    documents[SETS].delete_many({"workout_id": workout_id})
    documents[WORKOUTS].delete_one({"_id": workout_id})
    documents[WORKOUT_EDITS].delete_one({"_id": workout_id})
    return erased


def _delete_windows(documents: Documents, sensor_id: str, from_us: int, to_us: int) -> int:
    """Delete the classifications of windows that have a part in a time."""
    before = sensor_key_range(sensor_id, max(0, from_us - _LONGEST_WINDOW_US), from_us)
    reaching = [
        window["_id"]
        for window in documents[CLASSIFICATIONS].find({"sensor_key": before}, {"window_end_us": True})
        if window["window_end_us"] > from_us
    ]
    n_deleted = sum(documents[CLASSIFICATIONS].delete_one({"_id": window_id}).deleted_count for window_id in reaching)
    within = sensor_key_range(sensor_id, from_us, to_us)
    return n_deleted + documents[CLASSIFICATIONS].delete_many({"sensor_key": within}).deleted_count


def _delete_samples(documents: Documents, sensor_id: str, from_us: int, to_us: int) -> int:
    """Delete the chunks that have a sample in a time."""
    n_deleted = 0
    before = sensor_key_range(sensor_id, 0, from_us)
    for chunk in documents[SAMPLES].find({"sensor_key": before}).sort("sensor_key", -1).limit(1):
        if chunk["last_sample_us"] >= from_us:
            n_deleted += documents[SAMPLES].delete_one({"_id": chunk["_id"]}).deleted_count
    within = sensor_key_range(sensor_id, from_us, to_us)
    return n_deleted + documents[SAMPLES].delete_many({"sensor_key": within}).deleted_count
