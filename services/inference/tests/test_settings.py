from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from services.inference.tests.fakes_world import World, assert_problem

from repsense.errors import RepSenseError
from repsense_inference.app import create_app
from repsense_inference.settings import Settings

_KEY = "sixteen-or-more!"
_NOBODY = {"mongodb_url": "mongodb://127.0.0.1:9/repsense", "mqtt_url": "mqtt://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("model_url", "models_dir", "directory", "name"),
    [
        ("onnx:models/bodyweight", None, "models", "bodyweight"),
        ("onnx:/srv/models/legs/", None, "/srv/models", "legs"),
        ("onnx:/srv/models/legs", "/elsewhere", "/elsewhere", "legs"),
        ("grpc://tensorflow-serving:8500/bodyweight", None, "models", "bodyweight"),
        ("grpc://tensorflow-serving:8500/bodyweight", "/srv/models", "/srv/models", "bodyweight"),
    ],
)
def test_models_lie_beside_the_one_in_use_unless_it_is_said_otherwise(
    model_url: str, models_dir: str | None, directory: str, name: str
) -> None:
    settings = Settings.model_validate({"model_url": model_url, "models_dir": models_dir})

    assert (settings.models_directory, settings.model_name) == (Path(directory), name)


@pytest.mark.parametrize("key", ["short", "with a space in it", "ümlaute-are-no-key", "x" * 15])
def test_a_key_that_is_easily_guessed_or_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="at least 16 characters"):
        Settings.model_validate({"api_key": key})


def test_a_key_is_not_shown_by_chance() -> None:
    assert _KEY not in repr(Settings(api_key=SecretStr(_KEY)))


def test_what_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "MODELS_DIR", "API_PORT", "SECRETS_DIR"):
        monkeypatch.setenv(name, "")

    settings = Settings()

    assert (settings.api_key, settings.models_directory, settings.api_port) == (None, Path("models"), 8000)


def test_secrets_come_from_files_and_the_environment_has_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "api_key").write_text(f"{_KEY}\n")
    (tmp_path / "mqtt_url").write_text("mqtts://inference:secret@broker:8883")
    (tmp_path / "mongodb_url").write_text("mongodb://inference:secret@database/repsense")
    (tmp_path / "broker-ca.crt").write_text("of no concern here")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("MONGODB_URL", "mongodb://127.0.0.1:27017/repsense")

    settings = Settings()

    assert settings.api_key == SecretStr(_KEY)
    assert settings.mqtt_url == "mqtts://inference:secret@broker:8883"
    assert settings.mongodb_url == "mongodb://127.0.0.1:27017/repsense"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "pi.local"])  # noqa: S104 - nothing listens
def test_others_are_not_let_in_without_a_key(host: str) -> None:
    settings = Settings.model_validate({**_NOBODY, "api_host": host})

    with pytest.raises(RepSenseError, match=rf"^API_HOST {host} can be reached by others: set API_KEY"):
        create_app(settings)


def test_with_a_key_everything_but_health_and_documentation_demands_it() -> None:
    world = World(key=_KEY)

    open_paths = {path for path in ("/healthz", "/readyz", "/docs", "/openapi.json") if world.get(path).is_success}
    assert open_paths == {"/healthz", "/readyz", "/docs", "/openapi.json"}
    for path in ("/v1/sensors", "/v1/live", "/metrics", "/nowhere"):
        assert_problem(world.get(path), 401, "key-required")
        assert_problem(world.get(path, headers={"X-API-Key": "another-key-of-16"}), 401, "key-wrong")
    assert world.get("/v1/sensors", headers={"Authorization": f"Bearer {_KEY}"}).status_code == 200
    assert 'status="401"' in world.get("/metrics", headers={"X-API-Key": _KEY}).text


def test_openapi_says_how_to_send_the_key_if_there_is_one() -> None:
    with_key, without = (World(key=key).get("/openapi.json").json() for key in (_KEY, None))

    assert set(with_key["components"]["securitySchemes"]) == {"bearer", "apiKey"}
    for path, operations in with_key["paths"].items():
        for operation in operations.values():
            demands = path not in {"/healthz", "/readyz"}
            assert operation.get("security") == ([{"bearer": []}, {"apiKey": []}] if demands else None), path
            assert ("401" in operation["responses"]) == demands, path
    assert all("security" not in one for operations in without["paths"].values() for one in operations.values())
