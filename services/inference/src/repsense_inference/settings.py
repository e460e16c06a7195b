"""The settings of the service, from the environment."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Built once at the start and passed down; each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    mongodb_url: Annotated[str, Field(repr=False)] = "mongodb://127.0.0.1:27017/repsense"
    mqtt_url: Annotated[str, Field(repr=False)] = "mqtt://127.0.0.1:1883"
    """Where the broker listens; mqtts:// for TLS, user:password@ before the host."""
    model_url: Annotated[str, Field(pattern=r"^(onnx:.|grpc://[^/]+/.)")] = "onnx:models/bodyweight"
    """onnx:<model directory> or grpc://<host>:<port>/<model>."""
    api_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    api_port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    """0 takes any free port and logs which."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
