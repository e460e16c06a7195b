"""What the training page looks like in each of its states, for pictures."""

from functools import partial

from services.dashboard.tests import fake_api, fake_training
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_training import FakeTraining, make_evaluation, make_job, make_manifest, make_model
from services.dashboard.tests.scenes import Scene

__all__ = ["SCENES"]


def _world(world: World, **changes: object) -> FakeTraining:
    fake_api.show_push_ups(world)
    fake = FakeTraining(
        holdings=fake_training.make_holdings(),
        models=[
            make_model(make_manifest(3, evaluation=make_evaluation(skill=0.8, few_shot=False)), "in_use"),
            make_model(make_manifest(2, evaluation=make_evaluation(fake_training.LABELS[:6], skill=0.7)), "promoted"),
        ],
        jobs=[
            make_job("b" * 32, "succeeded", ago_s=86_400 * 3, model_version=3),
            make_job("a" * 32, "failed", ago_s=86_400 * 4, error="the memory does not suffice for this training"),
        ],
    )
    for name, value in changes.items():
        setattr(fake, name, value)
    world.routes.append(fake)
    return fake


def _form(world: World) -> None:
    _world(world)


def _running(world: World) -> None:
    fake = _world(world)
    progress = fake_training.make_progress(4, 15, epoch=17)
    fake.jobs.insert(0, make_job("c" * 32, "running", ago_s=64, progress=progress))
    fake.logs["c" * 32] = ["INFO 270 recordings", "INFO 1 of 15: leaving out subject Anna"]


def _result(world: World) -> None:
    fake = _world(world)
    fake.jobs.insert(0, make_job("d" * 32, "running", ago_s=200))
    fake.succeed("d" * 32, make_manifest(4, evaluation=make_evaluation(skill=1.4)))


def _empty(world: World) -> None:
    _world(world, holdings=[], models=[], jobs=[])


def _one_session(world: World) -> None:
    holdings = [
        fake_training.make_holding("squat", minutes=0.3),
        fake_training.make_holding("lunge"),
        fake_training.make_holding(None, n_recordings=2),
    ]
    _world(world, holdings=holdings, jobs=[], models=[])


_scene = partial(Scene, path="train", ready=".rs-list-head")

SCENES = {
    "form": _scene(_form),
    "running": _scene(_running),
    "result": _scene(_result),
    "empty": _scene(_empty),
    "one-session": _scene(_one_session),
}
