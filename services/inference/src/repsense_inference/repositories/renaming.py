"""Changing what others refer to by its name.

A document that gets another name says in the same update what it was called before, until everything that refers to
it has followed. So a renaming that was interrupted is finished by whoever comes next, and in the meantime the former
name still belongs to it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from pymongo.errors import DuplicateKeyError

from repsense.documents import PersonDocument, StoredLabelDocument
from repsense_inference.errors import NameTakenError
from repsense_inference.repositories.connection import DatabaseConnection

__all__ = ["change_named"]

Document = TypeVar("Document", PersonDocument, StoredLabelDocument)


def change_named(
    connection: DatabaseConnection,
    collection_name: str,
    read: Callable[[], Document | None],
    version: int | None,
    *,
    changes: Callable[[Document], Mapping[str, Any]],
    former: str,
) -> Document | None:
    """Change a document of which nobody else may be in the middle of a renaming.

    Args:
        connection: To the database.
        collection_name: Where it is.
        read: Reads it, with all renamings finished; None if it is gone.
        version: The version that the change was made for; None for any.
        changes: What to set, the former name included where the name is another one.
        former: The field with the former name.

    Returns:
        As it is then, with its followers still to be renamed; None if it is gone or has another version.

    Raises:
        NameTakenError: If another one is called so.
        DatabaseUnavailableError: If the database does not answer.
    """
    while True:
        document = read()
        if document is None or version not in {None, document["version"]}:
            return None
        as_read = {"_id": document["_id"], "version": document["version"], former: None}
        wanted = {**changes(document), "version": document["version"] + 1}
        with connection.collection(collection_name) as collection:
            try:
                # Not find_one_and_update: the embedded database does not say that a name is taken there.
                n_changed = collection.update_one(as_read, {"$set": wanted}).matched_count
            except DuplicateKeyError as error:
                msg = "another one is called so"
                raise NameTakenError(msg) from error
        if n_changed:
            return cast("Document", {**document, **wanted})
