"""Reading the `sensors` collection."""

from typing import cast

from repsense.documents import SENSORS, SensorDocument
from repsense_inference.repositories.connection import DatabaseConnection

__all__ = ["StoredSensors"]


class StoredSensors:
    """See `ports.SensorReader`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def all(self) -> list[SensorDocument]:
        """Every sensor that ever sent samples."""
        with self._connection.collection(SENSORS) as collection:
            return cast("list[SensorDocument]", list(collection.find()))

    def get(self, sensor_id: str) -> SensorDocument | None:
        """One sensor."""
        with self._connection.collection(SENSORS) as collection:
            return cast("SensorDocument | None", collection.find_one({"_id": sensor_id}))
