"""The dashboard's settings: from the environment, and secrets from files."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, TypeAdapter, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from repsense.logs import LogFormat
from repsense.secret_files import secrets_directory
from repsense_dashboard.gate import is_loopback

__all__ = ["Settings"]

_SHORTEST_PASSWORD = 8
_KEY = re.compile(r"[!-~]+")
"""What can be sent in a header."""

_HTTP_URL = TypeAdapter(HttpUrl)


def _validate_url(value: str) -> str:
    return str(_HTTP_URL.validate_python(value)).rstrip("/")


class Settings(BaseSettings):
    """Where the API is and where the dashboard listens.

    Each field is the environment variable of the same name; where that is not set, it is the file of that name, in
    lower case, in the folder `SECRETS_DIR`.
    """

    # A variable that is set to nothing is how a compose file hands on one that is not set.
    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    api_url: Annotated[str, BeforeValidator(_validate_url)] = Field(
        default="http://127.0.0.1:8000", description="Base URL of the REST API"
    )
    api_key: SecretStr | None = Field(default=None, description="Key of the REST API, where it demands one")
    dashboard_host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on")
    dashboard_password: SecretStr | None = Field(default=None, description="What people must type, if anything")
    dashboard_port: int = Field(default=8501, ge=1, le=65_535, description="Port to listen on")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = Field(
        default="INFO", description="What is logged"
    )
    log_format: LogFormat = Field(default="text", description="json: one object per line, for what collects logs")
    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on for the operator")
    metrics_port: int = Field(
        default=0, ge=0, le=65_535, description="Port for /healthz, /readyz and /metrics; 0 turns them off"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the base class names it)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (as above)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the environment first, then the files of `SECRETS_DIR`.

        Raises:
            RepSenseError: If there is no such folder.
        """
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_directory())

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _KEY.fullmatch(key.get_secret_value()):
            message = "a key has letters, digits and punctuation, and no spaces"
            raise ValueError(message)
        return key

    @field_validator("dashboard_password")
    @classmethod
    def _check_password(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None and len(password.get_secret_value()) < _SHORTEST_PASSWORD:
            message = f"a password has at least {_SHORTEST_PASSWORD} characters"
            raise ValueError(message)
        return password

    @model_validator(mode="after")
    def _check_protection(self) -> Self:
        if self.dashboard_password is None and not is_loopback(self.dashboard_host):
            message = (
                f"On {self.dashboard_host} everybody who reaches this machine could use the dashboard. Set a "
                f"DASHBOARD_PASSWORD of at least {_SHORTEST_PASSWORD} characters, or listen on 127.0.0.1"
            )
            raise ValueError(message)
        return self
