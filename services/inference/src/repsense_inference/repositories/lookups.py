"""Collections of some documents, which others write."""

from typing import Generic, TypeVar, cast

from repsense.documents import ModelDocument, PreprocessorDocument, SensorDocument
from repsense_inference.repositories.connection import DatabaseConnection

__all__ = ["StoredDocuments"]

Document = TypeVar("Document", ModelDocument, PreprocessorDocument, SensorDocument)


class StoredDocuments(Generic[Document]):
    """See `ports.ModelReader`, `ports.PreprocessorReader` and `ports.SensorReader`."""

    def __init__(self, connection: DatabaseConnection, collection_name: str) -> None:
        self._connection = connection
        self._collection_name = collection_name

    def all(self) -> list[Document]:
        """Every document."""
        with self._connection.collection(self._collection_name) as collection:
            return cast("list[Document]", list(collection.find()))

    def get(self, key: str) -> Document | None:
        """The document of an `_id`."""
        with self._connection.collection(self._collection_name) as collection:
            return cast("Document | None", collection.find_one({"_id": key}))
