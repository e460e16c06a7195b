"""The dashboard's settings, from the environment."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, HttpUrl, TypeAdapter
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]

_HTTP_URL = TypeAdapter(HttpUrl)


def _validate_url(value: str) -> str:
    return str(_HTTP_URL.validate_python(value)).rstrip("/")


class Settings(BaseSettings):
    """Where the API is and where the dashboard listens."""

    model_config = SettingsConfigDict(frozen=True)

    api_url: Annotated[str, BeforeValidator(_validate_url)] = Field(
        default="http://127.0.0.1:8000", description="Base URL of the REST API"
    )
    dashboard_host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on")
    dashboard_port: int = Field(default=8501, ge=1, le=65_535, description="Port to listen on")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = Field(
        default="INFO", description="What is logged"
    )
