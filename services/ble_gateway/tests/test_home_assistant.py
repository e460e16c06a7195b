"""What Home Assistant makes of the descriptions, played by the rules of its documentation and its `components/mqtt`."""

import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from jinja2 import UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from repsense.labels import Label
from repsense.messages import ClassificationMessage, GatewayStatusMessage, Message, RunningSet, SensorStatusMessage
from repsense.topics import SensorTopic, gateway_status_topic, sensor_topic
from repsense_ble_gateway.home_assistant import discovery_message

_NOW = datetime(2026, 3, 1, 17, tzinfo=UTC)
_STATUS = sensor_topic("left-wrist", SensorTopic.STATUS)
_CLASSIFICATION = sensor_topic("left-wrist", SensorTopic.CLASSIFICATION)
_GATEWAY = gateway_status_topic("kitchen-pi")

_ROOT_KEYS = {"device", "origin", "availability", "availability_mode", "components"}
"""What is used of the outermost keys that Home Assistant knows; it refuses a device that has another one."""
_SHARED = ("availability", "availability_mode")
"""What an entity takes from its device unless it has its own."""


class _HomeAssistant:
    """Devices, entities and their states, from discovery on.

    An availability or a state that is neither of the two that are expected changes nothing; "None" is unknown; an
    empty state of a sensor is passed over. Nothing is known before it is said.
    """

    def __init__(self) -> None:
        self._jinja = ImmutableSandboxedEnvironment()
        self._entities: dict[str, dict[str, Any]] = {}
        self._available: dict[tuple[str, str], bool] = {}
        self._states: dict[str, str] = {}
        self.attributes: dict[str, dict[str, object]] = {}

    def discover(self, payload: bytes) -> None:
        device = json.loads(payload)
        assert device.keys() <= _ROOT_KEYS
        assert device["origin"]["name"]
        assert device["device"]["identifiers"]
        for key, entity in device["components"].items():
            assert entity["unique_id"]
            self._entities[key] = {name: device[name] for name in _SHARED} | entity

    def receive(self, topic: str, payload: bytes) -> None:
        for key, entity in self._entities.items():
            for place in entity["availability"]:
                if place["topic"] == topic:
                    self._take_availability(key, place, payload)
            if entity["state_topic"] == topic:
                self._take_state(key, entity, self._render(entity["value_template"], payload))
            if entity.get("json_attributes_topic") == topic:
                self.attributes[key] = json.loads(self._render(entity["json_attributes_template"], payload))

    def state(self, key: str) -> str:
        entity = self._entities[key]
        assert entity["availability_mode"] == "all"
        if not all(self._available.get((key, place["topic"]), False) for place in entity["availability"]):
            return "unavailable"
        return self._states.get(key, "unknown")

    def states(self, *, without: str | None = None) -> set[str]:
        return {self.state(key) for key in self._entities if key != without}

    def _take_availability(self, key: str, place: dict[str, str], payload: bytes) -> None:
        said = self._render(place["value_template"], payload)
        if said in {place["payload_available"], place["payload_not_available"]}:
            self._available[key, place["topic"]] = said == place["payload_available"]

    def _take_state(self, key: str, entity: dict[str, str], said: str) -> None:
        if said == "None":
            self._states[key] = "unknown"
        elif (said in {"ON", "OFF"}) if entity["platform"] == "binary_sensor" else said:
            self._states[key] = said.lower() if entity["platform"] == "binary_sensor" else said

    def _render(self, template: str, payload: bytes) -> str:
        variables = {"value_json": json.loads(payload)} if payload else {}
        try:
            return self._jinja.from_string(template).render(value=payload.decode(), **variables)
        except UndefinedError:
            # Home Assistant writes it into its log and keeps what it knew.
            return ""


def _described(**options: Any) -> dict[str, Any]:  # noqa: ANN401 - as JSON comes
    _, payload = discovery_message("left-wrist", "Left wrist", "kitchen-pi", **options)
    return cast("dict[str, Any]", json.loads(payload))


def _status(state: str = "online", **changes: object) -> bytes:
    fields = {"sensor_id": "left-wrist", "gateway_id": "kitchen-pi", "state": state, "at": _NOW}
    return SensorStatusMessage.model_validate(fields | changes).encode()


def _gateway(state: str = "online") -> bytes:
    return GatewayStatusMessage.model_validate({"gateway_id": "kitchen-pi", "state": state}).encode()


def _classification(label: Label | None, **changes: object) -> bytes:
    message: Message = ClassificationMessage(
        sensor_id="left-wrist",
        stream_id="one",
        model_name="bodyweight",
        model_version=1,
        window_start_at=_NOW,
        window_end_at=_NOW,
        last_sequence=100,
        label=label,
        confidence=0.9,
        window_label=label,
        probabilities=None,
    )
    return message.model_copy(update=changes).encode()


@pytest.fixture
def home() -> _HomeAssistant:
    """Knows the sensor, which is connected."""
    home = _HomeAssistant()
    _, payload = discovery_message("left-wrist", "Left wrist", "kitchen-pi")
    home.discover(payload)
    home.receive(_GATEWAY, _gateway())
    home.receive(_STATUS, _status())
    return home


def test_a_sensor_is_one_device_under_a_topic_of_its_own() -> None:
    topic, payload = discovery_message("left-wrist", "Handgelenk (links), ü", "kitchen-pi")
    described = json.loads(payload)

    assert topic == "homeassistant/device/repsense-left-wrist/config"
    assert described["device"] == {
        "identifiers": ["repsense_left-wrist"],
        "name": "Handgelenk (links), ü",
        "manufacturer": "RepSense",
    }
    assert described["origin"]["name"] == "RepSense"


def test_another_prefix_moves_the_description_and_nothing_else() -> None:
    topic, payload = discovery_message("left-wrist", "Left wrist", "kitchen-pi", prefix="gym")

    assert topic == "gym/device/repsense-left-wrist/config"
    assert json.loads(payload) == _described()


def test_entities_have_ids_that_do_not_depend_on_the_name() -> None:
    described = _described()
    _, renamed = discovery_message("left-wrist", "Other", "kitchen-pi")

    ids = {key: (entity["unique_id"], entity["default_entity_id"]) for key, entity in described["components"].items()}

    assert ids["exercise"] == ("repsense_left-wrist_exercise", "sensor.repsense_left_wrist_exercise")
    assert ids["connection"][1] == "binary_sensor.repsense_left_wrist_connection"
    assert json.loads(renamed)["components"] == described["components"]
    assert len({unique for unique, _ in ids.values()}) == len(ids)


def test_two_sensors_share_no_id() -> None:
    _, other = discovery_message("right-wrist", "Left wrist", "kitchen-pi")

    left, right = (
        {entity[key] for entity in described["components"].values() for key in ("unique_id", "default_entity_id")}
        for described in (_described(), json.loads(other))
    )

    assert left.isdisjoint(right)


@pytest.mark.parametrize(
    ("key", "device_class", "unit"),
    [
        ("sample_rate", "frequency", "Hz"),
        ("loss", None, "%"),
        ("signal_strength", "signal_strength", "dBm"),
        ("battery", "battery", "%"),
    ],
)
def test_measurements_are_diagnostics_with_their_unit(key: str, device_class: str | None, unit: str) -> None:
    entity = _described()["components"][key]

    assert (entity["platform"], entity.get("device_class")) == ("sensor", device_class)
    assert (entity["unit_of_measurement"], entity["state_class"]) == (unit, "measurement")
    assert entity["entity_category"] == "diagnostic"


def test_the_activity_is_no_diagnostic_and_expires() -> None:
    components = _described()["components"]

    assert {key for key, entity in components.items() if "entity_category" not in entity} == {
        "exercise",
        "incorrect_form",
    }
    assert {key for key, entity in components.items() if "expire_after" in entity} == {"exercise", "incorrect_form"}
    assert components["incorrect_form"]["device_class"] == "problem"
    assert components["connection"]["device_class"] == "connectivity"


def test_nothing_is_available_before_anything_was_heard() -> None:
    home = _HomeAssistant()
    _, payload = discovery_message("left-wrist", "Left wrist", "kitchen-pi")
    home.discover(payload)

    assert home.states() == {"unavailable"}


def test_while_everything_is_online_everything_is_available(home: _HomeAssistant) -> None:
    assert home.state("connection") == "on"
    assert "unavailable" not in home.states()


@pytest.mark.parametrize("state", ["offline", "connecting"])
def test_of_a_sensor_that_is_away_only_the_connection_is_available(home: _HomeAssistant, state: str) -> None:
    home.receive(_STATUS, _status(state, reason="out of reach"))

    assert home.state("connection") == "off"
    assert home.states(without="connection") == {"unavailable"}

    home.receive(_STATUS, _status())
    assert home.state("connection") == "on"
    assert "unavailable" not in home.states()


def test_without_its_gateway_nothing_is_available(home: _HomeAssistant) -> None:
    home.receive(_GATEWAY, _gateway("offline"))

    assert home.states() == {"unavailable"}


def test_a_status_that_is_taken_back_counts_as_offline(home: _HomeAssistant) -> None:
    home.receive(_STATUS, b"")

    assert home.state("connection") == "off"
    assert home.states(without="connection") == {"unavailable"}


def test_the_exercise_and_its_form_are_shown(home: _HomeAssistant) -> None:
    running = RunningSet(
        set_id="left-wrist-1",
        exercise="push-up",
        form="incorrect",
        started_at=_NOW,
        ended_at=_NOW,
        n_windows=8,
        incorrect_share=1.0,
    )

    home.receive(_CLASSIFICATION, _classification(Label(exercise="push-up", form="incorrect"), running_set=running))

    assert home.state("exercise") == "push-up"
    assert home.state("incorrect_form") == "on"
    assert home.attributes["exercise"] == {
        "form": "incorrect",
        "set_started_at": "2026-03-01T17:00:00Z",
        "simulated": False,
    }


@pytest.mark.parametrize(
    ("form", "incorrect"), [("correct", "off"), ("incorrect", "on"), ("shallow", "unknown"), (None, "unknown")]
)
def test_a_form_is_judged_only_where_the_label_says_so(home: _HomeAssistant, form: str | None, incorrect: str) -> None:
    home.receive(_CLASSIFICATION, _classification(Label(exercise="squat", form="incorrect")))

    home.receive(_CLASSIFICATION, _classification(Label(exercise="squat", form=form)))

    assert home.state("exercise") == "squat"
    assert home.state("incorrect_form") == incorrect
    assert home.attributes["exercise"]["form"] == form


def test_without_a_label_exercise_and_form_are_unknown(home: _HomeAssistant) -> None:
    home.receive(_CLASSIFICATION, _classification(Label(exercise="squat", form="incorrect")))

    home.receive(_CLASSIFICATION, _classification(None, unclassified_reason="still", simulated=True))

    assert (home.state("exercise"), home.state("incorrect_form")) == ("unknown", "unknown")
    assert home.attributes["exercise"] == {"form": None, "set_started_at": None, "simulated": True}


def test_names_that_a_template_could_stumble_over_come_out_as_they_are(home: _HomeAssistant) -> None:
    label = Label(exercise='l\'"arraché" <b> {{ 1 }}', form="it's {% bad %}")

    home.receive(_CLASSIFICATION, _classification(label))

    assert home.state("exercise") == label.exercise
    assert home.attributes["exercise"]["form"] == label.form


def test_attributes_do_not_change_with_every_window(home: _HomeAssistant) -> None:
    label = Label(exercise="squat", form="correct")
    home.receive(_CLASSIFICATION, _classification(label))
    before = home.attributes["exercise"]

    home.receive(_CLASSIFICATION, _classification(label, confidence=0.5, last_sequence=125))

    assert home.attributes["exercise"] == before


def test_what_the_gateway_measures_is_shown(home: _HomeAssistant) -> None:
    home.receive(_STATUS, _status(effective_rate_hz=49.98, loss=0.0158, rssi_dbm=-61, battery_percent=0))

    states = [home.state(key) for key in ("sample_rate", "loss", "signal_strength", "battery")]

    assert states == ["49.98", "1.58", "-61", "0"]


def test_no_loss_is_nought_and_not_unknown(home: _HomeAssistant) -> None:
    home.receive(_STATUS, _status(loss=0.0))

    assert float(home.state("loss")) == 0


def test_what_is_not_known_any_more_is_unknown(home: _HomeAssistant) -> None:
    home.receive(_STATUS, _status(effective_rate_hz=49.98, loss=0.0158, rssi_dbm=-61, battery_percent=80))

    home.receive(_STATUS, _status())

    assert {home.state(key) for key in ("sample_rate", "loss", "signal_strength", "battery")} == {"unknown"}


def test_the_status_of_an_older_gateway_leaves_what_it_lacks_unknown(home: _HomeAssistant) -> None:
    home.receive(_STATUS, b'{"schema_version": 1, "sensor_id": "left-wrist", "state": "online"}')

    assert home.state("connection") == "on"
    assert {home.state(key) for key in ("sample_rate", "loss", "signal_strength", "battery")} == {"unknown"}


def test_an_id_that_is_unsafe_in_a_topic_is_refused() -> None:
    with pytest.raises(ValueError, match="lower-case letters"):
        discovery_message("Left wrist", "Left wrist", "kitchen-pi")
    with pytest.raises(ValueError, match="cannot begin a topic"):
        discovery_message("left-wrist", "Left wrist", "kitchen-pi", prefix="home/#")
