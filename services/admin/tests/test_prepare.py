"""`repsense-admin prepare` as a process, on a database with users and on one without."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from pymongo.errors import OperationFailure
from support import servers
from support.users_database import ABSENCE, ROOT_PASSWORD, SECANTUS, users_database

from repsense.database import Documents, connect_database
from repsense.documents import INDEXES, SAMPLES, SCHEMA, SETS
from repsense.errors import SchemaError
from repsense.schema import SCHEMA_VERSION, ensure_schema, read_schema, write_schema
from repsense_admin.database_users import RIGHTS, ensure_users

_PASSWORDS = {service: f"the {service}'s" for service in RIGHTS}
needs_users = pytest.mark.skipif(SECANTUS is None, reason=ABSENCE)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    (tmp_path / "shipped" / "bodyweight" / "1").mkdir(parents=True)
    (tmp_path / "shipped" / "bodyweight" / "1" / "saved_model.pb").write_bytes(b"shipped")
    return tmp_path / "shipped"


@pytest.fixture
def with_users(tmp_path: Path) -> Iterator[servers.Server]:
    with users_database(tmp_path / "database") as running:
        yield running


def _prepare(folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    given = {"MODELS_DIR": str(folder / "models"), "SHIPPED_MODELS_DIR": str(folder / "shipped")}
    command = [sys.executable, "-m", "repsense_admin", "prepare"]
    return subprocess.run(
        command, env={**os.environ, **given, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


def _url(port: int, user: str, password: str, options: str = "") -> str:
    return f"mongodb://{user}:{quote(password, safe='')}@127.0.0.1:{port}/repsense{options}"


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Documents]:
    database = connect_database(url)
    with database.client:
        yield database


def _as(server: servers.Server, service: str) -> contextlib.AbstractContextManager[Documents]:
    return _opened(_url(server.port, service, _PASSWORDS[service]))


def _as_root(server: servers.Server) -> contextlib.AbstractContextManager[Documents]:
    return _opened(_url(server.port, "root", ROOT_PASSWORD, "?authSource=admin"))


@pytest.mark.usefixtures("shipped")
def test_a_database_without_users_is_prepared_and_it_is_said(tmp_path: Path) -> None:
    with servers.database(tmp_path / "database") as server:
        url = f"mongodb://127.0.0.1:{server.port}/repsense"
        first = _prepare(tmp_path, {"MONGODB_URL": url})
        again = _prepare(tmp_path, {"MONGODB_URL": url})
        with _opened(url) as database:
            found = read_schema(database)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        f"INFO the model bodyweight was put into {tmp_path / 'models'}",
        "INFO this database has no users: whoever reaches it may do everything",
        f"INFO the database does not say its schema: by what is in it, that is {SCHEMA_VERSION}",
        "INFO everything is prepared",
    ]
    assert again.stdout.splitlines() == [first.stdout.splitlines()[1], "INFO everything is prepared"]
    assert found is not None
    assert found["version"] == SCHEMA_VERSION


@needs_users
@pytest.mark.usefixtures("shipped")
def test_every_service_gets_a_user_from_the_secrets(tmp_path: Path, with_users: servers.Server) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "mongodb_url").write_text(_url(with_users.port, "root", ROOT_PASSWORD, "?authSource=admin"))
    for service, password in _PASSWORDS.items():
        (secrets / f"{service}_mongodb_password").write_text(password)
    first = _prepare(tmp_path, {"SECRETS_DIR": str(secrets)})
    again = _prepare(tmp_path, {"SECRETS_DIR": str(secrets)})
    assert (first.returncode, first.stderr) == (0, "")
    assert [line for line in first.stdout.splitlines() if "new user" in line] == [
        f"INFO the database has a new user, {service}" for service in _PASSWORDS
    ]
    assert again.stdout.splitlines() == ["INFO everything is prepared"]
    for service in _PASSWORDS:
        with _as(with_users, service) as database:
            ensure_schema(database)
            assert database[SCHEMA].count_documents({}) == 1


@needs_users
def test_rights_and_passwords_follow_what_is_given(with_users: servers.Server) -> None:
    with _as_root(with_users) as root:
        assert ensure_users(root, _PASSWORDS) == ["preprocessor", "inference", "trainer"]
        root.command("updateRole", "repsense-trainer", privileges=[], roles=[])
        assert ensure_users(root, _PASSWORDS | {"trainer": "another"}) == []
        roles = root.command("rolesInfo", 1, showPrivileges=True)["roles"]
    granted = {
        role["role"]: {
            privilege["resource"]["collection"]: tuple(privilege["actions"]) for privilege in role["privileges"]
        }
        for role in roles
    }
    assert granted == {f"repsense-{service}": dict(rights) for service, rights in RIGHTS.items()}
    with _as(with_users, "trainer") as trainer, pytest.raises(OperationFailure, match=r"(?i)authentication failed"):
        trainer[SCHEMA].find_one()


@needs_users
def test_a_service_can_change_neither_schema_nor_users(with_users: servers.Server) -> None:
    with _as_root(with_users) as root, _as(with_users, "trainer") as trainer:
        ensure_users(root, _PASSWORDS)
        ensure_schema(root)
        for forbidden in (
            lambda: trainer[SAMPLES].insert_one({"_id": "x"}),
            lambda: trainer[SETS].create_index("new"),
            trainer[SETS].drop,
            lambda: trainer.command("createUser", "friend", pwd=ROOT_PASSWORD, roles=[]),
            lambda: trainer.command("grantRolesToUser", "trainer", roles=["repsense-inference"]),
        ):
            with pytest.raises(OperationFailure) as caught:
                forbidden()
            assert caught.value.code == 13


@needs_users
def test_a_service_at_a_database_that_is_not_prepared_says_so(with_users: servers.Server) -> None:
    with _as_root(with_users) as root, _as(with_users, "trainer") as trainer:
        ensure_users(root, {"trainer": _PASSWORDS["trainer"]})
        with pytest.raises(SchemaError, match="run `repsense-admin prepare`"):
            ensure_schema(trainer)


def test_rights_name_only_what_there_is() -> None:
    collections = {collection for rights in RIGHTS.values() for collection in rights}
    assert set(INDEXES) <= collections
    assert all(SCHEMA in rights and rights[SCHEMA] == ("find",) for rights in RIGHTS.values())


@pytest.mark.usefixtures("shipped")
def test_a_newer_database_is_refused_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with servers.database(tmp_path / "database") as server:
        url = f"mongodb://127.0.0.1:{server.port}/repsense"
        with _opened(url) as database:
            write_schema(database, SCHEMA_VERSION + 1)
        command = [sys.executable, "-m", "repsense_admin", "prepare"]
        environment = {"MONGODB_URL": url, "MODELS_DIR": str(tmp_path / "models"), "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            told = next(line for line in process.stdout if "waiting" in line)
            process.terminate()
            last = process.stderr.read()
    assert "a newer RepSense wrote" in told
    assert process.returncode == 2
    assert last == "repsense-admin: stopped before everything was prepared; start it again\n"


@pytest.mark.usefixtures("shipped")
def test_models_that_are_there_are_not_touched(tmp_path: Path) -> None:
    trained = tmp_path / "models" / "mine" / "1"
    trained.mkdir(parents=True)
    with servers.database(tmp_path / "database") as server:
        result = _prepare(tmp_path, {"MONGODB_URL": f"mongodb://127.0.0.1:{server.port}/repsense"})
    assert "was put into" not in result.stdout
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["mine"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"MONGODB_URL": "mongodb://127.0.0.1:99999"}, "must look like mongodb://"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"MODELS_DIR": "/dev/null/models"}, "the models cannot be put into /dev/null/models (Not a directory)"),
    ],
)
@pytest.mark.usefixtures("shipped")
def test_settings_that_cannot_be_used_are_refused_in_a_sentence(
    tmp_path: Path, environment: Mapping[str, str], words: str
) -> None:
    result = _prepare(tmp_path, {"MONGODB_URL": "mongodb://127.0.0.1:9/repsense"} | dict(environment))
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
