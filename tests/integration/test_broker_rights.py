"""Who may do what at the real brokers, over TLS: every edge of the pipeline works, and nothing else does."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import servers
from support.brokers import BROKERS
from support.secured_broker import Client, SecuredBroker, secured_broker

from repsense.broker import BrokerAddress, BrokerProblemKind

_S = "repsense/v1/sensors"
_G = "repsense/v1/gateways"
_MARK = f"{_S}/mark/stored"
"""The preprocessor may publish it; what was published before it has come when it comes."""


@pytest.fixture(params=BROKERS, scope="module")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with secured_broker(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(params=BROKERS)
def fresh_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecuredBroker]:
    with secured_broker(request.param, tmp_path) as running:
        yield running


def _user(broker: SecuredBroker, user: str) -> Client:
    return broker.gateway("home", "wrist", "ankle") if user == "gateway-home" else broker.client(user)


def test_every_edge_of_the_pipeline_is_permitted(fresh_broker: SecuredBroker) -> None:
    preprocessor = fresh_broker.client("preprocessor", session="the-preprocessor")
    assert all(preprocessor.subscribe(f"{_S}/+/samples", "repsense/v1/partitions/+/sensors/+/samples"))
    inference = fresh_broker.client("inference")
    assert all(inference.subscribe(f"{_G}/+/status", f"{_S}/+/status", f"{_S}/+/classification"))
    gateway = fresh_broker.gateway("home", "wrist", "ankle")
    assert all(gateway.subscribe(f"{_S}/wrist/stored", f"{_S}/ankle/stored", f"{_G}/home/status"))
    simulator = fresh_broker.client("simulator")
    assert all(simulator.subscribe(f"{_S}/simulator-2/stored", f"{_G}/demo/status"))

    gateway.publish(f"{_G}/home/status", b"online", retain=True)
    for sensor in ("wrist", "ankle"):
        gateway.publish(f"{_S}/{sensor}/status", b"here", retain=True)
        gateway.publish(f"{_S}/{sensor}/samples", b"1")
        preprocessor.received(f"{_S}/{sensor}/samples", b"1")
        preprocessor.publish(f"{_S}/{sensor}/stored", b"2")
        preprocessor.publish(f"{_S}/{sensor}/classification", b"3")
        gateway.received(f"{_S}/{sensor}/stored", b"2")
        inference.received(f"{_S}/{sensor}/status", b"here")
        inference.received(f"{_S}/{sensor}/classification", b"3")
    inference.received(f"{_G}/home/status", b"online")
    gateway.received(f"{_G}/home/status", b"online")
    simulator.publish(f"{_S}/simulator-2/samples", b"4")
    preprocessor.received(f"{_S}/simulator-2/samples", b"4")


def test_a_persistent_session_keeps_what_comes_while_its_reader_is_away(broker: SecuredBroker) -> None:
    preprocessor = broker.client("preprocessor", session="away")
    assert not preprocessor.session_present
    preprocessor.subscribe(f"{_S}/+/samples")
    preprocessor.disconnect()
    _user(broker, "gateway-home").publish(f"{_S}/wrist/samples", b"meanwhile")

    back = broker.client("preprocessor", session="away")
    back.received(f"{_S}/wrist/samples", b"meanwhile")
    assert back.session_present


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("gateway-home", f"{_S}/hip/samples"),
        ("gateway-home", f"{_S}/hip/status"),
        ("gateway-home", f"{_S}/wrist/stored"),
        ("gateway-home", f"{_S}/wrist/classification"),
        ("gateway-home", f"{_G}/attic/status"),
        ("gateway-home", "homeassistant/device/repsense-wrist/config"),
        ("gateway-home", "repsense/v1/partitions/3/sensors/hip/samples"),
        ("gateway-home", "anything/else"),
        ("inference", f"{_S}/wrist/samples"),
        ("inference", f"{_S}/wrist/status"),
        ("inference", f"{_S}/wrist/stored"),
        ("preprocessor", f"{_S}/wrist/samples"),
        ("preprocessor", f"{_G}/home/status"),
        ("simulator", f"{_S}/wrist/samples"),
        ("simulator", f"{_G}/home/status"),
    ],
)
def test_what_is_not_permitted_reaches_nobody(broker: SecuredBroker, user: str, topic: str) -> None:
    spy = broker.client("spy")
    assert spy.subscribe("#") == [True]
    marker = broker.client("preprocessor")

    _user(broker, user).publish(topic, b"forged", retain=True)
    marker.publish(_MARK, topic.encode())

    spy.received(_MARK, topic.encode())
    assert (topic, b"forged") not in spy.messages
    late = broker.client("spy")
    late.subscribe(topic, _MARK)
    marker.publish(_MARK, b"late")
    late.received(_MARK, b"late")
    assert [message for message in late.messages if message[1] == b"forged"] == []


@pytest.mark.parametrize("topic_filter", [f"{_S}/hip/stored", f"{_S}/+/stored", f"{_S}/wrist/samples", "#", "+/+/#"])
def test_what_is_not_permitted_cannot_be_read(broker: SecuredBroker, topic_filter: str) -> None:
    gateway = _user(broker, "gateway-home")
    gateway.subscribe(topic_filter)
    gateway.subscribe(f"{_S}/ankle/stored")
    preprocessor = broker.client("preprocessor")

    preprocessor.publish(f"{_S}/hip/stored", b"of another")
    _user(broker, "gateway-home").publish(f"{_S}/wrist/samples", b"samples")
    preprocessor.publish(f"{_S}/ankle/stored", b"its own")

    gateway.received(f"{_S}/ankle/stored", b"its own")
    assert {topic for topic, _ in gateway.messages} <= {f"{_S}/ankle/stored", f"{_S}/wrist/stored"}


@pytest.mark.parametrize("topic_filter", ["$MQTT/sub/#", "$MQTT/#", "$JS/#", "$SYS/#", "_INBOX/#"])
def test_what_the_broker_tells_itself_cannot_be_read(broker: SecuredBroker, topic_filter: str) -> None:
    preprocessor = broker.client("preprocessor")
    assert broker.kind == "mosquitto" or preprocessor.subscribe(topic_filter) == [False]
    preprocessor.subscribe(f"{_S}/+/samples")
    _user(broker, "gateway-home").publish(f"{_S}/wrist/samples", topic_filter.encode())
    preprocessor.received(f"{_S}/wrist/samples", topic_filter.encode())
    assert {topic for topic, _ in preprocessor.messages} == {f"{_S}/wrist/samples"}


def test_a_last_will_does_not_speak_for_another_gateway(broker: SecuredBroker) -> None:
    spy = broker.client("spy")
    spy.subscribe("#")
    address = broker.address("gateway-home", broker.allow("home", "wrist", "ankle"))
    for gateway_id in ("attic", "home"):
        dying = Client(address, will=f"{_G}/{gateway_id}/status").connect()
        assert dying.refusal is None
        dying.die()
    spy.received(f"{_G}/home/status", b"gone")
    assert (f"{_G}/attic/status", b"gone") not in spy.messages


def test_home_assistant_is_told_of_a_gateways_own_sensors_if_that_was_asked_for(fresh_broker: SecuredBroker) -> None:
    guest = fresh_broker.secrets.home_assistant()
    gateway = fresh_broker.client("gateway-home", fresh_broker.allow("home", "wrist", home_assistant=True))
    spy = fresh_broker.client("spy")
    spy.subscribe("#")
    fresh_broker.reload()
    home_assistant = fresh_broker.client("home-assistant", guest)
    while home_assistant.refusal is not None:
        # Until the broker has read its users.
        home_assistant = fresh_broker.client("home-assistant", guest)
    assert all(home_assistant.subscribe("homeassistant/+/+/config", f"{_S}/+/classification", f"{_S}/wrist/status"))

    gateway.publish("homeassistant/device/repsense-hip/config", b"forged")
    gateway.publish("homeassistant/device/repsense-wrist/config", b"mine")
    home_assistant.received("homeassistant/device/repsense-wrist/config", b"mine")
    fresh_broker.client("preprocessor").publish(f"{_S}/wrist/classification", b"squat")
    home_assistant.received(f"{_S}/wrist/classification", b"squat")
    home_assistant.publish(f"{_S}/wrist/samples", b"forged")
    home_assistant.publish("homeassistant/status", b"online")
    spy.received("homeassistant/status", b"online")
    assert b"forged" not in {payload for _, payload in spy.messages}


@pytest.mark.parametrize(
    ("user", "password"),
    [("preprocessor", "wrong"), ("gateway-unknown", "x"), ("dashboard", "x"), ("preprocessor", "")],
)
def test_nobody_enters_without_the_right_password(broker: SecuredBroker, user: str, password: str) -> None:
    client = broker.client(user, password)
    assert client.refusal is not None
    assert client.address.refused(client.refusal).kind is BrokerProblemKind.PASSWORD


def test_nobody_enters_without_a_name(broker: SecuredBroker) -> None:
    client = Client(BrokerAddress.parse(f"mqtts://127.0.0.1:{broker.server.port}", broker.ca_file)).connect()
    client.disconnect()
    assert client.refusal is not None
    assert "demands a user and a password" in client.address.refused(client.refusal).text


def test_nothing_is_understood_that_is_not_encrypted(broker: SecuredBroker) -> None:
    url = broker.url("preprocessor").replace("mqtts:", "mqtt:")
    client = Client(BrokerAddress.parse(url)).connect()
    client.disconnect()
    assert client.n_disconnects > 0


def test_a_broker_that_is_not_the_one_is_recognised(broker: SecuredBroker) -> None:
    address = BrokerAddress.parse(broker.url("preprocessor"))
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        _certificate(broker, address, "127.0.0.1")
    problem = address.unreachable(raised.value)
    assert (problem.kind, "name the file" in problem.text) == (BrokerProblemKind.CERTIFICATE, True)


def test_a_broker_under_a_name_that_it_does_not_have_is_recognised(broker: SecuredBroker) -> None:
    address = BrokerAddress.parse("mqtts://gym.local", broker.ca_file)
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        _certificate(broker, address, address.host)
    assert "does not name gym.local" in address.unreachable(raised.value).text


def test_a_session_that_somebody_else_takes_over_gives_nothing_away(fresh_broker: SecuredBroker) -> None:
    preprocessor = fresh_broker.client("preprocessor", session="guessed")
    preprocessor.subscribe(f"{_S}/+/samples")
    preprocessor.disconnect()
    password = fresh_broker.allow("home", "wrist", "ankle")
    fresh_broker.client("gateway-home", password).publish(f"{_S}/wrist/samples", b"queued")

    thief = fresh_broker.client("gateway-home", password, session="guessed")
    thief.subscribe(f"{_S}/wrist/stored")
    fresh_broker.client("preprocessor").publish(f"{_S}/wrist/stored", b"after")
    thief.received(f"{_S}/wrist/stored", b"after")
    assert {topic for topic, _ in thief.messages} == {f"{_S}/wrist/stored"}
    thief.disconnect()
    if fresh_broker.kind == "nats":
        # Mosquitto throws away what the newcomer may not read; the gateway then sends it again.
        fresh_broker.client("preprocessor", session="guessed").received(f"{_S}/wrist/samples", b"queued")


def test_a_reload_adds_a_gateway_and_costs_no_session(fresh_broker: SecuredBroker) -> None:
    preprocessor = fresh_broker.client("preprocessor", session="lasting")
    preprocessor.subscribe(f"{_S}/+/samples")
    preprocessor.disconnect()
    inference = fresh_broker.client("inference")
    inference.subscribe(f"{_S}/+/status")
    home = fresh_broker.gateway("home", "wrist", "ankle")
    home.publish(f"{_S}/wrist/samples", b"before")

    password = fresh_broker.allow("attic", "hip")
    fresh_broker.reload()
    attic = fresh_broker.client("gateway-attic", password)
    while attic.refusal is not None:
        # Until the broker has read its users.
        attic = fresh_broker.client("gateway-attic", password)
    attic.publish(f"{_S}/hip/samples", b"new")
    attic.publish(f"{_S}/hip/status", b"new")
    inference.received(f"{_S}/hip/status", b"new")
    home.publish(f"{_S}/wrist/samples", b"after")

    back = fresh_broker.client("preprocessor", session="lasting")
    for topic, payload in ((f"{_S}/wrist/samples", b"before"), (f"{_S}/hip/samples", b"new")):
        back.received(topic, payload)
    back.received(f"{_S}/wrist/samples", b"after")
    assert back.session_present
    assert (home.n_disconnects, inference.n_disconnects) == (0, 0)


def test_a_reload_takes_up_a_new_certificate_and_costs_no_connection(fresh_broker: SecuredBroker) -> None:
    inference = fresh_broker.client("inference")
    inference.subscribe(f"{_S}/+/status")
    address = fresh_broker.address("inference")
    before = _certificate(fresh_broker, address, "127.0.0.1")
    fresh_broker.secrets.rotate("certificate")
    fresh_broker.reload()
    while _certificate(fresh_broker, address, "127.0.0.1") == before:
        pass
    _user(fresh_broker, "gateway-home").publish(f"{_S}/wrist/status", b"over the new one")
    inference.received(f"{_S}/wrist/status", b"over the new one")
    assert inference.n_disconnects == 0


def _certificate(broker: SecuredBroker, address: BrokerAddress, name: str) -> bytes | None:
    assert address.tls is not None
    with (
        socket.create_connection(("127.0.0.1", broker.server.port)) as connection,
        address.tls.wrap_socket(connection, server_hostname=name) as secured,
    ):
        return secured.getpeercert(binary_form=True)


@pytest.mark.skipif(not (servers.BIN / "nats-server").exists(), reason="nats-server is not installed")
def test_a_gateways_rights_are_the_same_where_samples_are_shared_out_by_partitions(tmp_path: Path) -> None:
    with secured_broker("nats-scaled", tmp_path) as broker:
        preprocessor = broker.client("preprocessor", session="one-of-several")
        assert preprocessor.subscribe("repsense/v1/partitions/+/sensors/+/samples") == [True]
        spy = broker.client("spy")
        spy.subscribe("#")
        gateway = _user(broker, "gateway-home")
        for sensor in ("hip", "wrist"):
            gateway.publish(f"{_S}/{sensor}/samples", sensor.encode())
        gateway.publish("repsense/v1/partitions/3/sensors/hip/samples", b"past the mapping")
        broker.client("simulator").publish(f"{_S}/simulator/samples", b"last")

        for reader in (preprocessor, spy):
            reader.wait(lambda reader=reader: b"last" in {payload for _, payload in reader.messages})  # type: ignore[misc]
            assert {payload for _, payload in reader.messages} == {b"wrist", b"last"}
