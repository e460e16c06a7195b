"""Sensor sources without a gateway around them."""

import asyncio

from repsense_ble_gateway.sources import Event, SensorSource

__all__ = ["first_events"]


def first_events(source: SensorSource, n_events: int = 10_000) -> list[Event]:
    """The first events of a source, or all if it ends before."""

    async def collect() -> list[Event]:
        events = []
        async for event in source.events():
            events.append(event)
            if len(events) == n_events:
                break
        return events

    return asyncio.run(collect())
