"""The settings of the worker and of the trainings that it starts: from the environment, and secrets from files."""

import os
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from repsense.logs import LogFormat

__all__ = ["WorkerSettings"]


class WorkerSettings(BaseSettings):
    """Built once at the start and passed down; each field is the environment variable of the same name.

    Where that is not set, it is the file of that name, in lower case, in the folder `SECRETS_DIR`.
    """

    # A variable that is set to nothing is how a compose file hands on one that is not set.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    mongodb_url: Annotated[str, Field(repr=False)] = "mongodb://127.0.0.1:27017/repsense"
    models_dir: Path = Path("models")
    """Where models lie, a folder for each."""
    worker_id: Annotated[
        str, Field(min_length=1, max_length=200, default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    ]
    """Names the worker in its jobs; by default its host and process."""
    training_jobs_retention_days: Annotated[float, Field(ge=1)] | None = None
    """How long jobs are kept after their end; for good if it is not set. Models stay in any case."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """For /healthz, /readyz and /metrics; 0 turns them off."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: LogFormat = "text"
    """json: one object per line, for what collects logs. The log of a job is text in any case: people read it."""
