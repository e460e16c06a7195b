"""What the live page can look like: each scene puts the world into one of its states."""

from datetime import UTC, datetime, timedelta

from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.scenes import Scene

__all__ = ["SCENES"]


def _correct(world: World) -> None:
    fake_api.show_push_ups(world)


def _incorrect(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.classification = fake_api.make_classification("squat", "incorrect", 0.78)


def _without_form(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.sensors[0]["channels"] = list(fake_api.CHANNELS[:6])
    world.classification = fake_api.make_classification("mountain climber", None, 0.88)


def _resting(world: World) -> None:
    fake_api.show_push_ups(world)
    world.running_set = None
    world.sets[0] |= {"ended_at": fake_api.iso(datetime.now(UTC) - timedelta(seconds=64))}
    world.classification = fake_api.make_classification(
        None, unclassified_reason="still", probabilities=None, confidence=None, simulated=True
    )


def _unsure(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.running_set = None
    world.sets = []
    world.classification = fake_api.make_classification(None, confidence=0.41)


def _gap(world: World) -> None:
    _unsure(world)
    world.classification = fake_api.make_classification(None, unclassified_reason="gap", probabilities=None)


def _several(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.sensors[0] |= {"name": "Anna, wrist", "battery_percent": 83, "rssi_dbm": -58, "n_reconnects": 2}
    world.sensors += [
        fake_api.make_sensor("ben", name="Ben, wrist", loss=0.08),
        fake_api.make_sensor("chris", name="Chris, left ankle", simulated=True),
        fake_api.make_sensor("dana", name="Dana", state="connecting"),
        fake_api.make_sensor("spare", name="Spare sensor with a long name", state="offline"),
    ]


def _offline(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    last = fake_api.iso(datetime.now(UTC) - timedelta(minutes=12))
    world.sensors = [fake_api.make_sensor(state="offline", state_reason="the sensor disconnected", last_sample_at=last)]


def _connecting(world: World) -> None:
    world.sensors = [fake_api.make_sensor(state="connecting", last_sample_at=None, loss_share=None)]


def _problem(world: World) -> None:
    world.sensors = [
        fake_api.make_sensor(
            channels=list(fake_api.CHANNELS[:6]),
            problem="the model bodyweight needs the channels mx, my and mz, which this sensor does not deliver",
        )
    ]


def _waiting(world: World) -> None:
    world.sensors = [fake_api.make_sensor()]


def _no_model(world: World) -> None:
    world.sensors = [fake_api.make_sensor()]
    world.models = []


def _no_sensor(world: World) -> None:
    world.sensors = []


def _error(world: World) -> None:
    world.problem = {"status": 503, "title": "No database", "detail": "The document database does not answer."}


def _weak(world: World) -> None:
    fake_api.show_push_ups(world, simulated=False)
    world.sensors[0] |= {
        "loss": 0.064,
        "effective_rate_hz": 46.8,
        "battery_percent": 9,
        "rssi_dbm": -86,
        "n_reconnects": 4,
    }
    world.classification = fake_api.make_classification("bulgarian split squat", "incorrect", 0.71)


def _key(world: World) -> None:
    world.api_key = "another-key-than-the-dashboards"


SCENES = {
    name: Scene(arrange, path="", ready=".rs-hero, .rs-notice")
    for name, arrange in {
        "correct": _correct,
        "incorrect": _incorrect,
        "without-form": _without_form,
        "resting": _resting,
        "unsure": _unsure,
        "gap": _gap,
        "several": _several,
        "offline": _offline,
        "connecting": _connecting,
        "problem": _problem,
        "waiting": _waiting,
        "no-model": _no_model,
        "no-sensor": _no_sensor,
        "error": _error,
        "weak": _weak,
        "key": _key,
    }.items()
}
