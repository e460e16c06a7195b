"""What Prometheus reads, what it warns of, and what Grafana shows: checked by Prometheus' own tools."""

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.servers import ROOT, Server, free_port
from support.stack import NativeStack, native_stack
from support.streaming import until

PROMTOOL = shutil.which("promtool")
PROMETHEUS = shutil.which("prometheus")
MONITORING = ROOT / "monitoring"
ALERTS = MONITORING / "alerts.yml"
ALERT_TESTS = Path(__file__).with_name("alerts.test.yml")
DASHBOARD = MONITORING / "grafana" / "dashboards" / "repsense.json"
PATIENCE_S = 60.0

NOT_NATIVE = re.compile(
    r':tensorflow:|\b(?:jetstream|gnatsd)_|certificate_expires|ALERTS|job="(tensorflow-serving|broker)"'
)
"""What the native stack has not: TensorFlow Serving, the broker's exporter, TLS; and no alert fires."""
NEEDS_A_TRAINING = "repsense_trainer_training_seconds"

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed")


def promtool(*arguments: str | Path) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def all_panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return panels


def questions() -> list[str]:
    """Every expression of the dashboard, with all sensors chosen."""
    expressions = [target["expr"] for panel in all_panels() for target in panel.get("targets", ())]
    return [expression.replace("$sensor", ".*") for expression in expressions]


@needs_promtool
def test_prometheus_understands_its_configuration() -> None:
    promtool("check", "config", "--syntax-only", MONITORING / "prometheus.yml")
    promtool("check", "rules", ALERTS)


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", ALERT_TESTS)


def test_there_is_a_test_of_each_alert_and_advice_on_it() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    advice = (ROOT / "docs" / "monitoring.md").read_text()
    tests = ALERT_TESTS.read_text()

    assert len(alerts) == len(set(alerts)) > 20
    assert [alert for alert in alerts if f"- name: {alert}" not in tests] == []
    assert [alert for alert in alerts if f"| `{alert}` |" not in advice] == []


def test_each_alert_says_what_is_the_matter_and_what_to_do() -> None:
    for text in ALERTS.read_text().split("- alert: ")[1:]:
        assert re.search(r"labels: {severity: (critical|warning|remark)}", text), text
        assert "summary: " in text, text
        assert "description: " in text, text


@needs_promtool
def test_each_question_of_the_dashboard_is_one_that_prometheus_understands(tmp_path: Path) -> None:
    rules = [{"record": f"question_{number}", "expr": expression} for number, expression in enumerate(questions())]
    file = tmp_path / "questions.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    promtool("check", "rules", file)


def test_the_dashboard_is_complete() -> None:
    panels = all_panels()
    rows = [panel for panel in panels if panel["type"] == "row"]
    charts = [panel for panel in panels if panel["type"] != "row"]
    sources = re.findall(r"uid: (\S+)", (MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())

    assert all(row["title"].endswith("?") for row in rows)
    assert len({panel["id"] for panel in panels}) == len(panels)
    for chart in charts:
        assert chart["title"]
        assert len(chart["description"]) > 10, chart["title"]
        assert chart["datasource"]["uid"] in sources
        assert all(target["datasource"]["uid"] in sources for target in chart["targets"])
        assert chart["type"] == "table" or chart["fieldConfig"]["defaults"]["unit"]


def test_no_panel_lies_on_another_or_beside_the_page() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in all_panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]


@contextlib.contextmanager
def scraped(folder: Path, stack: NativeStack, ports: dict[str, int]) -> Iterator[httpx.Client]:
    """A real Prometheus with the project's configuration that reads a native stack; yields a client of its API."""
    assert PROMETHEUS is not None
    port = free_port()
    key = folder / "api_key"
    key.write_text("nobody asks for it here")
    configuration = (MONITORING / "prometheus.yml").read_text()
    for name, target in {**ports, "inference": stack.ports["API_PORT"]}.items():
        configuration = re.sub(
            rf"dns_sd_configs:\n      - {{names: \[{name}\].*}}",
            f'static_configs:\n      - targets: ["127.0.0.1:{target}"]',
            configuration,
        )
    # What does not run natively.
    configuration = re.sub(r"    dns_sd_configs:\n      - .*\n", "    static_configs: []\n", configuration)
    configuration = configuration.replace("/run/secrets/api_key", str(key)).replace("_interval: 5s", "_interval: 1s")
    configuration = configuration.replace("evaluation_interval: 10s", "evaluation_interval: 1s")
    configuration = configuration.replace("127.0.0.1:9090", f"127.0.0.1:{port}")
    (folder / "prometheus.yml").write_text(configuration)
    shutil.copy(ALERTS, folder)
    command = [PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    server = Server([*command, f"--web.listen-address=127.0.0.1:{port}"], {}, folder / "prometheus.log", port)
    try:
        server.start()
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=10) as client:
            yield client
    finally:
        server.kill()


def has_answer(prometheus: httpx.Client, expression: str) -> bool:
    answer = prometheus.get("/query", params={"query": expression}).json()
    assert answer["status"] == "success", (expression, answer)
    return bool(answer["data"]["result"])


@needs_prometheus
@pytest.mark.timeout(240)
def test_each_question_of_the_dashboard_has_an_answer_in_a_stack_that_runs(tmp_path: Path) -> None:
    ports = {"dashboard": free_port(), "trainer": free_port(), "simulator": free_port()}
    environment = {
        "DASHBOARD_METRICS_PORT": str(ports["dashboard"]),
        "TRAINER_METRICS_PORT": str(ports["trainer"]),
        "GATEWAY_METRICS_PORT": str(ports["simulator"]),
        "SENSOR": "simulator --loss 0.01",
    }
    with native_stack(tmp_path / "stack", **environment) as stack:
        ports["preprocessor"] = stack.ports["METRICS_PORT"]
        with scraped(tmp_path, stack, ports) as prometheus:
            open_questions = [each for each in questions() if not NOT_NATIVE.search(each)]
            open_questions = [each for each in open_questions if NEEDS_A_TRAINING not in each]
            assert len(open_questions) > 40
            deadline_s = time.monotonic() + PATIENCE_S
            while open_questions and time.monotonic() < deadline_s:
                open_questions = [each for each in open_questions if not has_answer(prometheus, each)]
            assert open_questions == []

            # The latter also knows what has no value at the moment.
            known = {
                *prometheus.get("/label/__name__/values").json()["data"],
                *prometheus.get("/metadata").json()["data"],
            }
            asked = re.findall(r"\brepsense_\w+", ALERTS.read_text() + "\n".join(questions()))
            assert set(asked) - known == set()
            groups = prometheus.get("/rules").json()["data"]["groups"]
            assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
            firing = [alert["labels"] for alert in prometheus.get("/alerts").json()["data"]["alerts"]]
            assert [labels for labels in firing if labels["severity"] == "critical"] == []
