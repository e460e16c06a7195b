"""The settings of the preprocessor: from the environment, and secrets from files."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from repsense.documents import CLASSIFICATIONS, SAMPLES
from repsense.logs import LogFormat

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Built once at the start and passed down; each field is the environment variable of the same name.

    Where that is not set, it is the file of that name, in lower case, in the folder `SECRETS_DIR`.
    """

    # A variable that is set to nothing is how a compose file hands on one that is not set.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    mqtt_url: Annotated[str, Field(repr=False)] = "mqtt://127.0.0.1:1883"
    """Where the broker listens; mqtts:// for TLS, user:password@ before the host."""
    mqtt_ca_file: Path | None = None
    """The authorities that are trusted for mqtts, as PEM; those of the system by default."""
    mqtt_client_id: Annotated[str, Field(min_length=1, max_length=64)] = "repsense-preprocessor"
    """Names the persistent session: whoever comes back under it gets what arrived meanwhile."""
    mongodb_url: Annotated[str, Field(repr=False)] = "mongodb://127.0.0.1:27017/repsense"
    replica_id: Annotated[
        str, Field(min_length=1, max_length=200, default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    ]
    """Names this process among others of its kind, in its sign of life."""
    model_url: str = "onnx:models/bodyweight"
    """onnx:<model directory> or grpc://<host>:<port>/<model>."""
    samples_retention_hours: Annotated[float, Field(gt=0)] = 24.0
    """How long raw samples are kept; sets and workouts stay."""
    classifications_retention_days: Annotated[float, Field(ge=1)] | None = None
    """How long the result of each window is kept; for good if it is not set."""
    set_max_pause_s: Annotated[float, Field(ge=0)] = 4.0
    """A set goes on over a pause of up to this long."""
    partitions: Annotated[int, Field(ge=1, le=256)] = 1
    """How many partitions the broker gives to sensors, so that several preprocessors can share them; 1: it gives none,
    and one preprocessor serves all. Must be the number in broker/nats-partitions.conf."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 9101
    """For /healthz, /readyz and /metrics; 0 turns them off."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: LogFormat = "text"
    """json: one object per line, for what collects logs."""

    @property
    def kept_s(self) -> Mapping[str, float]:
        """How long documents are kept, by collection, in seconds; what is not among them is kept for good."""
        kept = {SAMPLES: self.samples_retention_hours * 3600}
        if self.classifications_retention_days is not None:
            kept[CLASSIFICATIONS] = self.classifications_retention_days * 24 * 3600
        return kept
