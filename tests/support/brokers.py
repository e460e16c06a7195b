"""Both brokers that RepSense runs with, for tests that hold for either."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support.servers import MOSQUITTO, Server, broker, mosquitto

__all__ = ["BROKERS", "run_broker"]

BROKERS = [
    pytest.param("nats"),
    pytest.param("mosquitto", marks=pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")),
]
"""Their kinds, as parameters of a test."""


def run_broker(kind: str, folder: Path) -> AbstractContextManager[Server]:
    """One of them with the project's configuration for a single machine."""
    return {"nats": broker, "mosquitto": mosquitto}[kind](folder)
