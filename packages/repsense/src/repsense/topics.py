"""Every MQTT topic of RepSense; no other module spells one.

    repsense/v1/sensors/<sensor-id>/samples          QoS 1, not retained
    repsense/v1/sensors/<sensor-id>/status           QoS 1, retained
    repsense/v1/sensors/<sensor-id>/stored           QoS 1, not retained
    repsense/v1/sensors/<sensor-id>/classification   QoS 1, not retained
    repsense/v1/sensors/<sensor-id>/truth            QoS 1, not retained; simulator and replay only
    repsense/v1/gateways/<gateway-id>/status         QoS 1, retained, Last Will
    homeassistant/device/repsense-<sensor-id>/config QoS 1, retained; where Home Assistant looks for devices

Where several preprocessors share the work, the broker gives the samples of each sensor another topic on their way
(broker/nats-partitions.conf); nobody publishes to it:

    repsense/v1/partitions/<number>/sensors/<sensor-id>/samples

Ids are lower-case letters, digits and hyphens, so that they are safe in topics, file names and URLs.
"""

import re
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import StringConstraints

__all__ = [
    "HOME_ASSISTANT_PREFIX",
    "ID_PATTERN",
    "GatewayId",
    "SensorId",
    "SensorTopic",
    "Topic",
    "all_gateways_topic",
    "all_partitions_topic",
    "all_sensors_topic",
    "any_partition_topic",
    "gateway_status_topic",
    "home_assistant_topic",
    "parse_topic",
    "partition_topic",
    "sensor_topic",
]

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
SensorId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
GatewayId = Annotated[str, StringConstraints(pattern=ID_PATTERN)]

HOME_ASSISTANT_PREFIX = "homeassistant"
"""The first level of the topics under which Home Assistant looks for devices, unless it was told another one."""

_ROOT = "repsense/v1"
_ID = re.compile(ID_PATTERN)
_PARTITION = re.compile(r"partitions/\d+/")
_PREFIX = re.compile(r"[\w-]+(/[\w-]+)*", re.ASCII)


class SensorTopic(StrEnum):
    """The last level of a sensor's topics."""

    SAMPLES = "samples"
    STATUS = "status"
    STORED = "stored"
    CLASSIFICATION = "classification"
    TRUTH = "truth"


class Topic(NamedTuple):
    """A parsed topic."""

    owner: str
    """"sensors" or "gateways"."""
    id: str
    kind: str
    """The last level, for instance "samples"."""


def sensor_topic(sensor_id: str, kind: SensorTopic) -> str:
    """The topic of one sensor.

    Raises:
        ValueError: If the id would not be safe in a topic.
    """
    return f"{_ROOT}/sensors/{_checked(sensor_id)}/{kind}"


def gateway_status_topic(gateway_id: str) -> str:
    """The retained status topic of a gateway, where its Last Will appears too.

    Raises:
        ValueError: If the id would not be safe in a topic.
    """
    return f"{_ROOT}/gateways/{_checked(gateway_id)}/status"


def home_assistant_topic(sensor_id: str, prefix: str = HOME_ASSISTANT_PREFIX) -> str:
    """Where a sensor is described to Home Assistant.

    Raises:
        ValueError: If the id or the prefix would not be safe in a topic.
    """
    if not _PREFIX.fullmatch(prefix):
        msg = (
            f"{prefix!r} cannot begin a topic: use letters, digits, hyphens and underscores, "
            f"by default {HOME_ASSISTANT_PREFIX}"
        )
        raise ValueError(msg)
    return f"{prefix}/device/repsense-{_checked(sensor_id)}/config"


def all_sensors_topic(kind: SensorTopic) -> str:
    """The filter that matches one kind of topic of every sensor."""
    return f"{_ROOT}/sensors/+/{kind}"


def all_gateways_topic() -> str:
    """The filter that matches the status of every gateway."""
    return f"{_ROOT}/gateways/+/status"


def partition_topic(partition: int) -> str:
    """The filter that matches the samples of every sensor of a partition."""
    return f"{_ROOT}/partitions/{partition}/sensors/+/{SensorTopic.SAMPLES}"


def all_partitions_topic() -> str:
    """The filter that matches the samples of every sensor in whichever partition."""
    return f"{_ROOT}/partitions/+/sensors/+/{SensorTopic.SAMPLES}"


def any_partition_topic(sensor_id: str) -> str:
    """The filter that matches the samples of one sensor in whichever partition.

    Raises:
        ValueError: If the id would not be safe in a topic.
    """
    return f"{_ROOT}/partitions/+/sensors/{_checked(sensor_id)}/{SensorTopic.SAMPLES}"


def parse_topic(topic: str) -> Topic | None:
    """Take a topic apart, with or without its partition; None if it is not one of ours."""
    prefix = f"{_ROOT}/"
    levels = _PARTITION.sub("", topic.removeprefix(prefix), count=1).split("/")
    expected_levels = 3
    if not topic.startswith(prefix) or len(levels) != expected_levels or not _ID.fullmatch(levels[1]):
        return None
    return Topic(*levels)


def _checked(identifier: str) -> str:
    if not _ID.fullmatch(identifier):
        msg = (
            f"{identifier!r} cannot be an id: use lower-case letters, digits and hyphens, "
            "at most 63, beginning with a letter or digit"
        )
        raise ValueError(msg)
    return identifier
