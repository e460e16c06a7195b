from collections.abc import Collection, Iterator

from services.inference.tests.fakes_workouts import SECOND, T0, make_set, make_workout

from repsense.documents import SetDocument, SetEditDocument
from repsense_inference.edited_workouts import workout_as_seen
from repsense_inference.workout_export import with_sets

_HOUR = 3600 * SECOND


def _no_edits(_: Collection[str]) -> dict[str, SetEditDocument]:
    return {}


def _workout(sensor_id: str, started_us: int) -> list[SetDocument]:
    """Three sets, ten minutes apart."""
    return [
        make_set(started_us + number * 600 * SECOND, sensor_id=sensor_id, workout_id=f"{sensor_id}-{started_us}")
        for number in range(3)
    ]


def test_sets_come_to_their_workouts_although_those_of_several_sensors_are_mixed() -> None:
    #   ankle        |--|--|
    #   wrist     |--|--|          |--|--|
    workouts = [_workout("wrist", T0 + _HOUR), _workout("ankle", T0 + 300 * SECOND), _workout("wrist", T0)]
    sets = sorted((one for sets in workouts for one in sets), key=lambda one: one["started_us"], reverse=True)

    found = list(with_sets([workout_as_seen(make_workout(*one)) for one in workouts], sets, _no_edits))

    assert [workout.workout_id for workout, _ in found] == [
        f"wrist-{T0 + _HOUR}",
        f"ankle-{T0 + 300 * SECOND}",
        f"wrist-{T0}",
    ]
    assert [[one.set_id for one in of_workout] for _, of_workout in found] == [
        [one["_id"] for one in sets] for sets in workouts
    ]


def test_no_more_sets_are_read_than_the_next_workout_needs() -> None:
    n_read = 0

    def reading() -> Iterator[SetDocument]:
        nonlocal n_read
        for number in range(2_000):
            n_read += 1
            yield make_set(T0 - number * _HOUR, workout_id=f"wrist-{T0 - number * _HOUR}")

    workouts = (
        workout_as_seen(make_workout(make_set(T0 - number * _HOUR, workout_id=f"wrist-{T0 - number * _HOUR}")))
        for number in range(2_000)
    )

    first = next(with_sets(workouts, reading(), _no_edits))

    assert len(first[1]) == 1
    assert n_read <= 500


def test_sets_of_other_workouts_are_passed_over() -> None:
    wanted, later = _workout("wrist", T0), _workout("wrist", T0 + _HOUR)

    ((_, found),) = with_sets([workout_as_seen(make_workout(*wanted))], [*later[::-1], *wanted[::-1]], _no_edits)

    assert [one.set_id for one in found] == [one["_id"] for one in wanted]


def test_a_workout_without_sets_is_there_too() -> None:
    ((workout, sets),) = with_sets([workout_as_seen(make_workout(*_workout("wrist", T0)))], [], _no_edits)

    assert (workout.n_sets, sets) == (3, [])
