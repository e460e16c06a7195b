"""Pages of a collection by one indexed field."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from repsense.documents import ClassificationDocument, SetDocument, TrainingJobDocument
from repsense_inference.errors import InvalidCursorError
from repsense_inference.paging import Cursor, Page, page_from
from repsense_inference.repositories.connection import DatabaseConnection

__all__ = ["read_page"]

Document = TypeVar("Document", ClassificationDocument, SetDocument, TrainingJobDocument)


def read_page(
    connection: DatabaseConnection,
    collection_name: str,
    field: str,
    bounds: dict[str, Any],
    *,
    limit: int,
    cursor_text: str | None,
    projection: Mapping[str, int] | None = None,
) -> Page[Document]:
    """Read a page, newest first.

    Filter and sort are on the one field, so that both databases walk its index and stop at the limit.

    Args:
        connection: To the database.
        collection_name: Where to read.
        field: An indexed field that rises with time.
        bounds: The list: `$gte` and perhaps `$lt` of the field.
        limit: Items per page.
        cursor_text: `next_cursor` of the page before; None for the first.
        projection: Which fields to read; None is all.

    Raises:
        InvalidCursorError: If the cursor is none of this list.
        DatabaseUnavailableError: If the database does not answer.
    """
    cursor = None if cursor_text is None else Cursor.decode(cursor_text, field)
    if cursor is not None:
        _check_within(cursor.value, bounds)
        bounds = {"$gte": bounds["$gte"], "$lte": cursor.value}
    n_wanted = limit + 1 + (len(cursor.given) if cursor else 0)
    with connection.collection(collection_name) as collection:
        found = list(collection.find({field: bounds}, projection).sort(field, -1).limit(n_wanted))
    return page_from(cast("list[Document]", found), field, limit, cursor)


def _check_within(value: Any, bounds: dict[str, Any]) -> None:  # noqa: ANN401 - what the bounds are made of
    if type(value) is not type(bounds["$gte"]) or value < bounds["$gte"]:
        raise InvalidCursorError
    if "$lt" in bounds and value >= bounds["$lt"]:
        raise InvalidCursorError
