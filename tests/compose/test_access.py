"""Who gets in, and what a container could do if somebody did."""

import json
import socket
import ssl
import subprocess
import threading

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from support.compose import ComposeStack, HostGateway

from repsense.broker import BrokerAddress

pytestmark = pytest.mark.timeout(900)

OURS = ("preprocessor", "inference", "dashboard", "trainer")
RUNNING = ("broker", "database", "tensorflow-serving", *OURS)
PATIENCE_S = 30.0


def greeting(address: BrokerAddress, username: str | None, password: str | None) -> ReasonCode:
    """How the broker answers to a name and a password."""
    answered = threading.Event()
    answers: list[ReasonCode] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="stranger")

    def keep(_client: object, _userdata: object, _flags: object, code: ReasonCode, _properties: object) -> None:
        answers.append(code)
        answered.set()

    client.on_connect = keep
    client.username_pw_set(username, password)
    assert address.tls is not None
    client.tls_set_context(address.tls)
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        assert answered.wait(PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()
    return answers[0]


@pytest.fixture(scope="module")
def broker(home: HostGateway) -> BrokerAddress:
    return BrokerAddress.parse(home.environment["MQTT_URL"], home.environment["MQTT_CA_FILE"])


def test_the_broker_takes_the_right_password_only(broker: BrokerAddress) -> None:
    assert not greeting(broker, broker.username, broker.password).is_failure
    assert greeting(broker, broker.username, "wrong").is_failure
    assert greeting(broker, "somebody", broker.password).is_failure
    assert greeting(broker, None, None).is_failure


def test_the_broker_speaks_tls_only(broker: BrokerAddress) -> None:
    # The first bytes of MQTT without TLS.
    with socket.create_connection((broker.host, broker.port), timeout=PATIENCE_S) as plain:
        plain.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc")
        try:
            answer = plain.recv(4)
        except ConnectionResetError:
            answer = b""
    # Nothing, or the alert of TLS; a broker that took it would send 20 02 …
    assert not answer.startswith(b"\x20")


def test_the_broker_is_not_believed_by_whoever_does_not_know_its_authority(broker: BrokerAddress) -> None:
    strangers = ssl.create_default_context()
    with (
        socket.create_connection((broker.host, broker.port), timeout=PATIENCE_S) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        strangers.wrap_socket(plain, server_hostname=broker.host)


def test_the_api_answers_to_its_key_only(stack: ComposeStack) -> None:
    assert httpx.get(f"{stack.api}/v1/sensors").status_code == httpx.codes.UNAUTHORIZED
    wrong = httpx.get(f"{stack.api}/v1/sensors", headers={"X-API-Key": "x" * 43})
    assert wrong.status_code == httpx.codes.UNAUTHORIZED
    with stack.client() as client:
        assert client.get("/v1/sensors").is_success


def test_the_dashboard_opens_to_its_password_only(stack: ComposeStack) -> None:
    assert httpx.get(stack.dashboard).status_code == httpx.codes.UNAUTHORIZED
    wrong = httpx.post(f"{stack.dashboard}/login", data={"password": "password"})
    assert wrong.status_code == httpx.codes.UNAUTHORIZED


def test_the_database_knows_users(stack: ComposeStack) -> None:
    script = """
import pymongo
try:
    pymongo.MongoClient("mongodb://database:27017/", serverSelectionTimeoutMS=5000).repsense.samples.find_one()
except pymongo.errors.OperationFailure as refused:
    print(refused.code)
"""
    not_authorized = 13
    answer = stack.compose("exec", "-T", "preprocessor", "python", "-c", script)

    assert int(answer) in {not_authorized, 18}


def test_nothing_else_is_published(stack: ComposeStack) -> None:
    names = stack.compose("ps", "--all", "--format", "{{.Name}}").split()
    found = subprocess.run(["docker", "inspect", *names], capture_output=True, check=True, text=True)
    published = {
        (binding["HostIp"], int(binding["HostPort"]))
        for container in json.loads(found.stdout)
        for bindings in container["HostConfig"]["PortBindings"].values()
        for binding in bindings
    }

    assert published == {("127.0.0.1", stack.ports[name]) for name in ("BROKER_PORT", "API_PORT", "DASHBOARD_PORT")}


@pytest.mark.parametrize("service", RUNNING)
def test_a_container_is_nobody_and_can_change_nothing(stack: ComposeStack, service: str) -> None:
    status = stack.compose("exec", "-T", service, "cat", "/proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())

    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) == 0
    assert int(fields["NoNewPrivs"]) == 1
    with pytest.raises(RuntimeError, match="Read-only file system"):
        stack.compose("exec", "-T", service, "sh", "-c", "echo > /usr/local/changed")


@pytest.mark.parametrize("service", OURS)
def test_a_service_sees_its_own_secrets_only(stack: ComposeStack, service: str) -> None:
    expected = {
        "preprocessor": {"broker-ca.crt", "mongodb_url", "mqtt_client_id", "mqtt_url"},
        "inference": {"api_key", "broker-ca.crt", "mongodb_url", "mqtt_url"},
        "dashboard": {"api_key", "dashboard_password"},
        "trainer": {"mongodb_url"},
    }
    assert set(stack.compose("exec", "-T", service, "ls", "/run/secrets").split()) == expected[service]


def test_no_secret_is_in_the_environment_or_the_log(stack: ComposeStack) -> None:
    names = ("inference/api_key", "dashboard/dashboard_password", "database/root_password")
    secrets = [stack.secret(name) for name in names]
    told = stack.compose("logs", "--no-color")
    containers = stack.compose("ps", "--all", "--format", "{{.Name}}").split()
    told += subprocess.run(["docker", "inspect", *containers], capture_output=True, check=True, text=True).stdout

    assert not [name for name, secret in zip(names, secrets, strict=True) if secret in told]
