import pytest

from repsense.topics import (
    SensorTopic,
    Topic,
    all_gateways_topic,
    all_partitions_topic,
    all_sensors_topic,
    any_partition_topic,
    gateway_status_topic,
    home_assistant_topic,
    parse_topic,
    sensor_topic,
)


@pytest.mark.parametrize("kind", list(SensorTopic))
def test_a_sensor_topic_is_parsed_back_into_its_parts(kind: SensorTopic) -> None:
    assert parse_topic(sensor_topic("left-wrist", kind)) == Topic("sensors", "left-wrist", kind)


def test_topics_are_those_of_the_design() -> None:
    assert sensor_topic("a1", SensorTopic.SAMPLES) == "repsense/v1/sensors/a1/samples"
    assert gateway_status_topic("pi-4") == "repsense/v1/gateways/pi-4/status"
    assert all_sensors_topic(SensorTopic.CLASSIFICATION) == "repsense/v1/sensors/+/classification"
    assert all_gateways_topic() == "repsense/v1/gateways/+/status"
    assert home_assistant_topic("left-wrist") == "homeassistant/device/repsense-left-wrist/config"
    assert all_partitions_topic() == "repsense/v1/partitions/+/sensors/+/samples"
    assert any_partition_topic("a1") == "repsense/v1/partitions/+/sensors/a1/samples"
    assert home_assistant_topic("a1", "gym/ha_2") == "gym/ha_2/device/repsense-a1/config"


@pytest.mark.parametrize("identifier", ["", "Left", "a/b", "a+b", "#", "-a", "ä", "a" * 64, "a\n"])
def test_an_id_that_is_unsafe_in_a_topic_is_refused(identifier: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        sensor_topic(identifier, SensorTopic.SAMPLES)
    with pytest.raises(ValueError, match="lower-case letters"):
        home_assistant_topic(identifier)


@pytest.mark.parametrize("prefix", ["", "/a", "a/", "a//b", "+", "a/#", "a b", "ä", "a\n"])
def test_a_prefix_that_is_unsafe_in_a_topic_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot begin a topic"):
        home_assistant_topic("wrist", prefix)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "other/v1/sensors/a/samples",
        "repsense/v2/sensors/a/samples",
        "repsense/v1/sensors/A/samples",
        "repsense/v1/a",
        "homeassistant/device/repsense-wrist/config",
    ],
)
def test_a_topic_that_is_not_ours_is_not_parsed(topic: str) -> None:
    assert parse_topic(topic) is None
