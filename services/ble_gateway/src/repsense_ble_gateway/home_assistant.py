"""How a sensor is described to Home Assistant, so that it appears there as a device by itself.

One retained message per sensor, in the form of "device discovery" of Home Assistant 2024.12 and later
(https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload). Its outermost keys are checked strictly
there: one that is not known makes the whole device invisible. Entities point to topics that are there anyway, so that
nothing is published a second time.

                          gateway status   sensor status            classification
    available while       online           online
    entities                               connection, sample rate, exercise, incorrect form
                                           loss, signal, battery
"""

import json
from importlib.metadata import version
from typing import Literal

from repsense.topics import (
    HOME_ASSISTANT_PREFIX,
    SensorTopic,
    gateway_status_topic,
    home_assistant_topic,
    sensor_topic,
)

__all__ = ["discovery_message"]

_Object = dict[str, object]

_EXPIRE_AFTER_S = 30
"""Results come several times a second while samples do; after this long without one nobody knows what is done."""

# Home Assistant passes over an availability that is neither "online" nor "offline", hence no plain `value_json.state`:
# a sensor that is "connecting" would stay available.
_ONLINE = "{{ 'online' if value_json is defined and value_json.state == 'online' else 'offline' }}"
_CONNECTED = "{{ 'ON' if value_json is defined and value_json.state == 'online' else 'OFF' }}"
_EXERCISE = "{{ value_json.label.exercise if value_json.label else 'unknown' }}"
# Only what stays the same for a while: each change of an attribute is a row in Home Assistant's database.
_EXERCISE_ATTRIBUTES = (
    "{{ {'form': value_json.label.form if value_json.label else none,"
    " 'set_started_at': value_json.running_set.started_at if value_json.running_set else none,"
    " 'simulated': value_json.simulated} | tojson }}"
)
# "None" is Home Assistant's word for a state that is not known.
_INCORRECT = (
    "{% set form = value_json.label.form if value_json.label else none %}"
    "{{ 'ON' if form == 'incorrect' else 'OFF' if form == 'correct' else 'None' }}"
)
_LOSS_PERCENT = "{{ (value_json.loss * 100) | round(2) if value_json.loss is number else none }}"


def discovery_message(
    sensor_id: str, name: str, gateway_id: str, *, prefix: str = HOME_ASSISTANT_PREFIX
) -> tuple[str, bytes]:
    """Describe a sensor.

    Args:
        sensor_id: Its id; it makes the entities' ids, which survive a change of the name.
        name: What to call it on a screen.
        gateway_id: Of the gateway that it is connected to.
        prefix: Where Home Assistant looks for devices.

    Returns:
        Topic and payload, to be published retained.

    Raises:
        ValueError: If an id or the prefix would not be safe in a topic.
    """
    gateway = _availability(gateway_status_topic(gateway_id))
    sensor = _availability(sensor_topic(sensor_id, SensorTopic.STATUS))
    components = [*_activity(sensor_id), _connection(sensor_id, gateway), *_quality(sensor_id)]
    payload: _Object = {
        "device": {"identifiers": [f"repsense_{sensor_id}"], "name": name, "manufacturer": "RepSense"},
        "origin": {"name": "RepSense", "sw_version": version("repsense-ble-gateway")},
        "availability": [gateway, sensor],
        "availability_mode": "all",
        "components": dict(components),
    }
    return home_assistant_topic(sensor_id, prefix), json.dumps(payload, ensure_ascii=False).encode()


def _availability(topic: str) -> _Object:
    return {
        "topic": topic,
        "value_template": _ONLINE,
        "payload_available": "online",
        "payload_not_available": "offline",
    }


def _component(
    sensor_id: str, platform: Literal["sensor", "binary_sensor"], key: str, topic: SensorTopic, options: _Object
) -> tuple[str, _Object]:
    """An entity, by its key among those of its device."""
    return key, {
        "platform": platform,
        "unique_id": f"repsense_{sensor_id}_{key}",
        # Known since 2025.10; its predecessor `object_id` is ignored from 2026.4 on.
        "default_entity_id": f"{platform}.repsense_{sensor_id.replace('-', '_')}_{key}",
        "state_topic": sensor_topic(sensor_id, topic),
        **options,
    }


def _activity(sensor_id: str) -> list[tuple[str, _Object]]:
    """What the wearer does and whether that is well done."""
    topic = SensorTopic.CLASSIFICATION
    exercise: _Object = {
        "name": "Exercise",
        "icon": "mdi:dumbbell",
        "value_template": _EXERCISE,
        "json_attributes_topic": sensor_topic(sensor_id, topic),
        "json_attributes_template": _EXERCISE_ATTRIBUTES,
        "expire_after": _EXPIRE_AFTER_S,
    }
    incorrect: _Object = {
        "name": "Incorrect form",
        "device_class": "problem",
        "value_template": _INCORRECT,
        "expire_after": _EXPIRE_AFTER_S,
    }
    return [
        _component(sensor_id, "sensor", "exercise", topic, exercise),
        _component(sensor_id, "binary_sensor", "incorrect_form", topic, incorrect),
    ]


def _connection(sensor_id: str, gateway: _Object) -> tuple[str, _Object]:
    options: _Object = {
        "name": "Connection",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "value_template": _CONNECTED,
        # In place of the device's: it has something to say above all while the sensor is offline.
        "availability": [gateway],
    }
    return _component(sensor_id, "binary_sensor", "connection", SensorTopic.STATUS, options)


def _measurement(sensor_id: str, key: str, name: str, unit: str, options: _Object) -> tuple[str, _Object]:
    common: _Object = {
        "name": name,
        "unit_of_measurement": unit,
        "state_class": "measurement",
        "entity_category": "diagnostic",
    }
    return _component(sensor_id, "sensor", key, SensorTopic.STATUS, common | options)


def _quality(sensor_id: str) -> list[tuple[str, _Object]]:
    rate: _Object = {
        "device_class": "frequency",
        "value_template": "{{ value_json.effective_rate_hz }}",
        "suggested_display_precision": 1,
    }
    loss: _Object = {"icon": "mdi:wifi-alert", "value_template": _LOSS_PERCENT, "suggested_display_precision": 1}
    signal: _Object = {"device_class": "signal_strength", "value_template": "{{ value_json.rssi_dbm }}"}
    battery: _Object = {"device_class": "battery", "value_template": "{{ value_json.battery_percent }}"}
    return [
        _measurement(sensor_id, "sample_rate", "Sample rate", "Hz", rate),
        _measurement(sensor_id, "loss", "Lost samples", "%", loss),
        _measurement(sensor_id, "signal_strength", "Signal strength", "dBm", signal),
        _measurement(sensor_id, "battery", "Battery", "%", battery),
    ]
