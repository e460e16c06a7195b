"""The queue on a real database; tests/integration/test_training_jobs.py has the rest."""

from pathlib import Path
from typing import Any

import pytest
from support import servers

from repsense.database import connect_database
from repsense.documents import TRAINING_JOBS
from repsense.errors import SchemaError
from repsense.schema import RESTORING, SCHEMA_VERSION, write_schema
from repsense_trainer.jobs import JobQueue


def test_no_job_is_begun_while_a_backup_is_restored_or_in_a_newer_database(tmp_path: Path) -> None:
    waiting: dict[str, Any] = {"_id": "job", "state": "queued", "created_us": 1, "n_attempts": 0, "lease_until_us": 0}
    with servers.database(tmp_path) as server:
        database = connect_database(f"mongodb://127.0.0.1:{server.port}/repsense")
        with database.client:
            database[TRAINING_JOBS].insert_one(waiting | {"cancel_requested": False})
            queue = JobQueue(database)
            for version, reason in ((RESTORING, "is being restored"), (SCHEMA_VERSION + 1, "a newer RepSense")):
                write_schema(database, version)
                with pytest.raises(SchemaError, match=reason):
                    queue.claim("me", 2)
            write_schema(database, SCHEMA_VERSION)

            assert queue.claim("me", 2) is not None
