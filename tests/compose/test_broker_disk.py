"""The broker's disk runs full; when there is room again it serves again by itself, alone and in a cluster."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from support.compose import engine_problem, until
from support.mqtt import subscribed
from support.servers import ROOT, free_port

_NAME = "repsense-test-broker-disk"
_CONFIGURATION = """
http: "127.0.0.1:8222"
server_name: $NAME
jetstream { store_dir: /data, max_file_store: 4GB }
mqtt { listen: "0.0.0.0:1883" }
"""
_CLUSTER = """
cluster { name: test, listen: "0.0.0.0:6222", routes: [%s] }
"""
_DISK = "16m"
_PAYLOAD = b"x" * 50_000


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _broker() -> dict[str, str]:
    """The service of docker-compose.yml: its image and its health check."""
    service = json.loads(_docker("compose", "-f", str(ROOT / "docker-compose.yml"), "config", "--format", "json"))
    broker = service["services"]["broker"]
    return {"image": broker["image"], "health": " ".join(broker["healthcheck"]["test"][1:])}


@pytest.fixture(params=[1, 3], ids=["alone", "cluster"])
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, int]]:
    """Brokers that have small disks of their own: their names, and where they take messages."""
    if problem := engine_problem():
        pytest.skip(problem)
    broker = _broker()
    ports = {f"{_NAME}-{number}": free_port() for number in range(request.param)}
    configuration = tmp_path / "nats.conf"
    routes = ", ".join(f'"nats://{name}:6222"' for name in ports)
    configuration.write_text(_CONFIGURATION + (_CLUSTER % routes if len(ports) > 1 else ""))
    disk = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size={_DISK},uid=10001")
    _docker("network", "create", _NAME)
    try:
        for name, port in ports.items():
            _docker("volume", "create", *disk, name)
            _docker(
                *("run", "--detach", "--name", name, "--network", _NAME, "--env", f"NAME={name}", "--init"),
                *("--restart", "always", "--user", "10001:10001", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - in the container
                *("--volume", f"{name}:/data", "--publish", f"127.0.0.1:{port}:1883"),
                *("--volume", f"{ROOT / 'broker'}:/etc/repsense/broker:ro"),
                *("--volume", f"{configuration}:/etc/nats.conf:ro"),
                *("--health-cmd", broker["health"], "--health-interval", "1s"),
                *(broker["image"], "nats-server", "-c", "/etc/nats.conf"),
            )
        until("brokers that are healthy", lambda: all(_health(name) == "healthy" for name in ports))
        yield ports
    finally:
        for name in ports:
            subprocess.run(["docker", "rm", "--force", name], check=False)
            subprocess.run(["docker", "volume", "rm", name], check=False)
        _docker("network", "rm", _NAME)


def _health(name: str) -> str:
    return _docker("inspect", "--format", "{{.State.Health.Status}}", name)


def _takes(port: int) -> bool:
    """Whether a broker acknowledges a message."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, clean_session=True)
    try:
        client.connect("127.0.0.1", port)
        client.loop_start()
        message = client.publish("samples", _PAYLOAD, qos=1)
        message.wait_for_publish(2)
        return message.is_published()
    except (RuntimeError, ValueError):
        return False
    finally:
        client.disconnect()
        client.loop_stop()


def test_brokers_whose_disks_were_full_serve_again_when_there_is_room(ports: dict[str, int]) -> None:
    first = next(iter(ports.values()))
    with subscribed(first, "samples", lambda *_: None):
        assert _takes(first)
        for name in ports:
            subprocess.run(["docker", "exec", name, "dd", "if=/dev/zero", "of=/data/other", "bs=4k"], check=False)
        until("brokers that take no more", lambda: not any(map(_takes, ports.values())))
        until("that it is said", lambda: all(_health(name) == "unhealthy" for name in ports))

        for name in ports:
            _docker("exec", name, "rm", "/data/other")

        until(
            "brokers that take messages again",
            lambda: all(map(_takes, ports.values())) and all(_health(name) == "healthy" for name in ports),
        )
