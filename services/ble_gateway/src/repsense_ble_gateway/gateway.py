"""The gateway: one task per sensor and one for the broker."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing

from repsense.broker import BrokerAddress
from repsense.errors import RepSenseError
from repsense.messages import Message, SamplesMessage, SensorStatusMessage
from repsense.topics import SensorTopic, sensor_topic
from repsense_ble_gateway.broker_connection import BrokerConnection
from repsense_ble_gateway.outbox import Outbox, Outgoing
from repsense_ble_gateway.sensor_stream import SensorStream
from repsense_ble_gateway.sources import Disconnected, Event, SensorSource

__all__ = ["run_gateway"]

_LOGGER = logging.getLogger(__name__)

_NANOSECONDS_PER_MICROSECOND = 1_000
_FAREWELL_S = 4.0
"""Half of it is the connection's own time for delivering the rest."""


async def run_gateway(
    sources: Sequence[SensorSource], gateway_id: str, address: BrokerAddress, stopping: asyncio.Event
) -> bool:
    """Publish what sensors send until all of them have ended or `stopping` is set.

    Args:
        sources: The sensors.
        gateway_id: This gateway's id in topics.
        address: The broker.
        stopping: Set it to end the gateway cleanly.

    Returns:
        Whether every sensor went well.
    """
    outbox = Outbox()
    leaving = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        broker = tasks.create_task(BrokerConnection(address, gateway_id, outbox).run(leaving), name="broker")
        sensors = [
            tasks.create_task(_run_sensor(source, gateway_id, outbox), name=source.sensor_id) for source in sources
        ]
        stopped = tasks.create_task(stopping.wait(), name="stopping")
        delivered = tasks.create_task(_deliver_all(sensors, outbox), name="delivered")
        await asyncio.wait([stopped, delivered], return_when=asyncio.FIRST_COMPLETED)
        for task in (*sensors, stopped, delivered):
            task.cancel()
        await asyncio.wait(sensors)
        leaving.set()
        # A broker that does not answer must not hold up the end.
        await asyncio.wait([broker], timeout=_FAREWELL_S)
        broker.cancel()
    if outbox.n_dropped:
        _LOGGER.warning("%d messages were dropped while the broker was away", outbox.n_dropped)
    return not any(task.done() and not task.cancelled() and not task.result() for task in sensors)


async def _deliver_all(sensors: Sequence[asyncio.Task[bool]], outbox: Outbox) -> None:
    await asyncio.wait(sensors)
    await outbox.emptied()


async def _run_sensor(source: SensorSource, gateway_id: str, outbox: Outbox) -> bool:
    """Publish one sensor's messages; whatever goes wrong stays with this sensor."""
    stream = SensorStream(source.sensor_id, gateway_id, source.name, source.simulated)
    shown: tuple[str, str | None] | None = None

    def publish(event: Event) -> None:
        nonlocal shown
        for message in stream.handle(event, time.time_ns() // _NANOSECONDS_PER_MICROSECOND):
            outbox.put(_outgoing(source.sensor_id, message))
            if isinstance(message, SensorStatusMessage) and shown != (shown := (message.state, message.reason)):
                _LOGGER.info(
                    "%s: %s%s", source.sensor_id, message.state, f" ({message.reason})" if message.reason else ""
                )

    try:
        async with aclosing(source.events()) as events:
            async for event in events:
                publish(event)
    except asyncio.CancelledError:
        publish(Disconnected("the gateway was stopped"))
        raise
    except RepSenseError as error:
        publish(Disconnected(str(error)))
        return False
    except Exception:
        # The other sensors must go on; the traceback tells where this one broke.
        _LOGGER.exception("%s: unexpected error, this sensor is given up", source.sensor_id)
        publish(Disconnected("an unexpected error, see the gateway's log"))
        return False
    return True


def _outgoing(sensor_id: str, message: Message) -> Outgoing:
    if isinstance(message, SamplesMessage):
        return Outgoing(sensor_topic(sensor_id, SensorTopic.SAMPLES), message.encode())
    if isinstance(message, SensorStatusMessage):
        return Outgoing(sensor_topic(sensor_id, SensorTopic.STATUS), message.encode(), retain=True)
    return Outgoing(sensor_topic(sensor_id, SensorTopic.TRUTH), message.encode())
