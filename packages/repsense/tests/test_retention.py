"""Deleting what is old, on the embedded database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import servers

from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import CLASSIFICATIONS, SAMPLES
from repsense.retention import delete_older


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documents]:
    with servers.database(Path(tmp_path_factory.mktemp("database"))) as server:
        connected = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        ensure_indexes(connected)
        with connected.client:
            yield connected


@pytest.mark.parametrize(("collection", "time"), [(SAMPLES, "first_sample_us"), (CLASSIFICATIONS, "window_start_us")])
def test_the_oldest_go_first_a_batch_at_a_time(database: Documents, collection: str, time: str) -> None:
    database[collection].insert_many([{"_id": str(at_us), time: at_us} for at_us in range(25)])

    deleted = [delete_older(database, collection, 22, batch=10) for _ in range(4)]

    assert deleted == [10, 10, 2, 0]
    assert sorted(one[time] for one in database[collection].find()) == [22, 23, 24]


def test_many_of_one_time_go_together(database: Documents) -> None:
    database[SAMPLES].delete_many({})
    database[SAMPLES].insert_many([{"_id": f"same-{number}", "first_sample_us": 5} for number in range(30)])

    assert delete_older(database, SAMPLES, 6, batch=10) == 30
