"""The registry as a training job sees it: a job produces one version, however often it is begun."""

from collections.abc import Callable
from pathlib import Path

from repsense.registry import ModelRegistry

__all__ = ["JobRegistry"]


class JobRegistry(ModelRegistry):
    """Writes the job's id into each version that is added, which therefore is there exactly if the version is."""

    def __init__(self, models_directory: Path, job_id: str, check_wanted: Callable[[], None]) -> None:
        """Work on the directory that holds all models.

        Args:
            models_directory: It need not exist yet.
            job_id: The job's.
            check_wanted: Called when a version is complete but not yet added; may raise `TrainingCancelledError`.
        """
        super().__init__(models_directory)
        self._job_id = job_id
        self._check_wanted = check_wanted

    def add(self, name: str, version: int, write: Callable[[Path], None], *, replace: bool = False) -> Path:
        """See `ModelRegistry.add`."""

        def write_for_job(directory: Path) -> None:
            write(directory)
            path = _job_path(directory)
            path.parent.mkdir(exist_ok=True)
            path.write_text(self._job_id, encoding="utf-8")
            self._check_wanted()

        return super().add(name, version, write_for_job, replace=replace)

    def version_of_job(self, name: str) -> int | None:
        """The version of a model that this job has added already."""
        for one in self.versions(name):
            path = _job_path(one.path)
            if path.is_file() and path.read_text(encoding="utf-8") == self._job_id:
                return one.version
        return None


def _job_path(version_directory: Path) -> Path:
    return version_directory / "assets.extra" / "training-job"
