"""Pages of long lists, newest first, and the cursor from one to the next.

A page ends at a value of the field by which the list is sorted. Several documents may share that value, and the
database gives these in any order, so the cursor also names those that were given; everything before is skipped by the
index, however long the list is.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from repsense_inference.errors import InvalidCursorError

__all__ = ["Cursor", "Page", "page_at_hand", "page_from"]

Item = TypeVar("Item", bound=Mapping[str, Any])

_STOP = 1 << 63
"""The databases' integers end before this."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list and how to go on; `next_cursor` is None on the last page."""

    items: list[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended.

    Attributes:
        field: The field by which the list is sorted.
        value: Its value in the last item given.
        given: The `_id` of each item with that value that was given.
    """

    field: str
    value: str | int
    given: tuple[str, ...]

    def encode(self) -> str:
        """The opaque text that clients send back."""
        text = json.dumps([self.field, self.value, *self.given], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, field: str) -> Self:
        """Read a cursor of a list that is sorted by a field.

        Raises:
            InvalidCursorError: If it is none, or was made for another list.
        """
        try:
            parts = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            found_field, value, *given = parts
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidCursorError from error
        if found_field != field or not _is_value(value) or not all(isinstance(one, str) for one in given):
            raise InvalidCursorError
        return cls(field, value, tuple(given))


def page_from(found: Sequence[Item], field: str, limit: int, cursor: Cursor | None) -> Page[Item]:
    """Make a page of what a query found.

    Args:
        found: Sorted by the field, newest first, from the cursor's value on; at least `limit` + 1 that the cursor
            does not name, unless the list ends before.
        field: The field.
        limit: Items per page.
        cursor: Where the page before ended; None for the first.
    """
    fresh = [item for item in found if not (cursor and item[field] == cursor.value and item["_id"] in cursor.given)]
    items = fresh[:limit]
    if len(fresh) <= limit:
        return Page(items, None)
    value = items[-1][field]
    given = tuple(item["_id"] for item in items if item[field] == value)
    if cursor and cursor.value == value:
        given = (*cursor.given, *given)
    return Page(items, Cursor(field, value, given).encode())


def page_at_hand(found: Sequence[Item], field: str, limit: int, cursor_text: str | None) -> Page[Item]:
    """Make a page of a list of which everything is at hand.

    Of what shares a time, as recordings that were imported together do, there may be thousands. They are in the order
    of their ids, so the cursor need name only the last one given.

    Args:
        found: The whole list.
        field: A field with a time, by which the page is sorted.
        limit: Items per page.
        cursor_text: `next_cursor` of the page before; None for the first.

    Raises:
        InvalidCursorError: If the cursor is none of this list.
    """

    def place(item: Item) -> tuple[int, str]:
        return item[field], item["_id"]

    rest = sorted(found, key=place, reverse=True)
    if cursor_text is not None:
        cursor = Cursor.decode(cursor_text, field)
        if isinstance(cursor.value, str) or len(cursor.given) != 1:
            raise InvalidCursorError
        last = cursor.value, cursor.given[0]
        rest = [one for one in rest if place(one) < last]
    items = rest[:limit]
    if len(rest) <= limit:
        return Page(items, None)
    value, last_id = place(items[-1])
    return Page(items, Cursor(field, value, (last_id,)).encode())


def _is_value(value: object) -> bool:
    """Whether it is a key or a time that the database can take; lone surrogates and 9-byte integers it cannot."""
    if isinstance(value, str):
        return value.isascii()
    return type(value) is int and 0 <= value < _STOP
