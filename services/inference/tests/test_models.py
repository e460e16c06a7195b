"""The versions of models: listed, looked into, put in use, taken back and deleted."""

import errno
import os
from pathlib import Path

import pytest
from services.inference.tests.fakes_world import FakeModel, LargestAxis, World, assert_problem
from support.models import mean_manifest, write_mean_version

from repsense import registry
from repsense.documents import ModelDocument
from repsense.manifest import manifest_path, report_path
from repsense_inference.model_directory import ModelDirectory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Versions 1 and 2 of "mean" are promoted, 3 is on standby; "other" has version 1 on standby."""
    for place, version in (("1", 1), ("2", 2), ("standby/3", 3)):
        _write(tmp_path / "models" / "mean" / place, "mean", version)
    _write(tmp_path / "models" / "other" / "standby" / "1", "other", 1)
    return tmp_path / "models"


@pytest.fixture
def world(folder: Path) -> World:
    """A service that has version 2 of "mean" open."""
    return World(model_directory=ModelDirectory(folder, "mean"))


def _write(path: Path, name: str, version: int) -> None:
    path.mkdir(parents=True)
    write_mean_version(path, mean_manifest(name=name, version=version))


def _stored(version: int, name: str = "mean") -> ModelDocument:
    manifest = mean_manifest(name=name, version=version).model_dump_json()
    return ModelDocument(_id=f"{name}@{version}", name=name, version=version, manifest=manifest, first_used_us=1)


def _states(world: World) -> dict[tuple[str, int], str]:
    items = world.get("/v1/models").json()["items"]
    return {(one["manifest"]["name"], one["manifest"]["version"]): one["state"] for one in items}


def test_versions_on_disk_and_those_known_from_results_are_listed_the_one_in_use_first(world: World) -> None:
    world.models.documents = {"mean@1": _stored(1), "gone@7": _stored(7, "gone")}

    listed = world.get("/v1/models").json()

    assert list(_states(world).items()) == [
        (("mean", 2), "in_use"),
        (("gone", 7), "retired"),
        (("mean", 3), "standby"),
        (("mean", 1), "promoted"),
        (("other", 1), "standby"),
    ]
    assert [one["in_use"] for one in listed["items"]] == [True, False, False, False, False]
    assert (listed["name_in_use"], listed["broken"], listed["refusal"]) == ("mean", [], None)
    for one in listed["items"]:
        name, version = one["manifest"]["name"], one["manifest"]["version"]
        assert world.get(f"/v1/models/{name}/versions/{version}").json() == one


def test_without_a_directory_the_models_known_otherwise_are_listed(tmp_path: Path) -> None:
    world = World(model_directory=ModelDirectory(tmp_path / "nowhere", "mean"))
    world.models.documents = {"mean@1": _stored(1)}

    assert _states(world) == {("mean", 2): "in_use", ("mean", 1): "retired"}
    for method, path in (("POST", "versions/1/promote"), ("POST", "rollback"), ("DELETE", "versions/1")):
        problem = assert_problem(world.request(method, f"/v1/models/mean/{path}"), 503, "models-unavailable")
        assert "MODELS_DIR" in problem["detail"]
        assert str(tmp_path) not in problem["detail"]


def test_a_version_that_is_to_be_used_and_is_not_says_why(world: World) -> None:
    world.model = FakeModel(LargestAxis(), refusal="version 4 of mean is not used: its network has another shape")
    world.model_directory.promote("mean", 3)

    items = {one["manifest"]["version"]: one for one in world.get("/v1/models").json()["items"]}

    assert (items[3]["state"], items[3]["in_use"], items[3]["problem"]) == ("in_use", False, world.model.refusal)
    assert (items[2]["state"], items[2]["in_use"], items[2]["problem"]) == ("promoted", True, None)


def test_a_version_that_cannot_be_read_is_said_to_be_broken_without_its_path(world: World, folder: Path) -> None:
    manifest_path(folder / "mean" / "standby" / "3").write_text("{")

    (broken,) = world.get("/v1/models").json()["broken"]
    problem = assert_problem(world.get("/v1/models/mean/versions/3"), 409, "version-broken")

    assert (broken["name"], broken["version"], broken["state"]) == ("mean", 3, "standby")
    assert broken["problem"] == problem["detail"]
    assert "mean/standby/3" in broken["problem"]
    assert str(folder) not in broken["problem"]
    assert_problem(world.request("POST", "/v1/models/mean/versions/3/promote"), 409, "registry-refuses")
    assert world.request("DELETE", "/v1/models/mean/versions/3").status_code == 204
    assert world.get("/v1/models").json()["broken"] == []


def test_nor_is_anything_else_taken_for_the_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    manifest_path(folder / "mean" / "standby" / "3").write_text("{")
    world = World(model_directory=ModelDirectory(Path(), "mean"))

    problem = assert_problem(world.get("/v1/models/mean/versions/3"), 409, "version-broken")

    assert problem["detail"].startswith("mean/standby/3/")
    assert "the models' directory" not in problem["detail"]


def test_a_version_is_promoted_as_often_as_one_likes_and_taken_back(world: World) -> None:
    for _ in range(2):
        response = world.request("POST", "/v1/models/mean/versions/3/promote")
        assert (response.status_code, response.json()["state"]) == (200, "in_use")
        assert response.json()["manifest"]["version"] == 3
    assert _states(world) | {("mean", 3): "in_use", ("mean", 2): "promoted"} == _states(world)

    back = world.request("POST", "/v1/models/mean/rollback").json()

    assert (back["manifest"]["version"], back["state"]) == (2, "in_use")
    assert _states(world)["mean", 3] == "standby"


def test_what_the_registry_refuses_is_told_in_its_words(world: World, folder: Path) -> None:
    first = world.request("POST", "/v1/models/other/rollback")
    assert assert_problem(first, 409, "registry-refuses")["detail"] == "no version of other is in use: promote one"
    promoted = assert_problem(world.request("DELETE", "/v1/models/mean/versions/2"), 409, "registry-refuses")
    assert promoted["detail"].startswith("version 2 of mean is promoted")

    (folder / "mean" / "standby" / "3" / "assets.extra" / "model.onnx").write_bytes(b"no network")
    unfit = assert_problem(world.request("POST", "/v1/models/mean/versions/3/promote"), 409, "registry-refuses")
    assert "version 3 of mean is not put in use" in unfit["detail"]
    assert str(folder) not in unfit["detail"]
    assert _states(world)["mean", 2] == "in_use"


def test_a_version_on_standby_is_deleted_for_good(world: World, folder: Path) -> None:
    response = world.request("DELETE", "/v1/models/mean/versions/3")

    assert (response.status_code, response.content) == (204, b"")
    assert not (folder / "mean" / "standby" / "3").exists()
    assert_problem(world.get("/v1/models/mean/versions/3"), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/mean/versions/9"),
        ("GET", "/v1/models/nobody/versions/1"),
        ("GET", "/v1/models/mean/versions/9/report"),
        ("GET", "/v1/models/mean/versions/1/report"),
        ("POST", "/v1/models/mean/versions/9/promote"),
        ("DELETE", "/v1/models/mean/versions/9"),
    ],
)
def test_what_is_not_there_is_a_problem(world: World, method: str, path: str) -> None:
    assert_problem(world.request(method, path), 404, "not-found")


@pytest.mark.parametrize("name", ["..", "%2e%2e", "Mean", "mean%2F..", "mean%00", "x" * 64])
@pytest.mark.parametrize("version", ["1", "0", "-1", "1e3", "../1", "standby"])
def test_no_name_or_version_leads_anywhere_else(world: World, folder: Path, name: str, version: str) -> None:
    (folder.parent / "assets.extra").mkdir()
    (folder.parent / "assets.extra" / "report.html").write_text("outside")

    response = world.get(f"/v1/models/{name}/versions/{version}/report")

    assert response.status_code in {404, 422}
    assert "outside" not in response.text


def test_a_report_may_do_nothing_but_be_looked_at(world: World, folder: Path) -> None:
    report_path(folder / "mean" / "standby" / "3").write_text("<!doctype html><script>alert('ä')</script>", "utf-8")

    response = world.get("/v1/models/mean/versions/3/report")

    assert response.text == "<!doctype html><script>alert('ä')</script>"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
    )
    assert [one["has_report"] for one in world.get("/v1/models").json()["items"]] == [False, True, False, False]


def test_on_a_full_disk_nothing_changes_and_it_is_said_why(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(registry, "_write_promotion", fill)

    problem = assert_problem(world.request("POST", "/v1/models/mean/versions/3/promote"), 409, "registry-refuses")

    assert problem["detail"] == "cannot use mean: No space left on device; make room, then try again"
    assert (folder / "mean" / "standby" / "3").is_dir()
