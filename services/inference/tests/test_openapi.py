"""Whatever a client sends, the running service answers as its own OpenAPI document says, and never by a mistake.

Requests are made of the document, those that it allows and those that it forbids, for resources that are there and for
others. They are the same each time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from services.inference.tests.fakes_recordings import FakeChunks, assert_documented
from services.inference.tests.fakes_workouts import SECOND, T0, make_set, make_window, make_workout
from services.inference.tests.fakes_world import World
from support.models import mean_manifest, write_mean_version
from support.recordings import make_recording
from support.servers import broker, database, free_port, process

from repsense.database import Documents, connect_database, ensure_indexes
from repsense.documents import CLASSIFICATIONS, SAMPLES, SETS, WORKOUTS
from repsense.manifest import report_path
from repsense.recordings.stored import store_recordings

_N_EXAMPLES = 50
"""Of each operation; all of them together take a minute."""
_PATIENCE_S = 30.0
_NOT_CHECKED = [schemathesis.checks.positive_data_acceptance]
"""What a request must be beyond its schema, such as `from` before `to`, the document can say in words only."""
_ENDLESS = "/v1/live"
"""A stream of events has no end; what it sends is tested elsewhere."""


def _operations() -> list[tuple[str, str]]:
    """Every operation; those that delete come last, and leave the others something to find."""
    paths = World().app().openapi()["paths"]
    found = [(path, method) for path, operations in paths.items() for method in operations if path != _ENDLESS]
    return sorted(found, key=lambda one: one[1] == "delete")


@dataclass
class _Api:
    """The running service."""

    url: str
    session: requests.Session
    document: schemathesis.schemas.BaseSchema
    known: dict[str, Any]
    """A value of each path parameter with which something is found."""
    log: Path


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Api]:
    folder = tmp_path_factory.mktemp("openapi")
    _write_models(folder / "models")
    with (
        database(folder / "database") as stored,
        broker(folder / "broker") as messages,
        requests.Session() as session,
    ):
        url = f"mongodb://127.0.0.1:{stored.port}/repsense"
        documents = connect_database(url)
        recording_id = _fill(documents)
        documents.client.close()
        with _service(folder, url, messages.port) as address:
            _await_readiness(address, session)
            known = {
                "sensor_id": "wrist",
                "workout_id": f"wrist-{T0}",
                "set_id": f"wrist-{T0}",
                "recording_id": recording_id,
                "person_id": _id_of(session.post(f"{address}/v1/persons", json={"name": "Anna"}), "person_id"),
                "label_id": _id_of(session.post(f"{address}/v1/labels", json={"exercise": "dip"}), "label_id"),
                "job_id": _id_of(session.post(f"{address}/v1/training-jobs", json={"model_name": "mean"}), "job_id"),
                "name": "mean",
                "version": 2,
            }
            document = schemathesis.openapi.from_dict(session.get(f"{address}/openapi.json").json())
            yield _Api(address, session, document, known, folder / "repsense-inference.log")


@contextmanager
def _service(folder: Path, database_url: str, broker_port: int) -> Iterator[str]:
    port = free_port()
    environment = {
        "MONGODB_URL": database_url,
        "MQTT_URL": f"mqtt://127.0.0.1:{broker_port}",
        "MODEL_URL": f"onnx:{folder / 'models' / 'mean'}",
        # Limits are there, but so many requests are not meant to be too many.
        "API_REQUESTS_PER_MINUTE": "1000000",
        "API_HEAVY_REQUESTS_PER_MINUTE": "1000000",
        "API_PORT": str(port),
    }
    with process("repsense-inference", folder, port, environment):
        yield f"http://127.0.0.1:{port}"


def _id_of(response: requests.Response, name: str) -> str:
    return str(response.json()[name])


def _write_models(folder: Path) -> None:
    for place, version in (("1", 1), ("standby/2", 2)):
        path = folder / "mean" / place
        path.mkdir(parents=True)
        write_mean_version(path, mean_manifest(version=version))
        report_path(path).write_text("<p>How it was evaluated.</p>")


def _fill(documents: Documents) -> str:
    """Store something of everything that comes from other services; return the id of a recording."""
    ensure_indexes(documents)
    sets = [make_set(T0 + number * 60 * SECOND) for number in range(3)]
    documents[SETS].insert_many([dict(one) for one in sets])
    documents[WORKOUTS].insert_one(dict(make_workout(*sets)))
    windows = [make_window(one, one["started_us"] + number * SECOND) for one in sets for number in range(10)]
    documents[CLASSIFICATIONS].insert_many([dict(one) for one in windows])
    signal = FakeChunks()
    signal.send(np.random.default_rng(7).normal(size=(10_000, 6)).astype(np.float32), T0)
    documents[SAMPLES].insert_many([dict(one) for one in signal.chunks])
    return store_recordings(documents, [make_recording(500, seed=seed) for seed in range(5)]).ids[0]


def _await_readiness(address: str, session: requests.Session) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not session.get(f"{address}/readyz").ok:
        assert time.monotonic() < deadline_s, "the service did not get ready"
        time.sleep(0.05)


@pytest.mark.parametrize(("path", "method"), _operations())
def test_answers_are_what_openapi_says(api: _Api, path: str, method: str) -> None:
    operation = api.document[path][method]
    here = {name: value for name, value in api.known.items() if f"{{{name}}}" in path}
    cases = [
        operation.as_strategy(path_parameters=here, headers={"If-Match": "*"}),
        operation.as_strategy(),
        operation.as_strategy(GenerationMode.NEGATIVE),
    ]

    @hypothesis.settings(
        max_examples=_N_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=st.one_of(cases))
    def ask(case: schemathesis.Case[Any]) -> None:
        response = case.call(base_url=api.url, session=api.session)
        case.validate_response(response, excluded_checks=_NOT_CHECKED)
        if response.status_code >= 400:
            kind = response.json()["type"].removeprefix("urn:repsense:")
            assert_documented(case.method, path, response.status_code, kind)

    ask()
