"""Collections that are kept in memory, and compared with the database whenever they are read."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from repsense.timestamps import now_us
from repsense_inference.repositories.connection import READ_TIMEOUT_S, DatabaseConnection

__all__ = ["HeldDocuments"]

T = TypeVar("T")

_PORTION = 1_000
"""Documents per query: some 60 ms of the embedded database, which does one thing at a time."""


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    position_us: int
    sums: tuple[int, ...]
    value: T


class HeldDocuments(Generic[T]):
    """Every document of a collection that grows slowly and at its end.

    Reading 5,000 documents takes the embedded database 300 ms; counting and summing them up, which it leaves to
    SQLite, takes 10 ms. So those that have settled are read once. Each time, their number and the sums of some of
    their fields are compared with the database's, the few newer ones are read, and all is read anew if anything
    differs.
    """

    def __init__(
        self,
        connection: DatabaseConnection,
        collection_name: str,
        position: str,
        *,
        sums: Sequence[tuple[str, ...]],
        settles_after_us: int,
        decode: Callable[[Mapping[str, Any]], T],
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        """Prepare to read a collection.

        Args:
            connection: To the database.
            collection_name: What to hold.
            position: An indexed field with a time. New documents have a late one, and so have those that change.
            sums: What gives a change away: fields, or pairs of fields of which the difference is meant, since sums
                of times do not fit into the database's integers.
            settles_after_us: How far from the present a position must be for its document to be unlikely to change.
            decode: Makes of a document what is kept of it.
            clock_us: The present, in microseconds since 1970.
        """
        self._connection = connection
        self._collection_name = collection_name
        self._position = position
        self._sums = sums
        self._settles_after_us = settles_after_us
        self._decode = decode
        self._clock_us = clock_us
        self._lock = threading.Lock()
        self._settled_before_us = 0
        self._settled: dict[str, _Held[T]] = {}
        self._values: dict[str, T] = {}
        """Those of the settled ones, so that they need not be taken together at each reading."""
        self._n_and_sums = [0] * (1 + len(sums))
        """Of the settled ones."""

    def read(self) -> dict[str, T]:
        """What is kept of each document, by its `_id`.

        Raises:
            DatabaseUnavailableError: If the database does not answer.
        """
        with self._lock:
            fresh = self._read_from(self._settled_before_us)
            self._let_go(fresh)
            if not self._is_still_so():
                self._let_go(list(self._settled))
                fresh = self._read_from(0)
            found = self._values | {key: held.value for key, held in fresh.items()}
            self._settled_before_us = max(0, self._clock_us() - self._settles_after_us)
            self._settle({key: held for key, held in fresh.items() if held.position_us < self._settled_before_us})
        return found

    def forget(self, keys: Iterable[str]) -> None:
        """Let go of documents that were just deleted, so that not everything has to be read anew."""
        with self._lock:
            self._let_go(keys)

    def _settle(self, fresh: Mapping[str, _Held[T]]) -> None:
        for key, held in fresh.items():
            self._settled[key] = held
            self._values[key] = held.value
            self._count(held, 1)

    def _let_go(self, keys: Iterable[str]) -> None:
        for key in keys:
            held = self._settled.pop(key, None)
            if held is not None:
                del self._values[key]
                self._count(held, -1)

    def _count(self, held: _Held[T], sign: int) -> None:
        for number, value in enumerate((1, *held.sums)):
            self._n_and_sums[number] += sign * value

    def _is_still_so(self) -> bool:
        """Whether the database has the settled documents, and no others before the time until which they settled."""
        if not self._settled_before_us:
            return True
        grouping: dict[str, Any] = {"_id": None, "n": {"$sum": 1}}
        for number, fields in enumerate(self._sums):
            names = [f"${name}" for name in fields]
            grouping[f"sum_{number}"] = {"$sum": names[0] if len(names) == 1 else {"$subtract": names}}
        earlier = {self._position: {"$gte": 0, "$lt": self._settled_before_us}}
        with self._connection.collection(self._collection_name) as collection:
            found = next(iter(collection.aggregate([{"$match": earlier}, {"$group": grouping}])), None)
        if found is None:
            return not self._settled
        return self._n_and_sums == [found["n"], *(found[f"sum_{number}"] for number in range(len(self._sums)))]

    def _read_from(self, from_us: int) -> dict[str, _Held[T]]:
        return {document["_id"]: self._hold(document) for document in self._walk(from_us)}

    def _walk(self, from_us: int) -> Iterator[Mapping[str, Any]]:
        """All documents from a position on, in portions; some twice."""
        limit = _PORTION
        while True:
            timeout_s = READ_TIMEOUT_S * limit / _PORTION
            with self._connection.collection(self._collection_name, timeout_s) as collection:
                query = collection.find({self._position: {"$gte": from_us}}).sort(self._position, 1)
                portion = list(query.limit(limit))
            yield from portion
            if len(portion) < limit:
                return
            last_us = portion[-1][self._position]
            # So many have one position, as what was imported together: only a larger portion gets past it, and may take
            # as much longer.
            limit = _PORTION if last_us > from_us else 2 * limit
            from_us = last_us

    def _hold(self, document: Mapping[str, Any]) -> _Held[T]:
        sums = tuple(document[first] - sum(document[name] for name in rest) for first, *rest in self._sums)
        return _Held(document[self._position], sums, self._decode(document))
