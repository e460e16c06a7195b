"""The model versions on disk: found, looked into, put in use and deleted; see `repsense.registry`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from repsense.errors import RegistryError
from repsense.manifest import report_path
from repsense.registry import ModelRegistry, RegisteredVersion
from repsense_inference.errors import ModelsUnavailableError

__all__ = ["ModelDirectory"]


class ModelDirectory:
    """The versions of all models; clients see neither paths nor what else lies on the disk.

    Methods that change something raise `RegistryError` with the reason if that cannot be, and
    `ModelsUnavailableError` if the directory is not there.
    """

    def __init__(self, path: Path, name_in_use: str) -> None:
        """Prepare to look into a directory.

        Args:
            path: The directory; it need not be there yet.
            name_in_use: The model with which this service and the preprocessor classify.
        """
        self.name_in_use = name_in_use
        # Its name is looked for in sentences, where a mere "." would be anything.
        self._path = path.absolute()
        self._registry = ModelRegistry(self._path)

    def versions(self) -> list[RegisteredVersion]:
        """Every version of every model, also those that are broken.

        Raises:
            ModelsUnavailableError: If they cannot be read.
        """
        with self._reading():
            return [version for name in self._registry.names() for version in self._registry.versions(name)]

    def find(self, name: str, version: int) -> RegisteredVersion | None:
        """One version.

        Raises:
            ModelsUnavailableError: If it cannot be read.
        """
        with self._reading():
            return next((one for one in self._registry.versions(name) if one.version == version), None)

    def report(self, name: str, version: int) -> bytes | None:
        """The page that tells how a version was evaluated; None if there is none."""
        found = self.find(name, version)
        if found is None:
            return None
        try:
            return report_path(found.path).read_bytes()
        except OSError:
            return None

    def in_words(self, text: str) -> str:
        """A sentence of the registry as clients may read it."""
        return text.replace(f"{self._path}/", "").replace(str(self._path), "the models' directory")

    def promote(self, name: str, version: int) -> bool:
        """Put a version in use; return whether there is such a version."""
        with self._changing():
            if self.find(name, version) is None:
                return False
            self._registry.promote(name, version)
            return True

    def roll_back(self, name: str) -> int:
        """Go back to the version that was in use before; return its number."""
        with self._changing():
            return self._registry.rollback(name)

    def delete(self, name: str, version: int) -> bool:
        """Delete a version on standby; return whether there was such a version."""
        with self._changing():
            if self.find(name, version) is None:
                return False
            self._registry.delete(name, version)
            return True

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except RegistryError as error:
            raise ModelsUnavailableError(self.in_words(str(error))) from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        if not self._path.is_dir():
            msg = "the models' directory is not there: set MODELS_DIR to the folder with the models, then try again"
            raise ModelsUnavailableError(msg)
        try:
            yield
        except RegistryError as error:
            raise RegistryError(self.in_words(str(error))) from error
