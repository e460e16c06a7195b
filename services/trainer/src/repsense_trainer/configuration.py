"""The configuration file of a training: TOML, `TrainingConfiguration` with the model's name and where the data are.

name = "bodyweight"

[data]                  how to read files that RepSense did not write; see `sources.SourceDescription`
[windows]               see `repsense.training` for these
[network]
[augmentation]
[evaluation]
"""

import tomllib
from pathlib import Path
from typing import Self

import tomli_w
from pydantic import ValidationError

from repsense.training import ModelName, TrainingConfiguration
from repsense_trainer.errors import ConfigurationError
from repsense_trainer.sources import SourceDescription

__all__ = ["ConfigurationFile"]


class ConfigurationFile(TrainingConfiguration):
    """What the file says."""

    name: ModelName | None = None
    """Of the model."""
    data: SourceDescription | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            ConfigurationError: If it cannot be read or says something else; the text names the place.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            msg = f"cannot read the configuration {path}: {error.strerror}; name one with --config"
            raise ConfigurationError(msg) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{path} is not TOML: {error}"
            raise ConfigurationError(msg) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            msg = f"{path}: {place + ': ' if place else ''}{first['msg']}"
            raise ConfigurationError(msg) from error

    def save(self, path: Path, comment: str) -> None:
        """Write a file that `load` reads back as it is; what has its default is left out.

        Args:
            path: It is replaced if it exists.
            comment: Its first line.

        Raises:
            ConfigurationError: If it cannot be written.
        """
        text = tomli_w.dumps(self.model_dump(mode="json", exclude_defaults=True, exclude_none=True))
        try:
            path.write_text(f"# {comment}\n{text}", encoding="utf-8")
        except OSError as error:
            msg = f"cannot write {path}: {error.strerror}"
            raise ConfigurationError(msg) from error

    def training(self) -> TrainingConfiguration:
        """The part that decides what a network becomes."""
        fields = {name: getattr(self, name) for name in TrainingConfiguration.model_fields}
        return TrainingConfiguration.model_validate(fields)
