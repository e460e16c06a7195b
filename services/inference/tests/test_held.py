"""Collections that are held in memory beside a real database, which others change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pymongo.collection import Collection
from support.servers import database

from repsense.database import Documents, connect_database
from repsense_inference.repositories import held
from repsense_inference.repositories.connection import READ_TIMEOUT_S, DatabaseConnection
from repsense_inference.repositories.held import HeldDocuments

_NAME = "things"
_NOW_US = 10_000
_SETTLES_US = 1_000


@dataclass
class _Reader:
    """Things that settle when they are 1,000 µs old, and which of them were read from the database."""

    documents: Documents
    now_us: int = _NOW_US
    n_read: int = 0
    things: HeldDocuments[str] = field(init=False)

    def __post_init__(self) -> None:
        self.things = HeldDocuments(
            DatabaseConnection(self.documents),
            _NAME,
            "at_us",
            sums=(("version",), ("end_us", "at_us")),
            settles_after_us=_SETTLES_US,
            decode=self._decode,
            clock_us=lambda: self.now_us,
        )

    def _decode(self, document: Mapping[str, Any]) -> str:
        self.n_read += 1
        return str(document["text"])

    def read(self) -> tuple[dict[str, str], int]:
        """What is there, and how many documents it took to know."""
        self.n_read = 0
        found = self.things.read()
        return found, self.n_read


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documents]:
    with database(tmp_path_factory.mktemp("held")) as server:
        connected = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        connected[_NAME].create_index("at_us")
        yield connected
        connected.client.close()


@pytest.fixture
def reader(documents: Documents) -> _Reader:
    """Ten old things and one new one, which were read once."""
    documents[_NAME].delete_many({})
    documents[_NAME].insert_many([_thing(number, at_us=number) for number in range(10)])
    documents[_NAME].insert_one(_thing(10, at_us=_NOW_US - 1))
    reader = _Reader(documents)
    assert len(reader.read()[0]) == 11
    return reader


def _thing(number: int, at_us: int, text: str = "first") -> dict[str, Any]:
    return {"_id": f"t{number}", "at_us": at_us, "end_us": at_us + 5, "version": 1, "text": text}


def test_what_has_settled_is_not_read_again(reader: _Reader) -> None:
    found, n_read = reader.read()

    assert found == {f"t{number}": "first" for number in range(11)}
    assert n_read == 1


def test_what_is_new_or_not_settled_yet_is_seen_at_once(reader: _Reader) -> None:
    reader.documents[_NAME].insert_one(_thing(11, at_us=_NOW_US))
    reader.documents[_NAME].update_one({"_id": "t10"}, {"$set": {"text": "second"}})

    found, n_read = reader.read()

    assert (found["t10"], found["t11"], n_read) == ("second", "first", 2)


def test_what_was_new_settles_in_time(reader: _Reader) -> None:
    reader.now_us += 2 * _SETTLES_US

    assert reader.read()[1] == 1
    assert reader.read()[1] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"text": "second"}, "$inc": {"version": 1}},
        {"$set": {"text": "second", "end_us": 100}},
    ],
)
def test_a_change_of_what_has_settled_is_noticed_by_the_sums(reader: _Reader, change: dict[str, Any]) -> None:
    reader.documents[_NAME].update_one({"_id": "t3"}, change)

    assert reader.read()[0]["t3"] == "second"
    assert reader.read()[1] == 1


def test_an_edit_that_moves_a_thing_to_the_present_is_read_by_itself(reader: _Reader) -> None:
    edit = {"$set": {"text": "second", "at_us": _NOW_US, "end_us": _NOW_US + 5}, "$inc": {"version": 1}}
    reader.documents[_NAME].update_one({"_id": "t3"}, edit)

    found, n_read = reader.read()

    assert (found["t3"], len(found), n_read) == ("second", 11, 2)


@pytest.mark.parametrize("number", [3, 10])
def test_what_is_deleted_is_gone(reader: _Reader, number: int) -> None:
    reader.documents[_NAME].delete_one({"_id": f"t{number}"})

    assert reader.read()[0] == {f"t{one}": "first" for one in range(11) if one != number}


def test_what_was_deleted_by_this_service_is_let_go_of_without_reading_everything(reader: _Reader) -> None:
    reader.documents[_NAME].delete_one({"_id": "t3"})
    reader.things.forget(["t3", "t99"])

    found, n_read = reader.read()

    assert found == {f"t{one}": "first" for one in range(11) if one != 3}
    assert n_read == 1


def test_what_was_let_go_of_and_is_there_all_the_same_is_read_again(reader: _Reader) -> None:
    reader.things.forget(["t3"])

    assert reader.read()[0] == {f"t{one}": "first" for one in range(11)}


def test_there_is_a_moment_to_read_ahead_when_the_database_is_there(tmp_path: Path) -> None:
    is_there = Event()
    with database(tmp_path) as server:
        connection = DatabaseConnection(connect_database(f"mongodb://127.0.0.1:{server.port}/repsense"))
        connection.start(is_there.set)
        try:
            assert is_there.wait(timeout=30)
            assert connection.fault is None
        finally:
            connection.stop()


def test_what_comes_late_is_seen(reader: _Reader) -> None:
    reader.documents[_NAME].insert_one(_thing(12, at_us=5))

    assert reader.read()[0]["t12"] == "first"


def test_a_collection_that_becomes_empty_is_empty(reader: _Reader) -> None:
    reader.documents[_NAME].delete_many({})

    assert reader.read() == ({}, 0)
    assert reader.read() == ({}, 0)


def test_more_than_a_portion_is_read_whole_even_at_one_and_the_same_time(
    reader: _Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "_PORTION", 4)
    reader.documents[_NAME].update_many({}, {"$set": {"at_us": 50, "end_us": 60}})

    patience_s: list[float] = []

    @contextmanager
    def collection(self: DatabaseConnection, name: str, timeout_s: float = 0.0) -> Iterator[Collection[dict[str, Any]]]:
        patience_s.append(timeout_s)
        with self.documents() as documents:
            yield documents[name]

    monkeypatch.setattr(DatabaseConnection, "collection", collection)

    found, _ = _Reader(reader.documents).read()

    assert len(found) == 11
    # What is larger may take longer.
    assert [one / READ_TIMEOUT_S for one in patience_s] == [1, 1, 2, 4]
