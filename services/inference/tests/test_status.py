"""What is wrong with RepSense as a whole: seen, said in words, and gone when its cause goes."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from services.inference.tests.fakes_world import World, make_sign
from support.models import mean_manifest
from support.recordings import make_recording

from repsense.documents import ModelDocument, SensorDocument, model_key
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense.messages import SensorStatusMessage
from repsense.timestamps import to_epoch_us
from repsense.topics import SensorTopic, sensor_topic
from repsense_inference.errors import DatabaseUnavailableError
from repsense_inference.faults import Fault, FaultKind
from repsense_inference.watching import watch


@pytest.fixture
def world() -> World:
    world = World()
    world.watch.look()
    return world


def _look(world: World, seconds: float = 2.0) -> list[dict[str, Any]]:
    """Let time go by, as the watch does, and return what is wrong then."""
    while seconds > 0:
        world.clock.pass_by(2.0)
        seconds -= 2.0
        world.watch.look()
    status = world.get("/v1/status").raise_for_status().json()
    faults: list[dict[str, Any]] = status["faults"]
    assert status["state"] == ("impaired" if any(one["severity"] == "error" for one in faults) else "ok")
    return faults


def _logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == watch.__name__]


def _kinds(world: World, seconds: float = 2.0) -> list[str]:
    return [fault["kind"] for fault in _look(world, seconds)]


def _stream(world: World, **changes: object) -> None:
    """The sensor is online, and its samples are stored up to now."""
    status = SensorStatusMessage(
        sensor_id="wrist", gateway_id="gym", state="online", name="Left wrist", stream_id="s1", at=world.clock.now
    )
    world.hub.receive(sensor_topic("wrist", SensorTopic.STATUS), status.encode(), retained=True)
    _store(world, **changes)


def _store(world: World, **changes: object) -> None:
    document: dict[str, Any] = {
        "_id": "wrist",
        "stream_id": "s1",
        "channels": ["ax", "ay", "az"],
        "sample_rate_hz": 50.0,
        "first_seen_us": 0,
        "last_sample_us": to_epoch_us(world.clock.now),
        "n_samples": 1,
        "n_lost": 0,
        "n_duplicate": 0,
        "problem": None,
        "simulated": False,
    }
    world.sensors.documents["wrist"] = SensorDocument(**(document | changes))  # type: ignore[typeddict-item]


def test_nothing_is_wrong(world: World) -> None:
    _stream(world)

    assert _look(world) == []
    assert world.get("/v1/status").json()["state"] == "ok"
    assert world.get("/readyz").json()["status"] == "ready"


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.DATABASE_AWAY,
        FaultKind.DATABASE_PASSWORD,
        FaultKind.DATABASE_RIGHTS,
        FaultKind.DATABASE_ELECTING,
        FaultKind.DATABASE_SCHEMA,
    ],
)
def test_a_database_that_cannot_be_read_is_not_ready(world: World, kind: FaultKind) -> None:
    world.database.fault = Fault(kind, "the database is not as it should be")

    (fault,) = _look(world)

    assert (fault["kind"], fault["part"], fault["severity"]) == (kind, "database", "error")
    assert fault["detail"] == "the database is not as it should be"
    assert fault["title"].startswith("The database ")
    assert fault["advice"].endswith(".")
    ready = world.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"][0] == {"name": "database", "ok": False, "kind": kind, "detail": fault["detail"]}

    world.database.fault = None

    assert _look(world) == []
    assert world.get("/readyz").json()["status"] == "ready"


def test_a_database_that_is_full_is_read_and_said_to_be(world: World) -> None:
    world.database.fault = Fault(FaultKind.DATABASE_FULL, "the database has no room left on its disk")

    assert _kinds(world) == ["database-full"]
    ready = world.get("/readyz").raise_for_status().json()
    assert ready["status"] == "impaired"
    assert ready["checks"][0]["kind"] == "database-full"


@pytest.mark.parametrize("kind", [FaultKind.BROKER_AWAY, FaultKind.BROKER_PASSWORD, FaultKind.BROKER_CERTIFICATE])
def test_of_a_broker_that_is_not_there_only_those_with_the_key_read_where_it_is(world: World, kind: FaultKind) -> None:
    world.hub.disconnected(Fault(kind, "the message broker is not there", inside="nobody is at broker:8883"))

    (fault,) = _look(world)

    assert (fault["kind"], fault["part"], fault["detail"]) == (kind, "broker", "nobody is at broker:8883")
    assert world.get("/readyz").json()["checks"][1]["detail"] == "the message broker is not there"

    world.hub.connected()

    assert _look(world) == []


def test_a_fault_says_since_when_and_a_second_one_of_its_kind_anew(world: World) -> None:
    world.database.fault = Fault(FaultKind.DATABASE_AWAY, "it is away")
    began = world.clock.now + timedelta(seconds=2)

    assert {fault["since"] for fault in (*_look(world), *_look(world, 60))} == {f"{began:%Y-%m-%dT%H:%M:%SZ}"}

    world.database.fault = None
    assert _look(world) == []
    world.database.fault = Fault(FaultKind.DATABASE_AWAY, "it is away")
    assert _look(world)[0]["since"] > f"{began:%Y-%m-%dT%H:%M:%SZ}"


def test_the_log_says_what_comes_and_goes_but_not_what_is_only_just_being_opened(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, watch.__name__)
    world = World()
    world.database.fault = Fault(FaultKind.DATABASE_AWAY, "it has not been asked yet")
    assert _kinds(world) == ["database-away"]
    world.database.fault = None
    assert _look(world) == []
    assert _logged(caplog) == []

    world.hub.disconnected(Fault(FaultKind.BROKER_AWAY, "it is away"))
    _look(world, 10)
    world.hub.connected()
    _look(world)

    assert _logged(caplog) == ["broker-away: it is away", "broker-away: no longer"]


def test_what_is_wrong_from_the_beginning_is_logged_when_it_stays(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.database.fault = Fault(FaultKind.DATABASE_AWAY, "it is away")

    _look(world, 10)

    assert _logged(caplog) == ["database-away: it is away"]


def test_errors_come_first_and_what_others_need_before_the_rest(world: World) -> None:
    world.model.refusal = "version 3 does not fit"
    world.free_bytes = 10**6
    world.hub.disconnected(Fault(FaultKind.BROKER_AWAY, "the broker is away"))

    assert _kinds(world) == ["broker-away", "disk-full", "model-refused"]


def test_a_model_that_is_missing_is_said_and_what_follows_from_it_is_not(world: World) -> None:
    world.model.classifier, world.model.fault = None, Fault(FaultKind.MODEL_MISSING, "no model in models/bodyweight")
    world.preprocessors.is_alive = False

    assert _kinds(world, 60) == ["model-missing"]
    assert world.get("/readyz").status_code == 503


def test_a_preprocessor_that_is_gone_is_noticed_and_so_is_that_it_is_back(world: World) -> None:
    assert _kinds(world, 20) == []
    world.preprocessors.is_alive = False

    assert _kinds(world, 8) == []
    assert _kinds(world, 6) == ["preprocessor-away"]
    check = world.get("/readyz").json()["checks"][3]
    assert (check["name"], check["ok"], check["kind"]) == ("preprocessor", False, "preprocessor-away")

    world.preprocessors.is_alive = True
    assert _kinds(world) == []


def test_without_any_sign_of_a_preprocessor_there_is_none_after_a_while(world: World) -> None:
    world.preprocessors.documents = []

    assert _kinds(world, 8) == []
    assert _kinds(world, 6) == ["preprocessor-away"]


def test_after_the_database_was_away_a_preprocessor_has_time_to_be_heard(world: World) -> None:
    world.database.fault = Fault(FaultKind.DATABASE_AWAY, "it is away")
    world.preprocessors.is_alive = False
    assert _kinds(world, 60) == ["database-away"]

    world.database.fault = None
    assert _kinds(world, 8) == []


def test_what_keeps_a_preprocessor_from_working_is_said_in_its_words(world: World) -> None:
    world.preprocessors.documents = [make_sign({"model": "no version of the model at tf:8500 can be used"})]

    (fault,) = _look(world)

    assert (fault["kind"], fault["detail"]) == (
        "preprocessor-waiting",
        "no version of the model at tf:8500 can be used",
    )
    assert world.get("/readyz").json()["checks"][3]["detail"] == "it lacks: model"


def test_that_the_broker_is_away_is_said_once(world: World) -> None:
    world.preprocessors.documents = [make_sign({"broker": "the broker cannot be reached"})]
    world.hub.disconnected(Fault(FaultKind.BROKER_AWAY, "the broker is away"))

    assert _kinds(world) == ["broker-away"]


def test_what_waits_too_long_to_be_stored_is_late(world: World) -> None:
    world.preprocessors.documents = [make_sign(oldest_waiting_s=250.0)]

    (fault,) = _look(world)

    assert (fault["kind"], fault["severity"]) == ("behind", "remark")
    assert "4 minutes" in fault["detail"]
    world.preprocessors.documents = [make_sign(oldest_waiting_s=0.4)]
    assert _look(world) == []


def test_a_sensor_that_streams_and_is_not_stored_is_named(world: World) -> None:
    _stream(world)
    assert _kinds(world, 14) == []

    (fault,) = _look(world, 6)

    assert (fault["kind"], fault["subjects"]) == ("not-stored", ["wrist"])
    assert fault["detail"] == "Left wrist is online, but nothing new has been stored for a while"
    # The database may be the reason: whether it takes changes is tried at once.
    assert world.database.n_doubts
    _store(world)
    assert _look(world) == []


def test_a_sensor_that_is_offline_need_not_be_stored(world: World) -> None:
    _stream(world)
    status = SensorStatusMessage(sensor_id="wrist", gateway_id="gym", state="offline", at=world.clock.now)
    world.hub.receive(sensor_topic("wrist", SensorTopic.STATUS), status.encode(), retained=True)

    assert _look(world, 60) == []


def test_that_signals_are_not_stored_follows_from_a_preprocessor_that_is_away(world: World) -> None:
    _stream(world)
    world.preprocessors.is_alive = False

    assert _kinds(world, 60) == ["preprocessor-away"]
    world.preprocessors.is_alive = True
    assert _kinds(world) == []


def test_a_database_that_goes_away_while_it_is_looked_into_is_away_at_once(world: World) -> None:
    def go_away() -> list[SensorDocument]:
        world.database.fault = Fault(FaultKind.DATABASE_AWAY, "it is away")
        raise DatabaseUnavailableError(world.database.fault.detail)

    world.sensors.all = go_away  # type: ignore[method-assign]

    assert _kinds(world) == ["database-away"]


@pytest.mark.parametrize(
    ("free_bytes", "kinds"),
    [(None, []), (10**10, []), (2 * 10**8, ["disk-low"]), (63 * 10**6, ["disk-full"]), (0, ["disk-full"])],
)
def test_room_for_models_is_watched(world: World, free_bytes: int | None, kinds: list[str]) -> None:
    world.free_bytes = free_bytes

    assert _kinds(world) == kinds


@pytest.mark.parametrize(
    ("jump", "words"),
    [
        (timedelta(hours=5), "put forward by 5 hours"),
        (timedelta(days=-3), "put back by 3 days"),
        (timedelta(seconds=20), "put forward by 20 s"),
    ],
)
def test_a_clock_that_was_set_is_said_for_a_while(world: World, jump: timedelta, words: str) -> None:
    world.clock.now += jump

    (fault,) = _look(world)

    assert (fault["kind"], fault["severity"]) == ("clock-jumped", "remark")
    assert fault["detail"].endswith(words)
    assert _kinds(world, 590) == ["clock-jumped"]
    assert _kinds(world, 20) == []


def test_a_clock_that_is_corrected_a_little_was_not_set(world: World) -> None:
    for _ in range(20):
        world.clock.now += timedelta(seconds=1)
        assert _look(world) == []


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (timedelta(hours=2), "that of gym is 2 hours ahead of this server's"),
        # It may have waited so long.
        (timedelta(minutes=-3), None),
        (timedelta(seconds=5), None),
    ],
)
def test_a_gateway_whose_clock_differs_is_named(offset: timedelta, words: str | None) -> None:
    world = World()
    # What it sends is compared with the clock of this machine.
    from_gateway = _now() + offset
    status = SensorStatusMessage(sensor_id="wrist", gateway_id="gym", state="connecting", at=from_gateway)
    world.hub.receive(sensor_topic("wrist", SensorTopic.STATUS), status.encode())

    faults = _look(world)

    assert [(one["kind"], one["detail"], one["subjects"]) for one in faults] == (
        [("clocks-differ", words, ["gym"])] if words else []
    )


def test_a_status_that_the_broker_has_kept_says_nothing_of_clocks() -> None:
    world = World()
    status = SensorStatusMessage(sensor_id="wrist", gateway_id="gym", state="offline", at=_now() - timedelta(days=3))
    world.hub.receive(sensor_topic("wrist", SensorTopic.STATUS), status.encode(), retained=True)

    assert _look(world) == []


def test_samples_from_the_future_are_noticed_until_they_are_not(world: World) -> None:
    _store(world, last_sample_us=to_epoch_us(world.clock.now + timedelta(minutes=10)))

    (fault,) = _look(world)

    assert (fault["kind"], fault["subjects"]) == ("samples-from-future", ["wrist"])
    assert fault["detail"] == "the last of wrist was taken in 10 minutes"
    assert _look(world, 600) == []


def test_a_model_that_has_forgotten_exercises_is_said_for_a_day(world: World) -> None:
    before = mean_manifest(version=1).model_copy(update={"labels": (Label(exercise="squat"), Label(exercise="dip"))})
    _use(world, before, ago=timedelta(days=9))
    _use(world, mean_manifest(version=2), ago=timedelta(0))

    (fault,) = _look(world)

    assert (fault["kind"], fault["severity"]) == ("model-labels", "remark")
    assert fault["detail"] == "version 2 of mean does not know dip any more"
    world.clock.pass_by(86_400)
    assert _look(world) == []


def test_a_model_that_knows_nothing_of_what_was_recorded_is_said(world: World) -> None:
    known = mean_manifest().labels[0].exercise
    world.shelves.recordings.keep(make_recording(10, label=Label(exercise="headstand")))

    (fault,) = _look(world)

    assert fault["kind"] == "model-labels"
    assert "recorded was headstand" in fault["detail"]
    world.shelves.recordings.keep(make_recording(10, label=Label(exercise=known)))
    assert _look(world) == []


def test_faults_are_metrics_while_they_stand(world: World) -> None:
    world.free_bytes = 0
    _look(world)

    def shown() -> bool:
        line = 'repsense_inference_fault{kind="disk-full",part="disk",severity="error"} 1.0'
        return line in world.get("/metrics").text

    assert shown()
    world.free_bytes = None
    _look(world)
    assert not shown()


def test_each_kind_has_its_words() -> None:
    for kind in FaultKind:
        fault = Fault(kind, "what is the case")
        assert fault.title[0].isupper()
        assert not fault.title.endswith(".")
        assert fault.advice.endswith(".")
        assert fault.severity in {"error", "remark"}
        assert fault.part


def _use(world: World, manifest: ModelManifest, ago: timedelta) -> None:
    key = model_key(manifest.name, manifest.version)
    world.models.documents[key] = ModelDocument(
        _id=key,
        name=manifest.name,
        version=manifest.version,
        manifest=manifest.model_dump_json(),
        first_used_us=to_epoch_us(world.clock.now - ago),
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
