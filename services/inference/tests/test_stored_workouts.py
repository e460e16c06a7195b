"""Workouts, their corrections and their end in a real database."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from services.inference.tests.fakes_workouts import SECOND, T0, make_set, make_window, make_workout
from support.servers import database

from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import (
    CLASSIFICATIONS,
    ERASURES,
    INDEXES,
    SET_EDITS,
    SETS,
    WORKOUT_EDITS,
    WORKOUTS,
    SetDocument,
)
from repsense_inference.app import create_app
from repsense_inference.repositories import DatabaseConnection, Repositories
from repsense_inference.settings import Settings

_HOUR = 3600 * SECOND
_DAY = 24 * _HOUR
_ANY = {"If-Match": "*"}


class _Service:
    """The app on a real database, and what lies in it."""

    def __init__(self, url: str, documents: Documents) -> None:
        self._url = url
        self.documents = documents
        self._app = self._new_app()

    def restart(self) -> None:
        """Forget what is held in memory."""
        self.close()
        self._app = self._new_app()

    def close(self) -> None:
        """Close the connection to the database."""
        self._app.state.parts.database.stop()

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes them
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(send())

    def get(self, path: str, **parameters: str | int) -> Any:  # noqa: ANN401 - whatever JSON can hold
        return self.request("GET", path, params=parameters).raise_for_status().json()

    def add(self, *sets: SetDocument, **changes: Any) -> str:  # noqa: ANN401 - as the document has them
        """Store a workout with its sets and their results; return its id."""
        workout = make_workout(*sets, **changes)
        self.documents[SETS].insert_many([dict(one) for one in sets])
        self.documents[WORKOUTS].insert_one(dict(workout))
        self.documents[CLASSIFICATIONS].insert_many(
            [
                dict(make_window(one, start_us))
                for one in sets
                for start_us in range(one["started_us"], one["ended_us"], SECOND)
            ]
        )
        return workout["_id"]

    def _new_app(self) -> FastAPI:
        return create_app(Settings.model_validate({"mongodb_url": self._url, "mqtt_url": "mqtt://127.0.0.1:9"}))


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Documents]]:
    with database(tmp_path_factory.mktemp("workouts")) as server:
        url = f"mongodb://127.0.0.1:{server.port}/repsense"
        documents = connect_database(url)
        ensure_indexes(documents)
        yield url, documents
        documents.client.close()


@pytest.fixture
def service(connected: tuple[str, Documents]) -> Iterator[_Service]:
    url, documents = connected
    for name in INDEXES:
        documents[name].delete_many({})
    service = _Service(url, documents)
    yield service
    service.close()


def _sets(started_us: int, sensor_id: str = "wrist", n_sets: int = 3) -> list[SetDocument]:
    """Sets of push-ups, ten minutes apart."""
    return [
        make_set(started_us + number * 600 * SECOND, sensor_id=sensor_id, workout_id=f"{sensor_id}-{started_us}")
        for number in range(n_sets)
    ]


def _n_stored(service: _Service, *names: str) -> list[int]:
    return [service.documents[name].count_documents({}) for name in names]


def test_corrections_survive_and_count_everywhere(service: _Service) -> None:
    sets = _sets(T0)
    workout_id = service.add(*sets)
    other_id = service.add(*_sets(T0 + _DAY))
    label = {"exercise": "squat", "form": "incorrect"}
    changes: list[dict[str, Any]] = [{"label": label, "repetitions": 12}, {"discarded": True}, {"note": "slow"}]
    for one, change in zip(sets, changes, strict=True):
        response = service.request("PATCH", f"/v1/sets/{one['_id']}", json=change, headers={"If-Match": '"0"'})
        assert (response.status_code, response.headers["etag"]) == (200, '"1"')
    service.request("PATCH", f"/v1/workouts/{workout_id}", json={"subject": "Anna"}, headers={"If-Match": '"0"'})

    before = service.get(f"/v1/workouts/{workout_id}")
    service.restart()

    assert service.get(f"/v1/workouts/{workout_id}") == before
    assert service.get("/v1/workouts")["items"] == [service.get(f"/v1/workouts/{other_id}"), before]
    assert (before["subject"], before["version"], before["n_sets"], before["active_s"]) == ("Anna", 1, 2, 60.0)
    assert before["totals"] == [
        {"exercise": "push-up", "n_sets": 1, "active_s": 30.0, "incorrect_share": 0.25, "repetitions": None},
        {"exercise": "squat", "n_sets": 1, "active_s": 30.0, "incorrect_share": 1.0, "repetitions": 12},
    ]
    history = service.get("/v1/history", zone="Europe/Berlin", by="week", subject="Anna")
    assert [(one["starts_on"], one["n_sets"], one["exercises"]) for one in history["periods"]] == [
        ("2026-02-23", 2, before["totals"])
    ]
    exported = service.get("/v1/history/export", format="json")["workouts"]
    assert exported[1]["sets"] == service.get("/v1/sets", workout_id=workout_id)["items"][::-1]
    assert service.documents["persons"].find_one({"name": "Anna"}) is not None


def test_of_two_edits_of_the_same_version_one_is_stored(service: _Service) -> None:
    service.add(*_sets(T0))
    path = f"/v1/sets/wrist-{T0}"

    codes = [
        [
            service.request("PATCH", path, json={"note": note}, headers={"If-Match": f'"{version}"'}).status_code
            for note in ("first", "second")
        ]
        for version in range(3)
    ]

    assert codes == [[200, 412]] * 3
    assert (service.get(path)["note"], service.get(path)["version"]) == ("first", 3)


def test_a_workout_that_grows_is_seen_to_grow(service: _Service) -> None:
    """As the preprocessor writes it, long after it was read and settled: the signal came late."""
    sets = _sets(T0)
    service.add(*sets[:2])
    before = service.get("/v1/workouts")["items"][0]

    service.documents[SETS].insert_one(dict(sets[2]))
    service.documents[WORKOUTS].replace_one({"_id": f"wrist-{T0}"}, dict(make_workout(*sets)))

    after = service.get("/v1/workouts")["items"][0]
    assert (before["n_sets"], after["n_sets"]) == (2, 3)
    assert after["ended_at"] == "2026-03-01T17:20:30Z"


def test_a_workout_of_an_earlier_version_of_repsense_is_counted_from_its_sets(service: _Service) -> None:
    sets = _sets(T0)
    sets[1] = make_set(sets[1]["started_us"], exercise="squat", form=None, form_windows={})
    workout_id = service.add(*sets)
    before = service.get(f"/v1/workouts/{workout_id}")

    service.documents[WORKOUTS].update_one({"_id": workout_id}, {"$unset": {"totals": ""}})

    service.restart()
    assert service.get(f"/v1/workouts/{workout_id}") == before
    assert service.get("/v1/workouts")["items"] == [before]
    assert service.get("/v1/history")["total"]["exercises"] == before["totals"]


def test_a_deleted_workout_takes_everything_of_its_time_along_and_nothing_else(service: _Service) -> None:
    workout_id = service.add(*_sets(T0))
    kept = [service.add(*_sets(T0 + _DAY)), service.add(*_sets(T0, "wrist-2"))]
    for one in (workout_id, kept[0]):
        service.request("PATCH", f"/v1/sets/{one}", json={"note": "x"}, headers=_ANY)
        service.request("PATCH", f"/v1/workouts/{one}", json={"note": "x"}, headers=_ANY)
    assert _n_stored(service, WORKOUTS, SETS, CLASSIFICATIONS, SET_EDITS, WORKOUT_EDITS) == [3, 9, 270, 2, 2]
    assert service.get("/v1/history")["total"]["n_workouts"] == 3

    response = service.request("DELETE", f"/v1/workouts/{workout_id}", headers={"If-Match": '"1"'})

    assert response.status_code == 204
    assert _n_stored(service, WORKOUTS, SETS, CLASSIFICATIONS, SET_EDITS, WORKOUT_EDITS) == [2, 6, 180, 1, 1]
    assert {one["workout_id"] for one in service.get("/v1/workouts")["items"]} == set(kept)
    assert service.get("/v1/history")["total"]["n_workouts"] == 2
    assert service.request("GET", f"/v1/workouts/{workout_id}").status_code == 404


def test_a_workout_that_the_preprocessor_writes_once_more_after_its_end_is_what_is_left(service: _Service) -> None:
    sets = _sets(T0, n_sets=4)
    workout_id = service.add(*sets[:2])
    service.request("DELETE", f"/v1/workouts/{workout_id}", headers=_ANY)

    # Its memory still holds the deleted sets.
    service.documents[WORKOUTS].insert_one(dict(make_workout(*sets[:2])))
    assert service.get("/v1/workouts")["items"] == []
    assert service.get("/v1/history")["total"]["n_workouts"] == 0
    assert service.request("GET", f"/v1/workouts/{workout_id}").status_code == 404

    service.documents[SETS].insert_many([dict(one) for one in sets[2:]])
    service.documents[WORKOUTS].replace_one({"_id": workout_id}, dict(make_workout(*sets)))
    (left,) = service.get("/v1/workouts")["items"]
    assert (left["n_sets"], left["active_s"], left["started_at"]) == (2, 60.0, "2026-03-01T17:20:00Z")
    assert service.get(f"/v1/workouts/{workout_id}") == left
    service.request("PATCH", f"/v1/sets/{sets[3]['_id']}", json={"discarded": True}, headers=_ANY)
    assert service.get(f"/v1/workouts/{workout_id}")["n_sets"] == 1

    service.request("DELETE", f"/v1/workouts/{workout_id}", headers=_ANY)
    assert service.get("/v1/sets")["items"] == []
    assert _n_stored(service, WORKOUTS, SETS, ERASURES) == [0, 0, 1]


def test_an_erasure_is_forgotten_unless_its_workout_was_written_again(service: _Service) -> None:
    ids = [service.add(*_sets(T0 + number * _DAY, n_sets=1)) for number in range(3)]
    for workout_id in ids:
        service.request("DELETE", f"/v1/workouts/{workout_id}", headers=_ANY)
    service.documents[ERASURES].update_many({"_id": {"$in": ids[:2]}}, {"$set": {"erased_us": 5}})
    service.documents[WORKOUTS].insert_one(dict(make_workout(*_sets(T0, n_sets=1))))

    erasing = Repositories.on(DatabaseConnection(service.documents)).erasing
    assert [erasing.purge(before_us) for before_us in (5, 6, 6)] == [0, 1, 0]
    assert {one["_id"] for one in service.documents[ERASURES].find()} == {ids[0], ids[2]}


def test_workouts_come_page_by_page_also_when_they_are_chosen(service: _Service) -> None:
    for number in range(7):
        exercise = "squat" if number % 2 else "jump"
        sets = [{**one, "exercise": exercise} for one in _sets(T0 + number * _DAY, n_sets=1)]
        service.add(*cast("list[SetDocument]", sets))

    found: list[str] = []
    page = service.get("/v1/workouts", exercise="jump", limit=3)
    while True:
        found += [one["started_at"][:10] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        page = service.get("/v1/workouts", exercise="jump", limit=3, cursor=page["next_cursor"])

    assert found == ["2026-03-07", "2026-03-05", "2026-03-03", "2026-03-01"]


def test_a_timeline_shows_the_windows_between_the_first_and_the_last_set(service: _Service) -> None:
    workout_id = service.add(*_sets(T0, n_sets=2))
    service.add(*_sets(T0 + _DAY))

    timeline = service.get(f"/v1/workouts/{workout_id}/timeline")
    thinned = service.get(f"/v1/workouts/{workout_id}/timeline", max_points=20)

    assert len(timeline["windows"]) == 60
    assert [one["set_id"] for one in timeline["sets"]] == [workout_id, f"wrist-{T0 + 600 * SECOND}"]
    assert timeline["windows"][0] == {
        "start_at": "2026-03-01T17:00:00Z",
        "end_at": "2026-03-01T17:00:02Z",
        "label": {"exercise": "push-up", "form": "correct"},
        "confidence": 0.75,
    }
    assert 0 < len(thinned["windows"]) <= 20


def test_an_export_holds_every_set_of_every_workout(service: _Service) -> None:
    ids = [service.add(*_sets(T0 + number * _HOUR, n_sets=2)) for number in range(5)]
    ids.append(service.add(*_sets(T0 + 300 * SECOND, "ankle")))

    whole = service.get("/v1/history/export")["workouts"]
    part = service.get("/v1/history/export", **{"from": "2026-03-01T18:00:00Z", "to": "2026-03-01T20:00:00Z"})
    table = service.request("GET", "/v1/history/export", params={"format": "csv"}).text.splitlines()

    assert sorted(one["workout_id"] for one in whole) == sorted(ids)
    assert all(len(one["sets"]) == one["n_sets"] for one in whole)
    assert [one["workout_id"] for one in part["workouts"]] == ids[2:0:-1]
    assert all(len(one["sets"]) == 2 for one in part["workouts"])
    assert len(table) == 1 + 13


def test_the_sets_of_a_time_are_read_of_all_sensors_or_of_one(service: _Service) -> None:
    service.add(*_sets(T0))
    service.add(*_sets(T0 + 60 * SECOND, sensor_id="ankle"))
    sets = Repositories.on(DatabaseConnection(service.documents)).sets

    found = [
        [
            (one["sensor_id"], (one["started_us"] - T0) // SECOND)
            for one in sets.newest_first(T0 + 60 * SECOND, until_us, *of)
        ]
        for until_us, of in ((T0 + 660 * SECOND, ()), (T0 + 660 * SECOND, ("ankle",)), (T0 + 661 * SECOND, ("ankle",)))
    ]

    assert found == [[("wrist", 600), ("ankle", 60)], [("ankle", 60)], [("ankle", 660), ("ankle", 60)]]
