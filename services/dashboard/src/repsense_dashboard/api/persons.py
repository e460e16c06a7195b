"""Persons whose movements are recorded."""

from pydantic import AwareDatetime, BaseModel

from repsense_dashboard.api.connection import Connection, Resource

__all__ = ["Belongings", "Erasure", "ModelVersion", "Person", "PersonChanges", "PersonsApi"]

_PATH = "/v1/persons"


class Person(Resource):
    """Somebody whose movements are recorded."""

    person_id: str
    name: str
    note: str | None = None
    n_recordings: int = 0
    recorded_minutes: float = 0.0
    version: int
    created_at: AwareDatetime


class ModelVersion(Resource):
    """A model that was trained with a person's recordings."""

    name: str
    version: int


class Belongings(Resource):
    """What is stored of a person, and would go with them."""

    n_recordings: int
    recorded_minutes: float
    n_workouts: int
    n_training_jobs: int = 0
    models: tuple[ModelVersion, ...] = ()
    """These stay: what a network has learned cannot be taken out of it."""


class Erasure(Resource):
    """What went with a person."""

    n_recordings: int
    n_workouts: int
    n_sets: int
    models: tuple[ModelVersion, ...] = ()


class PersonChanges(BaseModel):
    """What is to be different; a field that is not given stays as it is."""

    name: str = ""
    note: str | None = None


class _Persons(Resource):
    items: tuple[Person, ...]


class PersonsApi:
    """Knows the persons; every method raises `ApiError` if there is no usable answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list_persons(self) -> tuple[Person, ...]:
        """Return everybody."""
        return self._connection.get(_Persons, _PATH).items

    def add(self, name: str) -> Person:
        """Add somebody; a name that is taken is a problem of the kind "name-taken"."""
        return self._connection.send("POST", Person, _PATH, {"name": name})

    def change(self, person: Person, changes: PersonChanges) -> Person:
        """Change name or note; recordings and workouts follow the name."""
        path = f"{_PATH}/{person.person_id}"
        return self._connection.send("PATCH", Person, path, changes, version=person.version, patient=True)

    def get_belongings(self, person: Person) -> Belongings:
        """Return what `erase` would take."""
        return self._connection.get(Belongings, f"{_PATH}/{person.person_id}/belongings", patient=True)

    def erase(self, person: Person, *, confirmation: str) -> Erasure:
        """Delete a person and everything of them, for good.

        Args:
            person: Who.
            confirmation: The person's name, as somebody typed it to show that they mean it.
        """
        path = f"{_PATH}/{person.person_id}"
        params = {"confirm": confirmation}
        return self._connection.send("DELETE", Erasure, path, params=params, version=person.version, patient=True)
