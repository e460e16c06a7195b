"""The gateway: one task per sensor and one for the broker."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

from repsense.broker import BrokerAddress
from repsense.errors import RepSenseError
from repsense.messages import Message, SamplesMessage, SensorStatusMessage
from repsense.timestamps import now_us
from repsense.topics import SensorTopic, sensor_topic
from repsense_ble_gateway import metrics
from repsense_ble_gateway.broker_connection import BrokerConnection
from repsense_ble_gateway.home_assistant import discovery_message
from repsense_ble_gateway.outbox import Outbox, Outgoing
from repsense_ble_gateway.sensor_stream import SensorStream
from repsense_ble_gateway.sources import Disconnected, Event, SensorSource
from repsense_ble_gateway.spool import Place, Spool

__all__ = ["run_gateway"]

_LOGGER = logging.getLogger(__name__)

_SHOWN_EVERY_S = 1.0
_CLEANUP_S = 5.0
"""How long a sensor that is let go may wait for anything; a Bluetooth service that hangs never answers."""
_FAREWELL_S = 4.0
"""Half of it is the connection's own time for delivering the rest."""


async def run_gateway(
    sources: Sequence[SensorSource],
    gateway_id: str,
    address: BrokerAddress,
    stopping: asyncio.Event,
    *,
    spool_folder: Path | None = None,
    home_assistant_prefix: str | None = None,
) -> bool:
    """Publish what sensors send until all of them have ended or `stopping` is set.

    Args:
        sources: The sensors.
        gateway_id: This gateway's id in topics.
        address: The broker.
        stopping: Set it to end the gateway cleanly.
        spool_folder: Where samples are kept until they are stored; None keeps them in memory.
        home_assistant_prefix: Where Home Assistant looks for devices; None does not announce the sensors to it.

    Returns:
        Whether every sensor went well.

    Raises:
        SpoolError: If another gateway uses the same folder.
    """
    outbox = Outbox(Spool(spool_folder), [source.sensor_id for source in sources])
    streams = [SensorStream(source.sensor_id, gateway_id, source.name, source.simulated) for source in sources]
    for source in sources:
        metrics.show_sensor(source.sensor_id)
        if home_assistant_prefix is not None:
            topic, payload = discovery_message(source.sensor_id, source.name, gateway_id, prefix=home_assistant_prefix)
            outbox.put(Outgoing(topic, payload, retain=True))
    leaving = asyncio.Event()
    async with outbox.running(), asyncio.TaskGroup() as tasks:
        broker = tasks.create_task(BrokerConnection(address, gateway_id, outbox).run(leaving), name="broker")
        sensors = [
            tasks.create_task(_run_sensor(source, stream, outbox), name=source.sensor_id)
            for source, stream in zip(sources, streams, strict=True)
        ]
        stopped = tasks.create_task(stopping.wait(), name="stopping")
        delivered = tasks.create_task(_deliver_all(sensors, outbox), name="delivered")
        shown = tasks.create_task(_show(outbox, streams), name="metrics")
        await asyncio.wait([stopped, delivered], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, delivered):
            task.cancel()
        await _let_go(sensors)
        shown.cancel()
        leaving.set()
        # A broker that does not answer must not hold up the end.
        await asyncio.wait([broker], timeout=_FAREWELL_S)
        broker.cancel()
        if n_left := outbox.n_waiting:
            fate = "are kept and sent at the next start" if outbox.is_on_disk else "are lost"
            _LOGGER.warning("the broker did not take %d messages: they %s", n_left, fate)
    if outbox.n_dropped:
        _LOGGER.warning("%d samples messages were dropped", outbox.n_dropped)
    return not any(task.done() and not task.cancelled() and not task.result() for task in sensors)


async def _deliver_all(sensors: Sequence[asyncio.Task[bool]], outbox: Outbox) -> None:
    await asyncio.wait(sensors)
    await outbox.emptied()


async def _let_go(sensors: Iterable[asyncio.Task[bool]]) -> None:
    """End tasks; each further cancellation cuts short what one of them waits for while it cleans up."""
    left = set(sensors)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CLEANUP_S)


async def _show(outbox: Outbox, streams: Sequence[SensorStream]) -> None:
    """Keep the metrics up to date that only grow or are the spool's; what a status says is shown with it."""
    growth = metrics.Growth(metrics.PUBLISHED, metrics.SPOOL_DROPPED, metrics.SPOOL_RESENT)
    growths = [metrics.sensor_growth(stream.sensor_id) for stream in streams]
    while True:
        for sensor, stream in zip(growths, streams, strict=True):
            sensor.follow(
                stream.n_samples, stream.n_lost, stream.n_bad_packets, stream.n_duplicate_packets, stream.n_reconnects
            )
        growth.follow(outbox.n_published, outbox.n_dropped, outbox.n_resent)
        metrics.SPOOL_WAITING.set(outbox.n_waiting)
        metrics.SPOOL_UNCONFIRMED.set(outbox.n_unconfirmed)
        metrics.SPOOL_BYTES.set(outbox.n_bytes)
        metrics.SPOOL_OLDEST_AGE.set(outbox.oldest_waiting_s)
        await asyncio.sleep(_SHOWN_EVERY_S)


async def _run_sensor(source: SensorSource, stream: SensorStream, outbox: Outbox) -> bool:
    """Publish one sensor's messages; whatever goes wrong stays with this sensor."""
    shown: tuple[str, str | None] | None = None

    def publish(event: Event) -> None:
        nonlocal shown
        for message in stream.handle(event, now_us()):
            outbox.put(_outgoing(source.sensor_id, message))
            if isinstance(message, SensorStatusMessage):
                metrics.show_status(message)
                if shown != (shown := (message.state, message.reason)):
                    reason = f" ({message.reason})" if message.reason else ""
                    _LOGGER.info("%s: %s%s", source.sensor_id, message.state, reason)

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
        place = Place(message.stream_id, message.sequence, len(message.samples))
        return Outgoing(sensor_topic(sensor_id, SensorTopic.SAMPLES), message.encode(), place=place)
    if isinstance(message, SensorStatusMessage):
        return Outgoing(sensor_topic(sensor_id, SensorTopic.STATUS), message.encode(), retain=True)
    return Outgoing(sensor_topic(sensor_id, SensorTopic.TRUTH), message.encode())
