"""How the service ends."""

import asyncio
import contextlib

import pytest

from repsense_inference import app as composition
from repsense_inference.live import BrokerListener
from repsense_inference.settings import Settings


def test_a_task_that_loses_its_cancellation_does_not_hold_the_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(_: BrokerListener) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    monkeypatch.setattr(BrokerListener, "run", run)
    monkeypatch.setattr(composition, "_FAREWELL_S", 0.01)
    nobody = {"mongodb_url": "mongodb://127.0.0.1:9/repsense", "mqtt_url": "mqtt://127.0.0.1:9"}
    service = composition.create_app(Settings.model_validate(nobody))

    async def live() -> None:
        async with service.router.lifespan_context(service):
            await asyncio.sleep(0)

    asyncio.run(live())
