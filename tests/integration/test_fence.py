"""What a preprocessor writes that was paused past its leases changes nothing of what another one wrote meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.models import mean_manifest
from support.pipeline import Driver, MemoryStore, messages, movement
from support.servers import database

from repsense.database import Documents, connect_database
from repsense_preprocessor.partitions import Served, partition_of
from repsense_preprocessor.pipeline import Outcome
from repsense_preprocessor.store import Store

N_PARTITIONS = 12
REWRITTEN = ("sets", "workouts", "sensors")


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Documents]:
    with database(tmp_path) as server:
        connected = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        yield connected
        connected.client.close()


def store(documents: Documents, generation: int) -> Store:
    generations = {partition_of(sensor, N_PARTITIONS): generation for sensor in ("wrist", "ankle")}
    made = Store(documents, Served(N_PARTITIONS, generations))
    made.prepare(mean_manifest(), 1)
    return made


def outcomes(sensor_id: str = "wrist") -> tuple[Outcome, Outcome]:
    """What follows from the beginning of a workout, and from all of it."""
    early, late = Outcome(), Outcome()
    driver = Driver(MemoryStore())
    stream = messages(movement([(None, 3), (2, 12), (None, 9), (0, 6)]), sensor_id=sensor_id)
    for message in stream:
        outcome = driver.push([message], seconds=1.0)
        for whole in (late, early) if message.sequence < 600 else (late,):
            for name in REWRITTEN:
                getattr(whole, name).update(getattr(outcome, name))
    assert early.sets
    assert all(getattr(late, name) for name in REWRITTEN)
    return early, late


def stored(documents: Documents) -> dict[str, dict[Any, dict[str, Any]]]:
    return {name: {one["_id"]: one for one in documents[name].find()} for name in REWRITTEN}


def test_the_later_lease_wins_whoever_writes_last(documents: Documents) -> None:
    early, late = outcomes()
    paused, current = store(documents, 7), store(documents, 8)
    paused.write(early)
    current.write(late)
    expected = stored(documents)

    paused.write(early)

    assert stored(documents) == expected
    assert {one["generation"] for name in REWRITTEN for one in expected[name].values()} == {8}


def test_other_sensors_are_not_kept_from_being_written(documents: Documents) -> None:
    early, late = outcomes()
    both = outcomes("ankle")[1]
    for name in REWRITTEN:
        getattr(both, name).update(getattr(early, name))
    store(documents, 8).write(late)
    expected = stored(documents)

    store(documents, 7).write(both)

    for name in REWRITTEN:
        after = stored(documents)[name]
        assert {key: after[key] for key in expected[name]} == expected[name]
        assert len(after) == 2 * len(expected[name])


def test_what_was_written_without_leases_gives_way(documents: Documents) -> None:
    early, late = outcomes()
    without = Store(documents)
    without.prepare(mean_manifest(), 1)
    without.write(early)

    store(documents, 1).write(late)

    assert stored(documents)["sets"].keys() == late.sets.keys()
    for key, one in stored(documents)["sets"].items():
        assert one == {**late.sets[key], "generation": 1}
