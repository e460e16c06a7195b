"""From schema 1 to 2: a recording's samples become a document of their own, and workouts get totals."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from repsense.channels import Channel
from repsense.recordings.movement import preview

__all__ = ["holds_schema_1", "migrate"]

_Documents = Database[dict[str, Any]]
_OLD_RECORDINGS = {"samples": {"$exists": True}}
_OLD_WORKOUTS = {"totals": {"$exists": False}}


def holds_schema_1(database: _Documents) -> bool:
    """Whether a database that does not say its schema has documents that only schema 1 has."""
    return any(
        database[collection].find_one(old, {"_id": True}) is not None
        for collection, old in (("recordings", _OLD_RECORDINGS), ("workouts", _OLD_WORKOUTS))
    )


def migrate(database: _Documents) -> str:
    """Bring the documents of schema 1 to schema 2; return what was done, in words."""
    n_recordings = n_damaged = 0
    for key in _ids(database, "recordings", _OLD_RECORDINGS):
        old = database["recordings"].find_one({"_id": key})
        if old is None or "samples" not in old:
            continue
        seen = _preview(old)
        n_damaged += seen is None
        # The samples first: a recording is never without them. The embedded database cannot replace what holds bytes.
        with contextlib.suppress(DuplicateKeyError):
            database["recording_samples"].insert_one({"_id": key, "samples": old["samples"]})
        n_recordings += (
            database["recordings"]
            .replace_one({"_id": key, **_OLD_RECORDINGS}, _recording(old, seen or []))
            .matched_count
        )
    n_workouts = 0
    for key in _ids(database, "workouts", _OLD_WORKOUTS):
        totals = _totals(list(database["sets"].find({"workout_id": key})))
        n_workouts += (
            database["workouts"].update_one({"_id": key, **_OLD_WORKOUTS}, {"$set": {"totals": totals}}).matched_count
        )
    damage = f" ({n_damaged} of them damaged before, and still so)" if n_damaged else ""
    return f"{n_recordings} recordings have their samples beside them{damage}, {n_workouts} workouts have totals"


def _ids(database: _Documents, collection: str, old: Mapping[str, Any]) -> list[str]:
    """The documents to be changed: not a cursor over them, which the changes would disturb."""
    return [document["_id"] for document in database[collection].find(old, {"_id": True})]


def _recording(old: Mapping[str, Any], seen: list[float]) -> dict[str, Any]:
    kept = ("_id", "subject", "session", "label", "sensor", "sample_rate_hz", "channels")
    return {
        **{name: old[name] for name in kept},
        "version": 1,
        "n_captured": old["n_samples"],
        "trim_start": 0,
        "trim_stop": old["n_samples"],
        "started_us": old["started_us"],
        "activity_s": old["activity_s"],
        "attributes": old["attributes"],
        "interruption": None,
        "preview": seen,
        "note": None,
        "created_us": old["created_us"],
        "changed_us": old["created_us"],
        "deleted_us": 0,
    }


def _preview(old: Mapping[str, Any]) -> list[float] | None:
    """The picture of a recording; None if its samples are not what the rest says of them."""
    try:
        channels = tuple(Channel(channel) for channel in old["channels"])
        flat = np.frombuffer(old["samples"], dtype="<f4").astype(np.float32)
        return preview(flat.reshape(old["n_samples"], len(channels)), channels, old["sample_rate_hz"])
    except ValueError:
        return None


def _totals(sets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    totals = []
    for exercise in sorted({one["exercise"] for one in sets}):
        of_exercise = [one for one in sets if one["exercise"] == exercise]
        form_windows: Counter[str] = Counter()
        for one in of_exercise:
            form_windows.update(one["form_windows"])
        totals.append(
            {
                "exercise": exercise,
                "n_sets": len(of_exercise),
                "duration_us": sum(one["ended_us"] - one["started_us"] for one in of_exercise),
                "form_windows": dict(form_windows),
            }
        )
    return totals
