from pathlib import Path

import pytest

from repsense_trainer.errors import TrainingCancelledError
from repsense_trainer.job_registry import JobRegistry


def wanted() -> None:
    """Somebody still waits for the job."""


def unwanted() -> None:
    msg = "the job was cancelled"
    raise TrainingCancelledError(msg)


def write(directory: Path) -> None:
    (directory / "saved_model.pb").touch()


def test_the_version_of_a_job_is_found_again_also_after_it_was_promoted(tmp_path: Path) -> None:
    JobRegistry(tmp_path, "other", wanted).add("tiny", 1, write)
    JobRegistry(tmp_path, "mine", wanted).add("tiny", 2, write)
    JobRegistry(tmp_path, "other", wanted).add("tiny", 3, write)

    again = JobRegistry(tmp_path, "mine", wanted)

    assert again.version_of_job("tiny") == 2
    (tmp_path / "tiny" / "standby" / "2").rename(tmp_path / "tiny" / "2")
    assert again.version_of_job("tiny") == 2
    assert JobRegistry(tmp_path, "nobody's", wanted).version_of_job("tiny") is None
    assert again.version_of_job("large") is None


def test_a_version_that_nobody_wants_any_more_is_not_added(tmp_path: Path) -> None:
    registry = JobRegistry(tmp_path, "mine", unwanted)

    with pytest.raises(TrainingCancelledError):
        registry.add("tiny", 1, write)

    assert registry.versions("tiny") == []
    assert list((tmp_path / "tiny").iterdir()) == []
