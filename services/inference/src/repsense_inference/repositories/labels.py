"""The `labels` collection, and a label's words wherever recordings have them."""

from typing import cast

from pymongo.errors import DuplicateKeyError

from repsense.documents import LABELS, RECORDINGS, LabelDocument, StoredLabelDocument, label_key
from repsense.timestamps import now_us
from repsense_inference.recording_ports import LabelChanges
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.renaming import change_named
from repsense_inference.repositories.training_jobs import rename_label_in_queue

__all__ = ["StoredLabels"]


class StoredLabels:
    """See `recording_ports.LabelStore`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def all(self) -> list[StoredLabelDocument]:
        """Every label."""
        with self._connection.collection(LABELS) as collection:
            found = cast("list[StoredLabelDocument]", list(collection.find()))
        return [self._settled(label) for label in found]

    def get(self, label_id: str) -> StoredLabelDocument | None:
        """One label."""
        with self._connection.collection(LABELS) as collection:
            found = cast("StoredLabelDocument | None", collection.find_one({"_id": label_id}))
        return found and self._settled(found)

    def add(self, label: StoredLabelDocument) -> StoredLabelDocument:
        """Add a label, unless there is one with its words; return the one that is there then."""
        while True:
            present = {stored["key"]: stored for stored in self.all()}
            if label["key"] in present:
                return present[label["key"]]
            with self._connection.collection(LABELS) as collection:
                try:
                    collection.insert_one(dict(label))
                except DuplicateKeyError:
                    continue  # Somebody was faster.
            return label

    def change(
        self, label_id: str, version: int | None, changes: LabelChanges, changed_us: int
    ) -> StoredLabelDocument | None:
        """Change a label, if the version is still that one; recordings follow its words."""

        def update(label: StoredLabelDocument) -> dict[str, object]:
            words = LabelDocument(exercise=label["exercise"], form=label["form"])
            wanted = LabelDocument(
                exercise=changes.get("exercise", words["exercise"]), form=changes.get("form", words["form"])
            )
            key = label_key(wanted["exercise"], wanted["form"])
            former = {} if key == label["key"] else {"former": words, "key": key}
            return {**changes, **former, "changed_us": changed_us}

        changed = change_named(
            self._connection, LABELS, lambda: self.get(label_id), version, changes=update, former="former"
        )
        return changed and self._settled(changed)

    def remove(self, label_id: str, version: int | None) -> bool:
        """Delete a label, if the version is still that one; return whether it was."""
        wanted = {"_id": label_id} | ({} if version is None else {"version": version})
        with self._connection.collection(LABELS) as collection:
            return collection.delete_one(wanted).deleted_count > 0

    def _settled(self, label: StoredLabelDocument) -> StoredLabelDocument:
        """Finish a renaming."""
        former = label["former"]
        if former is None:
            return label
        # Word by word: the embedded database takes a document in a filter for operators.
        labelled = {"label.exercise": former["exercise"], "label.form": former["form"]}
        words = LabelDocument(exercise=label["exercise"], form=label["form"])
        with self._connection.documents() as documents:
            documents[RECORDINGS].update_many(
                labelled, {"$set": {"label": words, "changed_us": now_us()}, "$inc": {"version": 1}}
            )
            rename_label_in_queue(documents, former, words)
            # The key is unique, so it says which renaming this was.
            documents[LABELS].update_one({"_id": label["_id"], "key": label["key"]}, {"$set": {"former": None}})
        return {**label, "former": None}
