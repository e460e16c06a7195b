"""What a preprocessor says of itself before and after it works, into a made-up database."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from support.models import mean_manifest

from repsense.condition import Condition
from repsense.database import Documents
from repsense.documents import PREPROCESSORS, SCHEMA
from repsense.manifest import ModelManifest
from repsense.schema import SCHEMA_VERSION
from repsense_preprocessor import sign_of_life
from repsense_preprocessor.sign_of_life import SignOfLife
from repsense_preprocessor.storage_figures import StorageFigures


@dataclass
class _Collection:
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def find_one(self, key: dict[str, str]) -> dict[str, Any] | None:
        return self.documents.get(key["_id"])

    def replace_one(self, key: dict[str, str], document: dict[str, Any], *, upsert: bool) -> None:
        assert upsert
        self.documents[key["_id"]] = document

    def delete_many(self, old: dict[str, Any]) -> None:
        assert list(old) == ["at_us"]

    def delete_one(self, key: dict[str, str]) -> None:
        self.documents.pop(key["_id"], None)


@dataclass
class _Subject:
    model: ModelManifest = field(default_factory=mean_manifest)
    n_streams: int = 3
    n_waiting: int = 5
    oldest_waiting_s: float = 0.25


class _World:
    def __init__(self) -> None:
        self.collections = {PREPROCESSORS: _Collection(), SCHEMA: _Collection()}
        self.condition = Condition(("broker", "database", "model"))
        database = cast("Documents", self.collections)
        self.life = SignOfLife(database, "the-one", self.condition, StorageFigures(database))

    def said(self) -> dict[str, Any]:
        return self.collections[PREPROCESSORS].documents.get("the-one", {})


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> _World:
    monkeypatch.setattr(sign_of_life, "_INTERVAL_S", 0.005)
    return _World()


def test_who_waits_for_a_model_lives_and_lacks_nothing_else(world: _World) -> None:
    world.condition.lacks("model", "there is none")
    with world.life.shown():
        until(lambda: bool(world.said()))
        assert (world.said()["ready"], world.said()["problems"]) == (False, {"model": "there is none"})
        assert (world.said()["model_name"], world.said()["n_streams"]) == (None, 0)

        world.condition.has("model")
        world.life.subject = _Subject()
        until(lambda: world.said()["model_name"] == "mean")
        assert world.said()["problems"] == {"broker": "the broker was not reached yet"}
        world.condition.has("broker")
        until(lambda: bool(world.said()["ready"]))
        assert (world.said()["n_streams"], world.said()["n_waiting"], world.said()["oldest_waiting_s"]) == (3, 5, 0.25)
    assert world.said() == {}


def test_nothing_is_written_into_a_database_of_a_newer_repsense(world: _World) -> None:
    world.collections[SCHEMA].documents["schema"] = {"version": SCHEMA_VERSION + 1}
    with world.life.shown():
        until(lambda: "a newer RepSense wrote" in world.condition.problems()["database"])
        assert world.said() == {}
        del world.collections[SCHEMA].documents["schema"]
        until(lambda: bool(world.said()))
        assert "database" not in world.condition.problems()
