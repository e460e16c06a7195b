"""The settings of the service: from the environment, and secrets from files."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from repsense.logs import LogFormat
from repsense.secret_files import secrets_directory

__all__ = ["Settings"]

_KEY = re.compile(r"[!-~]{16,}")
"""What can be sent in a header, and is long enough not to be guessed if it was made by chance."""


class Settings(BaseSettings):
    """Built once at the start and passed down; each field is the environment variable of the same name.

    Where that is not set, it is the file of that name, in lower case, in the folder `SECRETS_DIR`.
    """

    # A variable that is set to nothing is how a compose file hands on one that is not set.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    mongodb_url: Annotated[str, Field(repr=False)] = "mongodb://127.0.0.1:27017/repsense"
    mqtt_url: Annotated[str, Field(repr=False)] = "mqtt://127.0.0.1:1883"
    """Where the broker listens; mqtts:// for TLS, user:password@ before the host."""
    mqtt_ca_file: Path | None = None
    """The authorities that are trusted for mqtts, as PEM; those of the system by default."""
    model_url: Annotated[str, Field(pattern=r"^(onnx:.|grpc://[^/]+/.)")] = "onnx:models/bodyweight"
    """onnx:<model directory> or grpc://<host>:<port>/<model>."""
    api_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    api_port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    """0 takes any free port and logs which."""
    api_key: SecretStr | None = None
    """What clients must send; without it only this machine is answered."""
    api_requests_per_minute: Annotated[int, Field(ge=0)] = 12_000
    """From one address; 0 is without a limit. A dashboard sends 360 for each live page that is open."""
    api_heavy_requests_per_minute: Annotated[int, Field(ge=0)] = 120
    """Of those, what takes the service long: classifying, importing, exporting, looking through every recording."""
    api_wrong_keys_per_minute: Annotated[int, Field(ge=0)] = 10
    """Keys that one address may try; 0 is without a limit."""
    api_live_streams: Annotated[int, Field(ge=0)] = 200
    """Streams of `/v1/live` that may be open at once; 0 is without a limit."""
    models_dir: Path | None = None
    """Where the versions of all models are; see `models_directory`."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: LogFormat = "text"
    """json: one object per line, for what collects logs."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the files of `SECRETS_DIR`.

        Raises:
            RepSenseError: If there is no such folder.
        """
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_directory())

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _KEY.fullmatch(key.get_secret_value()):
            msg = "a key has at least 16 characters: letters, digits and punctuation without spaces"
            raise ValueError(msg)
        return key

    @property
    def models_directory(self) -> Path:
        """Where the versions of all models are: beside the model in use unless it is said otherwise."""
        if self.models_dir is not None:
            return self.models_dir
        directory = self.model_url.removeprefix("onnx:")
        return Path("models") if directory == self.model_url else Path(directory).parent

    @property
    def model_name(self) -> str:
        """The model that is in use."""
        directory = self.model_url.removeprefix("onnx:")
        return urlsplit(self.model_url).path.strip("/") if directory == self.model_url else Path(directory).name
