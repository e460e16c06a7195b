"""The settings of the worker and of the trainings that it starts, from the environment."""

import os
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["WorkerSettings"]


class WorkerSettings(BaseSettings):
    """Built once at the start and passed down; each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    mongodb_url: Annotated[str, Field(repr=False)] = "mongodb://127.0.0.1:27017/repsense"
    models_dir: Path = Path("models")
    """Where models lie, a folder for each."""
    worker_id: Annotated[
        str, Field(min_length=1, max_length=200, default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    ]
    """Names the worker in its jobs; by default its host and process."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
