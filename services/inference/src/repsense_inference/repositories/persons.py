"""The `persons` collection, and the name of a person wherever it stands."""

from typing import cast

from pymongo.errors import DuplicateKeyError

from repsense.documents import PERSONS, RECORDINGS, WORKOUT_EDITS, PersonDocument
from repsense.timestamps import now_us
from repsense_inference.errors import NameTakenError
from repsense_inference.recording_ports import PersonChanges
from repsense_inference.repositories.connection import DatabaseConnection
from repsense_inference.repositories.renaming import change_named
from repsense_inference.repositories.training_jobs import rename_person_in_queue

__all__ = ["StoredPersons"]


class StoredPersons:
    """See `recording_ports.PersonStore`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def all(self) -> list[PersonDocument]:
        """Everybody."""
        with self._connection.collection(PERSONS) as collection:
            found = cast("list[PersonDocument]", list(collection.find()))
        return [self._settled(person) for person in found]

    def get(self, person_id: str) -> PersonDocument | None:
        """One person."""
        with self._connection.collection(PERSONS) as collection:
            found = cast("PersonDocument | None", collection.find_one({"_id": person_id}))
        return found and self._settled(found)

    def add(self, person: PersonDocument) -> None:
        """Add a person."""
        # Recordings of the name must not become this person's because another one's renaming was interrupted.
        self.all()
        with self._connection.collection(PERSONS) as collection:
            try:
                collection.insert_one(dict(person))
            except DuplicateKeyError as error:
                msg = f"there is a person called {person['name']!r} already"
                raise NameTakenError(msg) from error

    def change(
        self, person_id: str, version: int | None, changes: PersonChanges, changed_us: int
    ) -> PersonDocument | None:
        """Change a person, if the version is still that one; the name follows wherever it stands."""

        def update(person: PersonDocument) -> dict[str, object]:
            name = changes.get("name", person["name"])
            if name == person["name"]:
                return {**changes, "changed_us": changed_us}
            earlier_names = {*person.get("earlier_names", ()), person["name"]} - {name}
            former = {"former_name": person["name"], "earlier_names": sorted(earlier_names)}
            return {**changes, **former, "changed_us": changed_us}

        changed = change_named(
            self._connection, PERSONS, lambda: self.get(person_id), version, changes=update, former="former_name"
        )
        return changed and self._settled(changed)

    def remove(self, person_id: str) -> None:
        """Delete a person; nothing else of them."""
        with self._connection.collection(PERSONS) as collection:
            collection.delete_one({"_id": person_id})

    def _settled(self, person: PersonDocument) -> PersonDocument:
        """Finish a renaming."""
        former = person["former_name"]
        if former is None:
            return person
        called = {"$set": {"subject": person["name"], "changed_us": now_us()}, "$inc": {"version": 1}}
        with self._connection.documents() as documents:
            for name in (RECORDINGS, WORKOUT_EDITS):
                documents[name].update_many({"subject": former}, called)
            rename_person_in_queue(documents, former, person["name"])
            documents[PERSONS].update_one(
                {"_id": person["_id"], "former_name": former}, {"$set": {"former_name": None}}
            )
        return {**person, "former_name": None}
