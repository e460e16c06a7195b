"""What a session says of a broker that cannot be had; what it does with one that can is for the integration tests."""

import time
from collections.abc import Callable

import pytest

from repsense.broker import BrokerAddress
from repsense_preprocessor import broker
from repsense_preprocessor.broker import BrokerSession


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_servers_that_cannot_be_reached_are_each_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(broker, "_RECONNECT_DELAY_S", (0.001, 0.002))
    tries: list[None] = []

    def may_connect() -> bool:
        tries.append(None)
        return True

    session = BrokerSession(
        BrokerAddress.parse("mqtt://127.0.0.1:1,127.0.0.1:2"), "test", None, may_connect=may_connect
    )
    assert session.problem == "the broker at 127.0.0.1:1 was not reached yet"
    session.start()
    until(lambda: len(tries) > 6)
    session.stop()

    assert session.problem is not None
    assert "cannot be reached" in session.problem
    for address in ("127.0.0.1:1", "127.0.0.1:2"):
        assert caplog.text.count(f"the broker at {address} cannot be reached") == 1
