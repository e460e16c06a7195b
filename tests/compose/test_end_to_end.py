"""From sensors on the host to the page, through the containers; and from recordings to a model in use."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from support.compose import ComposeStack, Figures, HostGateway, until

from repsense.channels import Channel
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.recordings.stored import store_recordings

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def streaming(home: HostGateway) -> Iterator[HostGateway]:
    with home.running() as gateway:
        yield gateway


def n_classified(stack: ComposeStack, gateway: HostGateway, **wanted: object) -> int:
    """The smallest number of classifications that any of the sensors has."""
    classifications = stack.database()["classifications"]
    return min(classifications.count_documents({"sensor_id": sensor, **wanted}) for sensor in gateway.sensors)


def test_what_sensors_send_is_classified_by_tensorflow_serving_and_stored(
    stack: ComposeStack, streaming: HostGateway, figures: Figures
) -> None:
    began_s = time.monotonic()
    until("classifications of both sensors", lambda: n_classified(stack, streaming) > 0)
    figures.note("gateway started, until results of both sensors are stored", time.monotonic() - began_s)
    until("classifications of movement", lambda: n_classified(stack, streaming, unclassified_reason=None) > 10)
    served = httpx.get(f"http://{stack.address('tensorflow-serving')}:8501/monitoring/prometheus/metrics").text

    assert any(
        line.startswith(":tensorflow:serving:request_count{") and float(line.rpartition(" ")[2]) > 0
        for line in served.splitlines()
    )


def test_sets_of_both_sensors_are_found(stack: ComposeStack, streaming: HostGateway, figures: Figures) -> None:
    def sensors_with_sets() -> set[str]:
        return {document["sensor_id"] for document in stack.database()["sets"].find()}

    until("a set of each sensor", lambda: sensors_with_sets() == set(streaming.sensors))
    figures.note_memory(stack, "with two sensors")


def test_the_rest_api_answers_with_the_key(stack: ComposeStack, streaming: HostGateway) -> None:
    with stack.client() as client:
        sensors = client.get("/v1/sensors").raise_for_status().json()["items"]
        page = client.get("/v1/classifications", params={"sensor_id": streaming.sensors[0]}).raise_for_status().json()

    assert {sensor["sensor_id"] for sensor in sensors} >= set(streaming.sensors)
    assert page["items"]


def test_the_dashboard_answers_behind_its_password(stack: ComposeStack) -> None:
    password = stack.secret("dashboard/dashboard_password")
    with httpx.Client(base_url=stack.dashboard, headers={"Accept": "text/html"}, timeout=10) as browser:
        assert browser.get("/").headers["location"].startswith("/login")
        assert browser.post("/login", data={"password": password}).status_code == httpx.codes.SEE_OTHER
        page = browser.get("/").raise_for_status()

    assert "<title>" in page.text


def test_prometheus_reads_every_service(stack: ComposeStack) -> None:
    expected = {"preprocessor", "inference", "dashboard", "trainer", "tensorflow-serving"}
    stack.compose("--profile", "monitoring", "up", "--detach", "prometheus")
    address = f"http://{stack.address('prometheus')}:9090"

    def read() -> set[str]:
        targets = httpx.get(f"{address}/api/v1/targets").raise_for_status().json()["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"}

    until("everybody read by Prometheus", lambda: expected <= read())
    alerts = httpx.get(f"{address}/api/v1/rules").raise_for_status().json()["data"]["groups"]
    stack.compose("--profile", "monitoring", "rm", "--stop", "--force", "prometheus")

    assert alerts


def test_a_model_is_trained_promoted_and_served(stack: ComposeStack, streaming: HostGateway, figures: Figures) -> None:
    store_recordings(stack.database(), two_movements())
    configuration = {
        "network": {"epochs": 2, "units": 8},
        "evaluation": {"leave_one_group_out": False, "unknown": False},
    }
    body = {"model_name": "bodyweight", "configuration": configuration, "promote": True}
    with stack.client() as client:
        began_s = time.monotonic()
        asked = client.post("/v1/training-jobs", json=body).raise_for_status()

        def ended_job() -> dict[str, Any] | None:
            job: dict[str, Any] = client.get(asked.headers["location"]).raise_for_status().json()
            return job if job["state"] not in {"queued", "running"} else None

        job = until("the end of the training", ended_job, patience_s=300)
        assert (job["state"], job["error"]) == ("succeeded", None)
        until(
            "results of the new version",
            lambda: n_classified(stack, streaming, model_version=job["model_version"]) > 0,
        )
        figures.note("a tiny training, until results of its model are stored", time.monotonic() - began_s)

        client.post("/v1/models/bodyweight/rollback").raise_for_status()
        went_back_us = time.time_ns() // 1000
        until(
            "results of the version before",
            lambda: n_classified(stack, streaming, model_version=1, window_end_us={"$gt": went_back_us}) > 0,
        )


def two_movements() -> list[Recording]:
    random = np.random.default_rng(0)
    return [
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
    ]
