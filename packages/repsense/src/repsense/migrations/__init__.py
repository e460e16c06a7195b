"""What brings a database from one schema to the next.

A migration is kept as it was written: it makes the documents of its own schema, whatever later code makes of them.
It can be interrupted at any moment and begun again, and two may be at it at the same time: each change of a document is
one write whose filter says what the document must still be.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pymongo.database import Database

from repsense.migrations import schema_2

__all__ = ["MIGRATIONS"]

Migration = Callable[[Database[dict[str, Any]]], str]
"""Changes a database and returns what it did, in words."""

MIGRATIONS: Mapping[int, Migration] = {1: schema_2.migrate}
"""By the schema that each begins with; it leads to the next one."""
