import pytest
from pymongo.errors import BulkWriteError, NotPrimaryError, ServerSelectionTimeoutError, WriteError

from repsense.patience import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            BulkWriteError(
                {
                    "writeErrors": [
                        {"code": 8, "errmsg": "database or disk is full", "op": {"_id": "1", "samples": b"?"}}
                    ]
                }
            ),
            "database or disk is full",
        ),
        (NotPrimaryError("not primary, full error: {'ok': 0.0}"), "not primary"),
        (WriteError("disk is full, full error: {'index': 0}", 8, {"index": 0}), "disk is full"),
        (
            ServerSelectionTimeoutError("127.0.0.1:9: refused (configured timeouts: 20s), Topology: <…>"),
            "127.0.0.1:9: refused",
        ),
        (ValueError("first\nsecond"), "first"),
        (ValueError(), "ValueError()"),
        (None, "None"),
    ],
)
def test_of_an_error_only_what_a_person_can_use_is_said(error: Exception | None, line: str) -> None:
    assert first_line(error) == line
