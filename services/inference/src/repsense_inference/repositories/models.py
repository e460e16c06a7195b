"""Reading the `models` collection."""

from typing import cast

from repsense.documents import MODELS, ModelDocument
from repsense_inference.repositories.connection import DatabaseConnection

__all__ = ["StoredModels"]


class StoredModels:
    """See `ports.ModelReader`."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    def all(self) -> list[ModelDocument]:
        """Every model version that has classified."""
        with self._connection.collection(MODELS) as collection:
            return cast("list[ModelDocument]", list(collection.find()))

    def get(self, key: str) -> ModelDocument | None:
        """One by its `documents.model_key`."""
        with self._connection.collection(MODELS) as collection:
            return cast("ModelDocument | None", collection.find_one({"_id": key}))
