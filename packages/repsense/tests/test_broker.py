import ssl
from pathlib import Path

import pytest

from repsense.broker import BrokerAddress, BrokerProblemKind
from repsense.errors import RepSenseError


def test_a_url_is_taken_apart() -> None:
    address = BrokerAddress.parse("mqtts://gateway-home:p%40ss@gym.local")
    assert (address.host, address.port, address.username, address.password) == (
        "gym.local",
        8883,
        "gateway-home",
        "p@ss",
    )
    assert address.tls is not None
    assert address.tls.verify_mode is ssl.CERT_REQUIRED
    assert address.tls.check_hostname


def test_the_servers_of_a_cluster_are_tried_in_turn() -> None:
    address = BrokerAddress.parse("mqtts://user:p%40ss@a.example,b.example:8884,[::1]:8885")
    servers = [next(turn) for turn in [address.in_turn()] for _ in range(4)]

    assert [(one.host, one.port) for one in servers] == [
        ("a.example", 8883),
        ("b.example", 8884),
        ("::1", 8885),
        ("a.example", 8883),
    ]
    assert {(one.username, one.password, one.tls) for one in servers} == {("user", "p@ss", address.tls)}


def test_without_tls_nothing_is_read_for_it() -> None:
    address = BrokerAddress.parse("mqtt://127.0.0.1", "no-such-file.crt")
    assert (address.port, address.tls) == (1883, None)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1",
        "http://127.0.0.1",
        "mqtt://",
        "mqtt://host:port",
        "mqtt://[::1",
        "mqtt://a,",
        "mqtt://a,b:c",
        "mqtt://a..b",
    ],
)
def test_a_url_that_leads_to_no_broker_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(RepSenseError, match=r"^MQTT_URL must look like"):
        BrokerAddress.parse(url)


def test_a_password_is_neither_in_an_error_nor_in_a_representation() -> None:
    with pytest.raises(RepSenseError) as raised:
        BrokerAddress.parse("mqtts://user:hush@host:port")
    assert "hush" not in str(raised.value)
    assert "hush" not in repr(BrokerAddress.parse("mqtts://user:hush@host"))


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        RepSenseError, match=r"^MQTT_CA_FILE: cannot read .*broker-ca.crt \(No such file or directory\)"
    ):
        BrokerAddress.parse("mqtts://host", tmp_path / "broker-ca.crt")


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "broker-ca.crt").write_text("MQTT_URL=mqtts://host\n")
    with pytest.raises(RepSenseError, match=r"broker-ca.crt holds no certificate"):
        BrokerAddress.parse("mqtts://host", str(tmp_path / "broker-ca.crt"))


@pytest.mark.parametrize(
    ("url", "reason", "kind", "said"),
    [
        ("mqtt://inference:x@b", "Not authorized", BrokerProblemKind.PASSWORD, "does not accept the user inference"),
        (
            "mqtt://inference:x@b",
            "Bad user name or password",
            BrokerProblemKind.PASSWORD,
            "with the password in MQTT_URL",
        ),
        ("mqtt://b", "Not authorized", BrokerProblemKind.PASSWORD, "demands a user and a password"),
        ("mqtt://b", "Server busy", BrokerProblemKind.AWAY, "refuses the connection: Server busy"),
    ],
)
def test_a_refusal_is_put_into_words(url: str, reason: str, kind: BrokerProblemKind, said: str) -> None:
    problem = BrokerAddress.parse(url).refused(reason)
    assert problem.kind is kind
    assert said in str(problem)
    assert "x@" not in str(problem)


def test_a_broker_that_is_away_is_told_from_one_that_is_not_trusted() -> None:
    problem = BrokerAddress.parse("mqtts://broker").unreachable(ConnectionRefusedError(111, "Connection refused"))
    assert (problem.kind, problem.text) == (
        BrokerProblemKind.AWAY,
        "the broker at broker:8883 cannot be reached: [Errno 111] Connection refused",
    )
    assert BrokerAddress.parse("mqtt://b").unreachable(None).text == "the broker at b:1883 cannot be reached"
