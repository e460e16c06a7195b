"""From recordings in the database to a model in use, asked for over REST, through the stack that `make up` starts."""

import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from support.servers import ROOT
from support.stack import NativeStack, native_stack

from repsense.channels import Channel
from repsense.database import connect_database
from repsense.labels import Label
from repsense.manifest import latest_version
from repsense.recordings import Recording
from repsense.recordings.stored import store_recordings

_PATIENCE_S = 200.0
"""TensorFlow alone takes half a minute to load where both cores are busy."""


def _store_two_movements(stack: NativeStack) -> None:
    random = np.random.default_rng(0)
    documents = connect_database(f"mongodb://127.0.0.1:{stack.ports['MONGODB_PORT']}/repsense")
    with documents.client:
        store_recordings(
            documents,
            [
                Recording(
                    random.normal(0, 1 + 5 * strength, (200, 9)).astype(np.float32),
                    tuple(Channel),
                    10.0,
                    label=Label(exercise=exercise),
                    subject=subject,
                    session="1",
                )
                for subject in ("anna", "ben")
                for strength, exercise in enumerate(("sway", "bow"))
            ],
        )


def _await_end(stack: NativeStack, address: str) -> dict[str, Any]:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        job: dict[str, Any] = stack.get(address)
        if job["state"] not in {"queued", "running"}:
            return job
        assert time.monotonic() < deadline_s, job
        time.sleep(0.5)


def _await_version(stack: NativeStack, version: int) -> dict[str, Any]:
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        model: dict[str, Any] = stack.get("/v1/models")["items"][0]
        if model["in_use"] and model["manifest"]["version"] == version:
            return model
        assert time.monotonic() < deadline_s, model
        time.sleep(0.5)


@pytest.mark.timeout(500)
def test_a_training_asked_for_over_rest_ends_with_its_model_in_use(tmp_path: Path) -> None:
    shipped = latest_version(ROOT / "models" / "bodyweight")
    shutil.copytree(shipped, tmp_path / "models" / "bodyweight" / shipped.name)
    configuration = {
        "network": {"epochs": 3, "units": 8},
        "evaluation": {"leave_one_group_out": False, "unknown": False},
    }
    body = {"model_name": "bodyweight", "configuration": configuration, "promote": True}

    with native_stack(tmp_path, MODELS_DIR=str(tmp_path / "models")) as stack:
        _store_two_movements(stack)
        asked = httpx.post(f"{stack.api}/v1/training-jobs", json=body, timeout=10).raise_for_status()
        job = _await_end(stack, asked.headers["location"])

        assert (job["state"], job["error"]) == ("succeeded", None)
        assert (job["progress"]["epoch"], len(job["progress"]["losses"])) == (3, 3)
        assert job["model_version"] == int(shipped.name) + 1
        manifest = _await_version(stack, job["model_version"])["manifest"]
        assert [label["exercise"] for label in manifest["labels"]] == ["bow", "sway"]
        assert stack.get(f"{asked.headers['location']}/log")["lines"]
        assert stack.interrupt() == 0
        assert stack.processes() == []
