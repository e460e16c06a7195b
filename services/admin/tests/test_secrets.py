"""`repsense-admin secrets`, on folders of its own, as root and as an ordinary user."""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from repsense.broker import BrokerAddress
from repsense.errors import RepSenseError
from repsense_admin.__main__ import app
from repsense_admin.certificates import end_of, is_named, parse_names
from repsense_admin.deployment_secrets import DeploymentSecrets, GivenSecrets
from repsense_admin.secret_store import Owner, SecretStore

_NOBODY = 65_534
_FILES = {
    # name: (user, group, mode) that root gives it
    "ca/ca.crt": (0, 0, 0o400),
    "ca/ca.key": (0, 0, 0o400),
    "broker/users.conf": (10_001, 10_001, 0o400),
    "broker/routes.conf": (10_001, 10_001, 0o400),
    "broker/passwords": (1_883, 1_883, 0o400),
    "broker/acl": (1_883, 1_883, 0o400),
    "broker/server.crt": (10_001, 1_883, 0o440),
    "broker/server.key": (10_001, 1_883, 0o440),
    "broker/broker-ca.crt": (10_001, 1_883, 0o440),
    "database/root_password": (999, 999, 0o400),
    "admin/mongodb_url": (10_001, 10_001, 0o400),
    "admin/preprocessor_mongodb_password": (10_001, 10_001, 0o400),
    "admin/inference_mongodb_password": (10_001, 10_001, 0o400),
    "admin/trainer_mongodb_password": (10_001, 10_001, 0o400),
    "preprocessor/mqtt_url": (10_001, 10_001, 0o400),
    "preprocessor/mqtt_client_id": (10_001, 10_001, 0o400),
    "preprocessor/mongodb_url": (10_001, 10_001, 0o400),
    "preprocessor/broker-ca.crt": (10_001, 10_001, 0o400),
    "inference/mqtt_url": (10_001, 10_001, 0o400),
    "inference/mongodb_url": (10_001, 10_001, 0o400),
    "inference/api_key": (10_001, 10_001, 0o400),
    "inference/broker-ca.crt": (10_001, 10_001, 0o400),
    "simulator/mqtt_url": (10_001, 10_001, 0o400),
    "simulator/broker-ca.crt": (10_001, 10_001, 0o400),
    "trainer/mongodb_url": (10_001, 10_001, 0o400),
    "dashboard/api_key": (10_001, 10_001, 0o400),
    "dashboard/dashboard_password": (10_001, 10_001, 0o400),
    "prometheus/api_key": (65_534, 65_534, 0o400),
    "grafana/admin_password": (472, 0, 0o400),
}
_ENVIRONMENT = ("API_KEY", "DASHBOARD_PASSWORD", "BROKER_NAMES", "BROKER_PORT", "SECRETS_DIRECTORY")


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def _run(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Result:
    command, *rest = arguments
    return CliRunner().invoke(app, ["secrets", command, "--directory", str(folder), *rest], env=environment)


def _created(folder: Path, environment: dict[str, str] | None = None) -> Result:
    result = _run(folder, "create", environment=environment)
    assert result.exit_code == 0, result.stderr
    return result


def _contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def _inodes(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_ino for file in folder.rglob("*")}


def _hidden(contents: dict[str, str]) -> set[str]:
    """Whatever must not be seen."""
    hidden = {text for name, text in contents.items() if name.endswith(("password", "api_key", "_url"))}
    hidden |= {match for text in contents.values() for match in re.findall(r"//[^:/]+:([^@]+)@", text)}
    hidden |= {json.loads(text)["password"] for name, text in contents.items() if name.endswith(".json")}
    return hidden | {
        line for name, text in contents.items() if name.endswith(".key") for line in text.splitlines()[1:2]
    }


@contextlib.contextmanager
def _ordinary_user() -> Iterator[Path]:
    """Go on as somebody who is not root, in a folder of theirs."""
    directory = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(directory, _NOBODY, _NOBODY)
        os.setegid(_NOBODY)
        os.seteuid(_NOBODY)
    try:
        yield directory / "secrets"
    finally:
        if is_root:
            os.seteuid(0)
            os.setegid(0)
        shutil.rmtree(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_each_file_to_its_reader_and_to_nobody_else(folder: Path) -> None:
    _created(folder)
    found = {}
    for name in _contents(folder):
        status = (folder / name).stat()
        found[name] = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
    assert found == _FILES
    assert stat.S_IMODE((folder / "ca").stat().st_mode) == 0o700


def test_an_ordinary_user_keeps_all_of_them_and_can_change_them() -> None:
    with _ordinary_user() as folder:
        _created(folder)
        contents = _contents(folder)
        assert set(contents) == set(_FILES)
        assert all(file.stat().st_uid == os.geteuid() for file in folder.rglob("*"))
        assert all(stat.S_IMODE(file.stat().st_mode) & 0o007 == 0 for file in folder.rglob("*") if file.is_file())
        assert _created(folder).stdout == "all secrets are there\n"
        assert _run(folder, "gateway", "home", "wrist").exit_code == 0
        assert _run(folder, "rotate", "preprocessor").exit_code == 0
        assert _contents(folder)["preprocessor/mqtt_url"] != contents["preprocessor/mqtt_url"]


def test_a_folder_that_cannot_be_written_is_a_mistake_in_words() -> None:
    with _ordinary_user() as folder:
        folder.mkdir(mode=0o500)
        result = _run(folder, "create")
        folder.chmod(0o700)
    assert result.exit_code == 2
    assert "cannot keep secrets in" in result.stderr
    assert "Permission denied" in result.stderr


def test_what_is_there_stays_as_it_is(folder: Path) -> None:
    _created(folder)
    _run(folder, "gateway", "home", "wrist")
    contents, inodes = _contents(folder), _inodes(folder)
    assert _created(folder).stdout == "all secrets are there\n"
    assert (_contents(folder), _inodes(folder)) == (contents, inodes)


def test_what_is_missing_is_made_and_what_depends_on_it_follows(folder: Path) -> None:
    _created(folder)
    for name in _FILES:
        before = _contents(folder)
        (folder / name).unlink()

        assert f"wrote {name}" in _created(folder).stdout

        after = _contents(folder)
        assert set(after) == set(_FILES)
        _check_agreement(folder)
        for unrelated in {"dashboard/dashboard_password", "grafana/admin_password"} - {name}:
            assert after[unrelated] == before[unrelated]


def test_half_of_a_pair_is_replaced_by_a_whole_one(folder: Path, tmp_path: Path) -> None:
    _created(folder)
    _created(tmp_path / "other")
    for name in ("broker/server.key", "ca/ca.key"):
        (folder / name).unlink()
        shutil.copy(tmp_path / "other" / name, folder / name)
        assert "the broker has a new certificate" in _created(folder).stdout
        _check_agreement(folder)


def _check_agreement(folder: Path) -> None:
    """That every service has what its server expects of it."""
    contents = _contents(folder)
    assert contents["inference/api_key"] == contents["dashboard/api_key"] == contents["prometheus/api_key"]
    users = {user["user"]: user for user in json.loads(contents["broker/users.conf"])["users"]}
    mosquitto = dict(line.split(":", 1) for line in contents["broker/passwords"].splitlines())
    for service in ("preprocessor", "inference", "simulator"):
        password = _password(contents[f"{service}/mqtt_url"])
        assert bcrypt.checkpw(password.encode(), users[service]["password"].encode())
        assert _is_mosquitto_hash(mosquitto[service], password)
    for service in ("preprocessor", "inference", "trainer"):
        password = contents[f"admin/{service}_mongodb_password"]
        assert contents[f"{service}/mongodb_url"] == f"mongodb://{service}:{password}@database:27017/repsense"
    root = contents["database/root_password"]
    assert contents["admin/mongodb_url"] == f"mongodb://root:{root}@database:27017/repsense?authSource=admin"
    authority = x509.load_pem_x509_certificate(contents["inference/broker-ca.crt"].encode())
    x509.load_pem_x509_certificate(contents["broker/server.crt"].encode()).verify_directly_issued_by(authority)


def _password(url: str) -> str:
    password = urlsplit(url).password
    assert password is not None
    return password


def _is_mosquitto_hash(line: str, password: str) -> bool:
    _, kind, iterations, salt, digest = line.split("$")
    computed = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(iterations))
    return kind == "7" and base64.b64decode(digest) == computed


def test_all_that_belongs_together_agrees(folder: Path) -> None:
    _created(folder)
    _check_agreement(folder)


def test_no_two_secrets_are_alike_and_none_can_be_guessed(folder: Path) -> None:
    _created(folder)
    contents = _contents(folder)
    broker = [_password(contents[f"{name}/mqtt_url"]) for name in ("preprocessor", "inference", "simulator")]
    others = [text for name, text in contents.items() if name.endswith("password")]
    secrets = [*broker, *others, contents["inference/api_key"]]
    assert len(set(secrets)) == len(secrets)
    assert min(len(secret) for secret in secrets) >= 16


def test_a_folder_holds_nothing_that_belongs_to_another_service(folder: Path) -> None:
    _created(folder)
    contents = _contents(folder)
    for secret, may_have in (
        (contents["database/root_password"], {"database", "admin"}),
        (contents["dashboard/dashboard_password"], {"dashboard"}),
        (contents["inference/api_key"], {"inference", "dashboard", "prometheus"}),
        (contents["trainer/mongodb_url"], {"trainer"}),
        (_password(contents["inference/mqtt_url"]), {"inference"}),
        (contents["ca/ca.key"], {"ca"}),
        (contents["preprocessor/mqtt_client_id"], {"preprocessor"}),
    ):
        assert {name.split("/")[0] for name, text in contents.items() if secret in text} == may_have


def test_what_the_user_wants_goes_before_what_was_made(folder: Path) -> None:
    _created(folder)
    _created(folder, {"API_KEY": "mine-is-long-enough", "DASHBOARD_PASSWORD": "open sesame"})
    for file in ("inference/api_key", "dashboard/api_key", "prometheus/api_key"):
        assert (folder / file).read_text() == "mine-is-long-enough"
    assert (folder / "dashboard/dashboard_password").read_text() == "open sesame"

    assert _created(folder, {"API_KEY": "", "DASHBOARD_PASSWORD": ""}).stdout == "all secrets are there\n"
    assert (folder / "inference/api_key").read_text() == "mine-is-long-enough"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"API_KEY": "tooshort"}, "API_KEY: a key has at least 16 characters"),
        ({"API_KEY": "with spaces in it, long"}, "API_KEY: a key has at least 16 characters"),
        ({"DASHBOARD_PASSWORD": "tiny"}, "DASHBOARD_PASSWORD: "),
        ({"BROKER_NAMES": "gym_local"}, "BROKER_NAMES: 'gym_local' is no name or address"),
        ({"BROKER_PORT": "x"}, "BROKER_PORT: "),
    ],
)
def test_what_cannot_be_used_is_refused_without_being_repeated(
    folder: Path, environment: dict[str, str], said: str
) -> None:
    result = _run(folder, "create", environment=environment)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    if "BROKER_NAMES" not in environment:
        assert next(iter(environment.values())) not in result.stderr.replace("BROKER_PORT: ", "").split("Input")[0]
    assert not folder.exists()


def test_secrets_are_shown_only_where_they_are_asked_for(folder: Path) -> None:
    outputs = [_created(folder)]
    _run(folder, "gateway", "home", "wrist")
    _run(folder, "home-assistant")
    outputs.append(_created(folder))
    outputs += [_run(folder, "rotate", what) for what in _run(folder, "rotate").stdout.split()]
    outputs.append(_run(folder, "ca"))
    assert all(result.exit_code == 0 for result in outputs)
    printed = "".join(result.stdout + result.stderr for result in outputs)
    assert [secret for secret in _hidden(_contents(folder)) if secret in printed] == []

    shown = _run(folder, "show").stdout
    assert {secret for secret in _hidden(_contents(folder)) if secret in shown} == {
        (folder / name).read_text()
        for name in ("dashboard/dashboard_password", "inference/api_key", "grafana/admin_password")
    }


@pytest.mark.parametrize("command", [["show"], ["ca"], ["gateway", "home", "wrist"], ["rotate", "api-key"]])
def test_before_there_are_any_it_is_said_how_they_are_made(folder: Path, command: list[str]) -> None:
    result = _run(folder, *command)
    assert (result.exit_code, "`make secrets`" in result.stderr) == (2, True)


def test_a_gateways_settings_are_what_it_needs(folder: Path) -> None:
    _created(folder)
    result = _run(folder, "gateway", "home", "wrist", "ankle")
    settings = dict(line.split("=", 1) for line in result.stdout.splitlines())
    address = BrokerAddress.parse(settings["MQTT_URL"])
    assert (address.host, address.port, address.username) == ("127.0.0.1", 8883, "gateway-home")
    assert (settings["MQTT_CA_FILE"], settings["GATEWAY_ID"]) == ("broker-ca.crt", "home")
    [user] = [
        user for user in json.loads((folder / "broker/users.conf").read_text())["users"] if "home" in user["user"]
    ]
    assert address.password is not None
    assert bcrypt.checkpw(address.password.encode(), user["password"].encode())
    assert user["permissions"]["publish"]["allow"] == [
        "repsense.v1.gateways.home.status",
        *(f"repsense.v1.sensors.wrist.{kind}" for kind in ("samples", "status", "truth")),
        *(f"repsense.v1.sensors.ankle.{kind}" for kind in ("samples", "status", "truth")),
        *(f"repsense.v1.partitions.*.sensors.{sensor}.samples" for sensor in ("wrist", "ankle")),
    ]
    assert user["permissions"]["subscribe"]["allow"] == [
        "repsense.v1.gateways.home.status",
        "repsense.v1.sensors.wrist.stored",
        "repsense.v1.sensors.ankle.stored",
    ]


def test_a_gateway_that_is_changed_keeps_its_password(folder: Path) -> None:
    _created(folder)
    before = _run(folder, "gateway", "home", "wrist").stdout
    assert _run(folder, "gateway", "home", "ankle", "--home-assistant").stdout == before
    rights = (folder / "broker/acl").read_text().partition("user gateway-home\n")[2]
    assert "topic write repsense/v1/sensors/ankle/samples" in rights
    assert "topic write homeassistant/device/repsense-ankle/config" in rights
    assert "wrist" not in rights


def test_a_gateway_that_is_removed_is_no_user_any_more(folder: Path) -> None:
    _created(folder)
    _run(folder, "gateway", "home", "wrist")
    assert _run(folder, "gateway", "home", "--remove").exit_code == 0
    assert not any("gateway-home" in text for text in _contents(folder).values())
    again = _run(folder, "gateway", "home", "--remove")
    assert (again.exit_code, "there is no gateway home" in again.stderr) == (2, True)


def test_home_assistant_may_read_what_was_described_to_it_until_it_is_removed(folder: Path) -> None:
    _created(folder)
    printed = dict(line.split(": ") for line in _run(folder, "home-assistant").stdout.splitlines())
    assert (printed["Broker"], printed["Port"], printed["Username"]) == ("127.0.0.1", "8883", "home-assistant")
    assert _run(folder, "home-assistant").stdout.endswith(f"Password: {printed['Password']}\n")
    rights = (folder / "broker/acl").read_text().partition("user home-assistant\n")[2].splitlines()
    assert "topic read repsense/v1/sensors/+/classification" in rights
    assert [right for right in rights if "write" in right and "homeassistant/" not in right] == []
    assert _created(folder).stdout == "all secrets are there\n"

    assert _run(folder, "rotate", "home-assistant").exit_code == 0
    assert not _run(folder, "home-assistant").stdout.endswith(f"Password: {printed['Password']}\n")
    assert _run(folder, "home-assistant", "--remove").exit_code == 0
    assert "home-assistant" not in (folder / "broker/users.conf").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["home"], "name all sensors of gateway home"),
        (["My-Home", "wrist"], "lower-case letters, digits and hyphens"),
        (["home", "wrist/samples"], "lower-case letters, digits and hyphens"),
        (["home", "+"], "lower-case letters, digits and hyphens"),
        (["../ca/ca", "wrist"], "lower-case letters, digits and hyphens"),
        (["home", "wrist", "--host", "gym.local"], "add it to BROKER_NAMES in .env"),
        (["home", "wrist", "--host", "müller.local"], "add it to BROKER_NAMES in .env"),
    ],
)
def test_a_gateway_that_cannot_be_is_refused(folder: Path, arguments: list[str], said: str) -> None:
    _created(folder)
    before = _contents(folder)
    result = _run(folder, "gateway", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert _contents(folder) == before


def test_the_broker_can_have_names_of_its_own(folder: Path) -> None:
    environment = {"BROKER_NAMES": "Gym.local, 192.168.1.5 fd00::5", "BROKER_PORT": "9883"}
    _created(folder)
    assert "because the broker is to be reached under other names" in _created(folder, environment).stdout
    certificate = (folder / "broker/server.crt").read_text()
    for name in ("gym.local", "Gym.local", "192.168.1.5", "fd00::5", "broker", "localhost", "127.0.0.1", "::1"):
        assert is_named(certificate, name)
    printed = _run(folder, "gateway", "home", "wrist", "--host", "fd00::5", environment=environment).stdout
    assert "@[fd00::5]:9883\n" in printed


def test_one_password_is_replaced_and_no_other_one(folder: Path) -> None:
    _created(folder)
    _run(folder, "gateway", "home", "wrist")
    before = json.loads((folder / "broker/users.conf").read_text())["users"]
    result = _run(folder, "rotate", "inference")
    after = json.loads((folder / "broker/users.conf").read_text())["users"]
    assert [old["user"] for old, new in zip(before, after, strict=True) if old != new] == ["inference"]
    assert result.stdout.splitlines()[1:] == [
        "docker compose kill -s HUP broker",
        "docker compose restart inference",
    ]
    _check_agreement(folder)


@pytest.mark.parametrize(
    "what",
    ["api-key", "dashboard-password", "simulator", "database-trainer", "cluster", "certificate", "ca", "gateway-home"],
)
def test_everything_that_is_listed_can_be_replaced(folder: Path, what: str) -> None:
    _created(folder)
    _run(folder, "gateway", "home", "wrist")
    assert what in _run(folder, "rotate").stdout.split()
    before = _contents(folder)
    assert _run(folder, "rotate", what).exit_code == 0
    assert _contents(folder) != before
    _check_agreement(folder)
    assert _created(folder).stdout == "all secrets are there\n"


def test_what_the_user_has_fixed_is_not_replaced_behind_their_back(folder: Path) -> None:
    environment = {"API_KEY": "mine-is-long-enough"}
    _created(folder, environment)
    result = _run(folder, "rotate", "api-key", environment=environment)
    assert (result.exit_code, "it is API_KEY of .env" in result.stderr) == (2, True)


def test_what_there_is_not_cannot_be_replaced(folder: Path) -> None:
    _created(folder)
    result = _run(folder, "rotate", "gateway-attic")
    assert result.exit_code == 2
    assert "there is no gateway-attic; what can be replaced is api-key, " in result.stderr


def _secrets(folder: Path, now: datetime) -> DeploymentSecrets:
    folder.mkdir(exist_ok=True)
    return DeploymentSecrets(SecretStore(folder), GivenSecrets(), lambda: now)


def test_a_certificate_is_renewed_long_before_it_ends(folder: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    _secrets(folder, now).create()
    first = (folder / "broker/server.crt").read_text()
    assert end_of(first) == now + timedelta(days=825)

    assert _secrets(folder, now + timedelta(days=400)).create() == []
    [note] = _secrets(folder, now + timedelta(days=430)).create()
    assert "because the one that was there is valid until 2028-04-05 only" in note
    assert end_of((folder / "broker/server.crt").read_text()) == now + timedelta(days=430 + 825)
    _check_agreement(folder)


def test_a_certificate_never_outlives_its_authority_which_is_renewed_too(folder: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    _secrets(folder, now).create()
    authority_ends = end_of((folder / "ca/ca.crt").read_text())
    late = authority_ends - timedelta(days=500)
    _secrets(folder, late).create()
    assert end_of((folder / "broker/server.crt").read_text()) == authority_ends

    notes = _secrets(folder, authority_ends - timedelta(days=300)).create()
    assert "the broker has a new authority: every gateway needs the new broker-ca.crt" in notes
    assert end_of((folder / "ca/ca.crt").read_text()) > authority_ends
    _check_agreement(folder)


def test_two_that_create_at_once_make_one_set_of_secrets(folder: Path) -> None:
    together = threading.Barrier(4)
    failures: list[BaseException] = []

    def create() -> None:
        try:
            together.wait()
            store = SecretStore(folder)
            with store.locked():
                DeploymentSecrets(store, GivenSecrets()).create()
        except BaseException as error:  # noqa: BLE001 - for the test, which cannot see it in a thread
            failures.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(_contents(folder)) == set(_FILES)
    _check_agreement(folder)


def test_a_write_that_fails_leaves_what_was_there(folder: Path) -> None:
    folder.mkdir()
    store = SecretStore(folder)
    mine = Owner(os.geteuid(), os.getegid())
    store.write("inference/api_key", "old", mine)
    with pytest.raises(UnicodeEncodeError):
        store.write("inference/api_key", "\ud800", mine)
    assert store.read("inference/api_key") == "old"
    assert [file.name for file in (folder / "inference").iterdir()] == ["api_key"]


def test_a_fresh_volume_is_handed_over_and_a_used_one_is_not(folder: Path, tmp_path: Path) -> None:
    fresh, used = tmp_path / "fresh", tmp_path / "used"
    fresh.mkdir()
    used.mkdir()
    (used / "data").touch()
    result = _run(folder, "create", "--give", str(fresh), "--give", str(used))
    assert result.exit_code == 0, result.stderr
    expected = 10_001 if os.geteuid() == 0 else os.geteuid()
    assert (fresh.stat().st_uid, used.stat().st_uid) == (expected, os.geteuid())

    others = [tmp_path / "volumes" / name for name in ("broker", "models")]
    for other in others:
        other.mkdir(parents=True)
    assert _run(folder, "create", "--give-each", str(tmp_path / "volumes")).exit_code == 0
    assert {other.stat().st_uid for other in others} == {expected}


def test_names_are_separated_by_commas_or_spaces() -> None:
    assert parse_names(" gym.local,10.0.0.7\tPI ") == ("gym.local", "10.0.0.7", "pi")
    assert parse_names("") == ()
    with pytest.raises(RepSenseError, match="BROKER_NAMES"):
        parse_names("*.local")
