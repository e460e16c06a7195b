"""What it costs to share the sensors among several preprocessors: how fast a queue is worked off, and by whose work.

The queue is filled before, so that the load is not on the same cores while it is worked off. On a machine whose cores
are all busy with one replica, more of them cannot be faster; what can be seen there is what a message costs.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import psutil
import pymongo
from paho.mqtt.enums import CallbackAPIVersion
from support.mqtt import connect
from support.servers import ROOT, Server, broker, database, free_port, process

from benchmarks.load import BATCH, RATE_HZ, Load
from benchmarks.tables import print_table
from repsense.topics import SensorTopic, all_sensors_topic, partition_topic

_PARTITIONS = 12
_REPLICAS = (1, 2, 4)
_SENSORS = 100
_QUEUED_S = 30.0
"""Of each sensor."""
_PATIENCE_S = 300.0
_SESSION = "repsense-preprocessor"


@dataclass(frozen=True, slots=True)
class _Usage:
    """How far the work is, and what it has taken so far."""

    at_s: float
    n_stored: int
    cpu_s: dict[str, float]

    def row(self, later: "_Usage") -> list[object]:
        """Rate and cost of a message in between."""
        n_messages = later.n_stored - self.n_stored
        seconds = later.at_s - self.at_s
        costs = [(later.cpu_s[part] - self.cpu_s[part]) / n_messages * 1e3 for part in self.cpu_s]
        return [
            f"{n_messages / seconds:,.0f}/s",
            f"{sum(later.cpu_s[part] - self.cpu_s[part] for part in self.cpu_s) / seconds:.1f}",
            *(f"{cost:.2f} ms" for cost in costs),
        ]


def run(folder: Path) -> None:
    """One preprocessor without partitions, then several with them."""
    rows = [["one, no partitions", *_measure(folder / "plain", 1, 1)]]
    for n_replicas in _REPLICAS:
        name = f"{n_replicas} of {_PARTITIONS} partitions"
        rows.append([name, *_measure(folder / str(n_replicas), n_replicas, _PARTITIONS)])
    n_queued = _SENSORS * int(_QUEUED_S * RATE_HZ / BATCH)
    print_table(
        f"A queue of {n_queued:,} messages ({_SENSORS} sensors, 50 Hz x 9 channels), worked off by several",
        [
            "preprocessors",
            "messages",
            "cores in use",
            "CPU per message: preprocessors",
            "database",
            "broker",
            "memory of a preprocessor",
        ],
        rows,
    )


def _measure(folder: Path, n_replicas: int, n_partitions: int) -> list[object]:
    configuration = "nats.conf" if n_partitions == 1 else "nats-scaled.conf"
    with contextlib.ExitStack() as running:
        mqtt_server = running.enter_context(broker(folder / "broker", configuration=configuration))
        mongo_server = running.enter_context(database(folder / "database"))
        n_queued = _fill(mqtt_server.port, n_partitions)
        # The work is shared out before there is any.
        mqtt_server.stop()
        replicas = []
        for number in range(n_replicas):
            port = free_port()
            environment = {
                "MQTT_URL": f"mqtt://127.0.0.1:{mqtt_server.port}",
                "MONGODB_URL": f"mongodb://127.0.0.1:{mongo_server.port}/repsense",
                "MODEL_URL": f"onnx:{ROOT / 'models' / 'bodyweight'}",
                "PARTITIONS": str(n_partitions),
                "METRICS_PORT": str(port),
            }
            own = folder / f"replica-{number}"
            own.mkdir()
            replicas.append(running.enter_context(process("repsense-preprocessor", own, port, environment)))
        parts = {"preprocessors": replicas, "database": [mongo_server], "broker": [mqtt_server]}
        collections = running.enter_context(_collections(mongo_server.port))
        _await(lambda: _is_shared(collections, n_replicas, n_partitions))
        mqtt_server.start()
        _await(lambda: sum(map(_n_sessions, replicas)) == n_partitions)
        begin = _usage(collections, parts)
        # Not to the last one: those whose partitions were less full end before.
        _await(lambda: collections.samples.estimated_document_count() > 0.85 * n_queued)
        end = _usage(collections, parts)
        memory = max(_process(server).memory_info().rss for server in replicas)
        return [*begin.row(end), f"{memory / 1e6:.0f} MB"]


def _fill(port: int, n_partitions: int) -> int:
    """Have the sessions of preprocessors that are not there filled; return with how many messages."""
    names = {_SESSION: all_sensors_topic(SensorTopic.SAMPLES)}
    if n_partitions > 1:
        names = {f"{_SESSION}-{partition}": partition_topic(partition) for partition in range(n_partitions)}
    for client_id, topic_filter in names.items():
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        connect(client, port)
        client.subscribe(topic_filter, qos=1)
        while client.loop() == mqtt.MQTT_ERR_SUCCESS and not client.is_connected():
            pass
        client.loop(0.2)
        client.disconnect()
    load = Load(port, _SENSORS, "scaling")
    load.run(_QUEUED_S, pace=0.0)
    load.close()
    return len(load.sent_s)


@contextlib.contextmanager
def _collections(port: int) -> Iterator[Any]:
    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}") as client:
        yield client.repsense


def _is_shared(collections: Any, n_replicas: int, n_partitions: int) -> bool:  # noqa: ANN401 - pymongo's database
    if n_partitions == 1:
        return True
    shares: dict[str, int] = {}
    for lease in collections.partitions.find():
        shares[lease["replica"]] = shares.get(lease["replica"], 0) + 1
    return sorted(shares.values()) == [n_partitions // n_replicas] * n_replicas


def _await(condition: Any) -> None:  # noqa: ANN401 - a callable
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            message = "the queue is not worked off"
            raise TimeoutError(message)
        time.sleep(0.2)


def _n_sessions(server: Server) -> int:
    """Over how many sessions the broker delivers to a preprocessor."""
    metrics = httpx.get(f"http://127.0.0.1:{server.port}/metrics").text
    return int(sum(map(float, re.findall(r"^repsense_preprocessor_subscribed (\S+)$", metrics, re.MULTILINE))))


def _usage(collections: Any, parts: dict[str, list[Server]]) -> _Usage:  # noqa: ANN401 - pymongo's database
    cpu_s = {part: sum(sum(_process(one).cpu_times()[:2]) for one in servers) for part, servers in parts.items()}
    return _Usage(time.monotonic(), collections.samples.count_documents({}), cpu_s)


def _process(server: Server) -> psutil.Process:
    if server.popen is None:
        message = f"{server.command[0]} is not running"
        raise RuntimeError(message)
    return psutil.Process(server.popen.pid)
