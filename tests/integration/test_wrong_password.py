"""Services that the broker does not let in until somebody has put their passwords right, while two sensors stream."""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pymongo
from support.models import write_mean_model
from support.secured_broker import SecuredBroker, secured_broker
from support.servers import database, free_port, process
from support.streaming import until

from repsense_admin.broker_users import BrokerUser, nats_users

_GUESSED = "rowing-machine"
_SENSORS = ("wrist-1", "wrist-2")


def _put_right(broker: SecuredBroker, *users: str) -> None:
    """Let the broker know the passwords that the services have."""
    path = broker.folder / "secrets" / "broker" / "users.conf"
    content = json.loads(path.read_text())
    made = json.loads(nats_users({BrokerUser(user): _GUESSED for user in users}, None))["users"]
    hashes = {user["user"]: user["password"] for user in made}
    for user in content["users"]:
        user["password"] = hashes.get(user["user"], user["password"])
    path.chmod(0o600)
    path.write_text(json.dumps(content))
    broker.reload()


def test_a_wrong_password_is_said_and_nothing_is_lost_until_it_is_put_right(tmp_path: Path) -> None:
    write_mean_model(tmp_path / "models" / "mean")
    api_port, metrics_port, gateway_port = free_port(), free_port(), free_port()
    with secured_broker("nats", tmp_path / "broker") as broker, database(tmp_path / "database") as stored:
        common = {
            "MQTT_CA_FILE": str(broker.ca_file),
            "MONGODB_URL": f"mongodb://127.0.0.1:{stored.port}/repsense",
            "MODEL_URL": f"onnx:{tmp_path / 'models' / 'mean'}",
            "METRICS_PORT": str(metrics_port),
            "API_PORT": str(api_port),
            "GATEWAY_METRICS_PORT": str(gateway_port),
        }

        def settings(user: str, password: str) -> dict[str, str]:
            return {**common, "MQTT_URL": broker.url(user, password)}

        gateway_settings = settings("gateway-home", broker.allow("home", *_SENSORS))
        broker.reload()
        simulator = ("simulator", "--sensors", "2", "--sensor-id", "wrist", "--gateway-id", "home")

        with (
            process("repsense-preprocessor", tmp_path, metrics_port, settings("preprocessor", _GUESSED)),
            process("repsense-inference", tmp_path, api_port, settings("inference", _GUESSED)),
            process("repsense-gateway", tmp_path, gateway_port, gateway_settings, *simulator),
        ):

            def asked(port: int, path: str) -> httpx.Response:
                return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10)

            def faults() -> dict[str, dict[str, Any]]:
                return {one["kind"]: one for one in asked(api_port, "/v1/status").json()["faults"]}

            said = until(lambda: faults().get("broker-password"))
            assert "MQTT_URL" in said["advice"]
            assert _GUESSED not in json.dumps(said)
            for port in (api_port, metrics_port):
                until(lambda port=port: "password" in asked(port, "/readyz").text)  # type: ignore[misc]  # a default
                assert asked(port, "/readyz").status_code == 503

            _put_right(broker, "preprocessor", "inference")

            for port in (api_port, metrics_port):
                until(lambda port=port: asked(port, "/readyz").status_code == 200)  # type: ignore[misc]  # as above
            until(lambda: len(_stored(stored.port)) == len(_SENSORS))
            # The gateway sends again what nobody has reported.
            until(lambda: all(parts[0][0] == 0 for parts in _stored(stored.port).values()))
            until(lambda: all(map(_is_whole, _stored(stored.port).values())))
            until(lambda: "error" not in {fault["severity"] for fault in faults().values()})
        for name in ("preprocessor", "inference", "gateway"):
            log = (tmp_path / f"repsense-{name}.log").read_text()
            assert _GUESSED not in log
            assert "Traceback" not in log


def _stored(port: int) -> dict[str, list[tuple[int, int]]]:
    """The first samples and the numbers of samples of what is stored, by stream and in order."""
    streams = defaultdict(list)
    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}") as client:
        for one in client.repsense["samples"].find():
            streams[one["stream_id"]].append((one["sequence"], one["n_samples"]))
    return {stream_id: sorted(parts) for stream_id, parts in streams.items()}


def _is_whole(parts: list[tuple[int, int]]) -> bool:
    """Whether nothing is missing between the first sample and the last, and nothing is there twice."""
    return all(sequence + n_samples == following for (sequence, n_samples), (following, _) in pairwise(parts))
