"""The settings of the preprocessor, from the environment."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Built once at the start and passed down; each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    mqtt_url: str = "mqtt://127.0.0.1:1883"
    """Where the broker listens; mqtts:// for TLS, user:password@ before the host."""
    mqtt_client_id: Annotated[str, Field(min_length=1, max_length=64)] = "repsense-preprocessor"
    """Names the persistent session: whoever comes back under it gets what arrived meanwhile."""
    mongodb_url: str = "mongodb://127.0.0.1:27017/repsense"
    model_url: str = "onnx:models/bodyweight"
    """onnx:<model directory> or grpc://<host>:<port>/<model>."""
    samples_retention_hours: Annotated[float, Field(gt=0)] = 24.0
    """How long raw samples are kept; classifications, sets and workouts stay."""
    set_max_pause_s: Annotated[float, Field(ge=0)] = 4.0
    """A set goes on over a pause of up to this long."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 9101
    """Prometheus reads here; 0 turns it off."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
