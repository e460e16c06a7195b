"""The settings of `prepare`, `backup` and `restore`, from the environment or from files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from repsense.logs import LogFormat
from repsense.secret_files import secrets_directory

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Each field is the environment variable of the same name, or the file of that name in SECRETS_DIR."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    mongodb_url: Annotated[SecretStr, Field(repr=False)] = SecretStr("mongodb://127.0.0.1:27017/repsense")
    """With a user who may create others, where the server has users."""
    preprocessor_mongodb_password: SecretStr | None = None
    inference_mongodb_password: SecretStr | None = None
    trainer_mongodb_password: SecretStr | None = None
    models_dir: Path = Path("models")
    shipped_models_dir: Path = Path("/app/models")
    """What is put into an empty `models_dir`."""
    log_format: LogFormat = "text"

    @classmethod
    def load(cls) -> "Settings":
        """Read the environment, and the files of SECRETS_DIR where that is set.

        Raises:
            RepSenseError: If SECRETS_DIR is no folder.
            pydantic.ValidationError: If a setting cannot be used.
        """
        return cls(_secrets_dir=secrets_directory())

    @property
    def passwords(self) -> Mapping[str, str]:
        """Of the services' users, as far as they are given."""
        given = {
            "preprocessor": self.preprocessor_mongodb_password,
            "inference": self.inference_mongodb_password,
            "trainer": self.trainer_mongodb_password,
        }
        return {service: password.get_secret_value() for service, password in given.items() if password is not None}
