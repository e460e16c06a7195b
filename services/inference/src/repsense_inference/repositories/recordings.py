"""The recordings and their samples."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pymongo import ReturnDocument

from repsense.documents import RECORDING_SAMPLES, RECORDINGS, RecordingDocument, RecordingSamplesDocument
from repsense.recordings import Recording, stored
from repsense.timestamps import MICROSECONDS, now_us
from repsense_inference.recording_ports import RecordingChanges
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.held import HeldDocuments

__all__ = ["StoredRecordings"]

_BEING_REMOVED_US = 1
"""`deleted_us` of a recording that is being deleted for good: nobody can have it back any more."""
_THERE = {"deleted_us": {"$ne": _BEING_REMOVED_US}}
_SETTLES_US = 10 * MICROSECONDS
"""A change may appear so long after the time that it bears: an operation has no longer than that."""
_BATCH = 200
"""So many recordings the embedded database finds or changes in some 50 ms; others have their turn in between."""


class StoredRecordings:
    """See `recording_ports.RecordingStore`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection
        self._held = HeldDocuments(
            connection,
            RECORDINGS,
            "changed_us",
            sums=(("version",),),
            settles_after_us=_SETTLES_US,
            decode=_without_preview,
        )

    def overview(self) -> list[RecordingDocument]:
        """Every recording without its preview, newest first."""
        shown = [one for one in self._held.read().values() if one["deleted_us"] != _BEING_REMOVED_US]
        return sorted(shown, key=lambda one: (one["created_us"], one["_id"]), reverse=True)

    def get(self, recording_id: str) -> RecordingDocument | None:
        """One recording."""
        found = self.several([recording_id])
        return found[0] if found else None

    def several(self, ids: Sequence[str]) -> list[RecordingDocument]:
        """Recordings in the order of their ids, without those that are gone."""
        found: dict[str, RecordingDocument] = {}
        for batch in _batches(ids):
            with self._connection.collection(RECORDINGS) as collection:
                documents = cast("list[RecordingDocument]", list(collection.find({"_id": {"$in": batch}})))
            found |= {one["_id"]: one for one in documents if one["deleted_us"] != _BEING_REMOVED_US}
        return [found[recording_id] for recording_id in ids if recording_id in found]

    def samples(self, recording_id: str) -> bytes | None:
        """All captured samples of a recording."""
        with self._connection.documents() as documents:
            return stored.read_samples(documents, [recording_id]).get(recording_id)

    def load(self, documents: Sequence[RecordingDocument]) -> list[tuple[str, Recording]]:
        """Recordings with their samples, each with its id, without those that are gone."""
        with self._connection.documents() as database:
            return list(stored.each_recording(database, documents))

    def store(self, recordings: Sequence[Recording]) -> stored.StoredRecordings:
        """Store recordings that are not stored yet."""
        with self._connection.documents() as database:
            return stored.store_recordings(database, recordings)

    def add(self, documents: Sequence[tuple[RecordingDocument, RecordingSamplesDocument]]) -> stored.StoredRecordings:
        """Store some recordings that are not stored yet, with what else is known of them."""
        with self._connection.documents() as database:
            return stored.store_documents(database, documents)

    def change(
        self, recording_id: str, version: int | None, changes: RecordingChanges, changed_us: int
    ) -> RecordingDocument | None:
        """Change a recording, if the version is still that one."""
        wanted: dict[str, Any] = {"_id": recording_id, **_THERE}
        if version is not None:
            wanted["version"] = version
        update = {"$set": {**changes, "changed_us": changed_us}, "$inc": {"version": 1}}
        with self._connection.collection(RECORDINGS) as collection:
            changed = collection.find_one_and_update(wanted, update, return_document=ReturnDocument.AFTER)
        return cast("RecordingDocument | None", changed)

    def change_several(
        self, versions: Mapping[str, int | None], changes: RecordingChanges, changed_us: int
    ) -> list[RecordingDocument]:
        """Make the same change to recordings, each if its version is still that one."""
        changed: dict[str, RecordingDocument] = {}
        for batch in _batches(list(versions)):
            by_version: defaultdict[int, list[RecordingDocument]] = defaultdict(list)
            for document in self.several(batch):
                if versions[document["_id"]] in {None, document["version"]}:
                    by_version[document["version"]].append(document)
            for version, recordings in by_version.items():
                changed |= {one["_id"]: one for one in self._change_all(recordings, version, changes, changed_us)}
            # Somebody may have changed the version that was read here; where any will do, that does not matter.
            for recording_id in batch:
                if versions[recording_id] is None and recording_id not in changed:
                    late = self.change(recording_id, None, changes, changed_us)
                    changed |= {} if late is None else {recording_id: late}
        return [changed[recording_id] for recording_id in versions if recording_id in changed]

    def _change_all(
        self, recordings: Sequence[RecordingDocument], version: int, changes: RecordingChanges, changed_us: int
    ) -> list[RecordingDocument]:
        """Change recordings of one version in one go, and return those that still had it."""
        ids = [one["_id"] for one in recordings]
        update = {"$set": {**changes, "changed_us": changed_us}, "$inc": {"version": 1}}
        wanted = {"_id": {"$in": ids}, "version": version, **_THERE}
        with self._connection.documents() as documents:
            n_changed = documents[RECORDINGS].update_many(wanted, update).matched_count
        after = {"version": version + 1, "changed_us": changed_us}
        if n_changed == len(ids):
            return [cast("RecordingDocument", {**one, **changes, **after}) for one in recordings]
        return [one for one in self.several(ids) if after.items() <= one.items()]

    def remove(self, ids: Sequence[str]) -> None:
        """Delete recordings for good."""
        # From here on nobody can have them back. If this is interrupted, `purge` goes on.
        given_up = {"$set": {"deleted_us": _BEING_REMOVED_US, "changed_us": now_us()}, "$inc": {"version": 1}}
        for batch in _batches(ids):
            with self._connection.documents() as documents:
                documents[RECORDINGS].update_many({"_id": {"$in": batch}}, given_up)
                documents[RECORDING_SAMPLES].delete_many({"_id": {"$in": batch}})
                documents[RECORDINGS].delete_many({"_id": {"$in": batch}, "deleted_us": _BEING_REMOVED_US})
            self._held.forget(batch)

    def purge(self, before_us: int) -> None:
        """Delete for good what was thrown away before a time."""
        with self._connection.collection(RECORDINGS) as collection:
            found = list(collection.find({"deleted_us": {"$gt": 0, "$lt": before_us}}, {"deleted_us": True}))
        self.remove([one["_id"] for one in found])


def _without_preview(document: Mapping[str, Any]) -> RecordingDocument:
    return cast("RecordingDocument", {**document, "preview": []})


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _BATCH):
        yield list(ids[start : start + _BATCH])
