"""The manifests for Kubernetes: what kustomize makes of them is valid, and no pod may do more than it must."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # comes without types
import pytest
import yaml
from support.servers import ROOT

from repsense_preprocessor.settings import Settings

MANIFESTS = ROOT / "kubernetes"
BUILT = ["base", "overlays/scaled"]
VERSIONS = ["1.30", "1.37"]
"""Of the schemas; newer ones refuse what was removed."""
OWN_SECRETS = {"admin", "broker", "dashboard", "database", "inference", "preprocessor", "trainer"}
"""Folders that `repsense-admin secrets create` writes."""
Manifest = dict[str, Any]


def kustomize() -> list[str] | None:
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    return ["kubectl", "kustomize"] if shutil.which("kubectl") else None


@pytest.fixture(scope="module", params=BUILT)
def built(request: pytest.FixtureRequest) -> list[Manifest]:
    command = kustomize()
    if command is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    done = subprocess.run([*command, MANIFESTS / request.param], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def written() -> Iterator[tuple[Path, Manifest]]:
    """Every manifest as it lies there."""
    for path in sorted(MANIFESTS.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            for manifest in yaml.safe_load_all(path.read_text()):
                yield path, manifest


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The pods' specifications by the names of their owners."""
    owners = [one for one in manifests if one["kind"] in {"Deployment", "StatefulSet", "Job"}]
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in owners}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_manifest_fits_its_schema(version: str) -> None:
    manifests = list(written())

    for _, manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)
    assert len(manifests) > len(OWN_SECRETS)


def test_the_check_finds_what_is_wrong() -> None:
    manifest = next(one for _, one in written() if one["kind"] == "Deployment")
    manifest["spec"]["replica"] = 2

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[0], strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_kustomize_builds_fits_its_schema(built: list[Manifest], version: str) -> None:
    for manifest in built:
        kubernetes_validate.validate(manifest, version, strict=True)
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "repsense"


def test_no_pod_may_do_more_than_it_must(built: list[Manifest]) -> None:
    for pod in pods(built).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            may = container["securityContext"]
            assert may["readOnlyRootFilesystem"] is True
            assert may["allowPrivilegeEscalation"] is False
            assert may["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_whatever_stays_running_is_looked_after(built: list[Manifest]) -> None:
    for name, pod in pods(built).items():
        if name != "prepare":
            (container,) = pod["containers"]
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
            named = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                (how,) = container[probe].keys() & {"exec", "httpGet", "tcpSocket"}
                assert how == "exec" or container[probe][how]["port"] in named


def test_the_liveness_of_the_broker_is_asked_of_the_script_of_compose(built: list[Manifest]) -> None:
    (container,) = pods(built)["broker"]["containers"]
    (folder,) = (mount for mount in container["volumeMounts"] if mount["name"] == "configuration")
    assert container["livenessProbe"]["exec"]["command"] == ["sh", f"{folder['mountPath']}/nats-health.sh", "alive"]
    (broker,) = (
        one["data"] for one in built if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith("broker-")
    )
    assert broker["nats-health.sh"] == (ROOT / "broker" / "nats-health.sh").read_text()


@pytest.mark.parametrize(
    ("answer", "when_healthy", "when_alive"),
    [
        ('{"status":"ok"}', 0, 0),
        ('{"status":"unavailable","error":"JetStream has not established contact with a meta leader"}', 1, 0),
        ("", 1, 1),
    ],
)
def test_a_broker_that_waits_for_others_is_alive(
    answer: str, when_healthy: int, when_alive: int, tmp_path: Path
) -> None:
    # What it does about a full disk is tested in containers: here it would end process 1 of this machine.
    stand_in = tmp_path / "nc"
    stand_in.write_text(f"#!/bin/sh\nprintf '%s' '{answer}'\n")
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for arguments, expected in ([], when_healthy), (["alive"], when_alive):
        done = subprocess.run(["sh", ROOT / "broker" / "nats-health.sh", *arguments], env=environment, check=False)
        assert done.returncode == expected


def test_secrets_are_named_and_nowhere_written(built: list[Manifest]) -> None:
    assert not [one for one in built if one["kind"] == "Secret"]
    mounted = {
        volume["secret"]["secretName"]
        for pod in pods(built).values()
        for volume in pod["volumes"]
        if "secret" in volume
    }
    assert mounted <= {f"repsense-{name}" for name in OWN_SECRETS}
    assert {f"repsense-{name}" for name in ("broker", "inference", "preprocessor")} <= mounted


def test_selectors_policies_and_budgets_mean_pods_that_there_are(built: list[Manifest]) -> None:
    names = set(pods(built))
    for manifest in built:
        text = yaml.safe_dump(manifest)
        for label in re.findall(r"app\.kubernetes\.io/name: (\S+)", text):
            assert label in names
        for expression in re.findall(
            r"key: app\.kubernetes\.io/name\n\s+operator: In\n\s+values:\n((?:\s+- \S+\n)+)", text
        ):
            assert set(re.findall(r"- (\S+)", expression)) <= names
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in built if one["kind"] == "HorizontalPodAutoscaler"]
    replicas = {one["metadata"]["name"]: one["spec"].get("replicas") for one in built if one["kind"] == "Deployment"}
    assert all(replicas[name] is None for name in scaled)


def test_settings_that_are_given_are_known_and_the_broker_has_as_many_partitions(built: list[Manifest]) -> None:
    (settings,) = (
        one["data"] for one in built if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith("services-")
    )
    assert {"partitions", "mqtt_ca_file", "model_url", "log_format"} <= {name.lower() for name in settings}
    assert Settings.model_fields.keys() >= {"partitions", "mqtt_ca_file", "model_url", "log_format"}
    (broker,) = (
        one["data"] for one in built if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith("broker-")
    )
    assert f"partition({settings['PARTITIONS']},1)" in broker["nats-partitions.conf"]


def test_configurations_are_those_of_compose() -> None:
    for folder, names in (
        ("broker", ["nats-limits.conf", "nats-sessions.conf", "nats-partitions.conf", "nats-health.sh"]),
        ("tensorflow_serving", ["models.config", "batching.config", "monitoring.config"]),
    ):
        for name in names:
            assert (MANIFESTS / "base" / folder / name).read_text() == (ROOT / folder / name).read_text()


def test_each_broker_is_started_with_a_configuration_that_it_has(built: list[Manifest]) -> None:
    (container,) = pods(built)["broker"]["containers"]
    (broker,) = (
        one["data"] for one in built if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith("broker-")
    )
    *_, configuration = container["command"]
    names = [Path(configuration).name]
    for name in names:
        names += re.findall(r'^\s*include "([^/"]+)"', broker[name], re.MULTILINE)
    assert set(names) == {name for name in broker if name.endswith(".conf")}
