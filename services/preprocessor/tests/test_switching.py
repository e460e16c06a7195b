"""Another version of the model takes over in the midst of a stream, at any moment."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from support.models import MEAN_LABELS, mean_manifest
from support.pipeline import BEGIN, Driver, MemoryStore, messages, movement

from repsense.channels import UNITS, Channel
from repsense.documents import ClassificationDocument
from repsense.labels import Label
from repsense.manifest import ModelManifest
from repsense.messages import ClassificationMessage, SamplesMessage
from repsense.timestamps import MICROSECONDS, to_epoch_us
from repsense_preprocessor.pipeline import PipelineRules

PUSH_UP, PUSH_UP_INCORRECT, SQUAT = range(3)
WORKOUT = movement([(None, 3), (SQUAT, 12), (None, 9), (PUSH_UP, 6), (PUSH_UP_INCORRECT, 8), (None, 8)])
ONE, TWO = mean_manifest(), mean_manifest(version=2)
MOMENTS = [1, 7, 12, 13, 20, 33, 37, 38, 39, 60, 61, 62, 63, 64, 65, 66, 100, 140, 141, 150, 175, 200, 229]

Switches = Sequence[tuple[int, ModelManifest]]


def worked(stream: Sequence[SamplesMessage], switches: Switches = (), *, restart: bool = False) -> MemoryStore:
    """Begin with version 1; before the message of each number, the given model takes over."""
    store = MemoryStore()
    driver = Driver(store, manifest=ONE)
    for number, message in enumerate(stream):
        for manifest in (manifest for moment, manifest in switches if moment == number):
            if restart:
                driver = Driver(store, manifest=manifest)
            else:
                driver.switch(manifest)
        driver.push([message])
    return store


def results(store: MemoryStore) -> list[ClassificationDocument]:
    return sorted(store.classifications.values(), key=lambda document: document["window_end_us"])


def ends_s(store: MemoryStore) -> list[float]:
    return [(c["window_end_us"] - to_epoch_us(BEGIN)) / MICROSECONDS for c in results(store)]


def sets(store: MemoryStore) -> dict[str, dict[str, Any]]:
    """The sets without the version that began them; a result is stored with six digits."""
    return {
        key: {**document, "model_version": None, "confidence": round(document["confidence"], 4)}
        for key, document in store.sets.items()
    }


def brief(store: MemoryStore) -> list[tuple[str, str | None, str]]:
    found = sorted(store.sets.values(), key=lambda document: document["started_us"])
    return [(document["exercise"], document["form"], document["state"]) for document in found]


def assert_same_but_for_the_version(store: MemoryStore, ideal: MemoryStore) -> None:
    assert store.samples == ideal.samples
    assert ends_s(store) == ends_s(ideal)
    for found, expected in zip(results(store), results(ideal), strict=True):
        assert found["label"] == expected["label"]
        assert found["confidence"] == pytest.approx(expected["confidence"], abs=1e-5)
        assert found["probabilities"] == expected["probabilities"]
    assert sets(store) == sets(ideal)
    assert store.workouts == ideal.workouts


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("restart", [False, True])
def test_a_version_that_answers_alike_changes_nothing_but_the_number(moment: int, *, restart: bool) -> None:
    stream = messages(WORKOUT)

    store = worked(stream, [(moment, TWO)], restart=restart)

    assert_same_but_for_the_version(store, worked(stream))
    versions = [c["model_version"] for c in results(store)]
    assert versions == sorted(versions)
    # The first window is complete with sample 100, and so with message 10; one follows with every 25 samples.
    assert versions.count(1) == max(0, -(-(moment - 10) * 10 // 25))
    assert len(store.sensors) == 1
    assert store.sensors["wrist"]["n_lost"] == 0


@pytest.mark.parametrize("n_between", [0, 1, 2, 3, 5, 10, 40])
@pytest.mark.parametrize("moment", [33, 62, 150, 175])
def test_a_version_that_is_taken_back_soon_leaves_no_trace_but_its_results(moment: int, n_between: int) -> None:
    stream = messages(WORKOUT)

    store = worked(stream, [(moment, TWO), (moment + n_between, ONE)])

    assert_same_but_for_the_version(store, worked(stream))


@pytest.mark.parametrize("n_between", [1, 3, 10])
def test_many_switches_in_a_row_change_nothing(n_between: int) -> None:
    stream = messages(WORKOUT)
    switches = [
        (moment, mean_manifest(version=1 + number % 4))
        for number, moment in enumerate(range(n_between, len(stream), n_between))
    ]

    assert_same_but_for_the_version(worked(stream, switches), worked(stream))


OTHERS: dict[str, Mapping[str, object]] = {
    "longer windows": {"window_size": 8},
    "much longer windows": {"window_size": 20},
    "shorter windows": {"window_size": 3},
    "faster": {"sample_rate_hz": 10.0, "window_size": 20, "stride": 2},
    "at a rate that does not divide the sensor's": {"sample_rate_hz": 3.7, "window_size": 9, "stride": 2},
    "longer strides": {"window_size": 6, "stride": 3},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("moment", [1, 13, 62, 100, 101, 150])
@pytest.mark.parametrize("n_before_rollback", [None, 2, 20])
def test_each_moment_is_answered_once_whatever_the_windows_of_the_versions(
    changes: Mapping[str, object], moment: int, n_before_rollback: int | None
) -> None:
    other = mean_manifest(version=2, **changes)
    stream = messages(WORKOUT)
    switches = [(moment, other)] + ([(moment + n_before_rollback, ONE)] if n_before_rollback else [])

    store = worked(stream, switches)

    found = results(store)
    versions = [c["model_version"] for c in found]
    assert sum(before != after for before, after in pairwise(versions)) <= len(switches)
    # Between two results lies the stride of the version that gave the second one, or less where it took over.
    for before, after in pairwise(found):
        manifest = ONE if after["model_version"] == 1 else other
        stride_us = manifest.stride / manifest.sample_rate_hz * MICROSECONDS
        between_us = after["window_end_us"] - before["window_end_us"]
        if before["model_version"] == after["model_version"]:
            assert between_us == pytest.approx(stride_us, abs=2)
        elif to_epoch_us(BEGIN) + manifest.window_s * MICROSECONDS <= before["window_end_us"]:
            assert 0 < between_us <= stride_us + 2
    # No window of the last version is missing at the end.
    last = ONE if n_before_rollback else other
    assert ends_s(store)[-1] > len(WORKOUT) / 50 - (last.stride + 1) / last.sample_rate_hz


@pytest.mark.parametrize("moment", range(60, 140, 7))
def test_a_set_goes_on_over_a_switch_when_the_exercise_is_the_same(moment: int) -> None:
    labels = (MEAN_LABELS[PUSH_UP], Label(exercise="plank"), Label(exercise="squat", form="correct"))
    other = mean_manifest(version=2, labels=labels, window_size=6)
    stream = messages(movement([(SQUAT, 30)]))

    store = worked(stream, [(moment, other)])

    ((exercise, form, state),) = brief(store)
    assert (exercise, form, state) == ("squat", "correct", "open")
    (document,) = store.sets.values()
    assert document["n_windows"] >= len(results(store)) - 4


def test_a_set_that_the_next_version_takes_for_another_exercise_ends_there() -> None:
    labels = (Label(exercise="plank"), Label(exercise="row"), Label(exercise="lunge"))
    stream = messages(movement([(SQUAT, 30)]))

    store = worked(stream, [(75, mean_manifest(version=2, labels=labels))])

    assert brief(store) == [("squat", None, "closed"), ("lunge", None, "open")]


def test_nothing_is_published_twice() -> None:
    driver = Driver(MemoryStore())
    published: list[ClassificationMessage] = []
    for number, message in enumerate(messages(WORKOUT)):
        if number in {40, 43, 120}:
            driver.switch(TWO if number != 43 else ONE)
        published += driver.push([message]).messages

    times = [result.window_end_at for result in published]
    assert times == sorted(set(times))


def test_a_sensor_that_stops_at_a_switch_keeps_its_whole_set_which_is_closed() -> None:
    stream = messages(movement([(SQUAT, 10)]))
    ideal = MemoryStore()
    driver = Driver(ideal)
    for message in stream:
        driver.push([message])
    driver.push([], seconds=11)
    store = MemoryStore()
    driver = Driver(store)
    for message in stream:
        driver.push([message])

    driver.switch(TWO)
    driver.push([], seconds=11)

    assert sets(store) == sets(ideal)
    assert [state for *_, state in brief(store)] == ["closed"]


def test_what_waited_for_a_late_message_at_the_switch_is_not_lost() -> None:
    stream = messages(WORKOUT)
    store = MemoryStore()
    driver = Driver(store)
    for message in [*stream[:60], *stream[65:70]]:
        driver.push([message])
    driver.switch(TWO)
    for message in [*stream[60:65], *stream[70:]]:
        driver.push([message])

    assert_same_but_for_the_version(store, worked(stream))


def test_a_loss_at_the_switch_is_a_loss_and_nothing_more() -> None:
    stream = messages(movement([(SQUAT, 12)]))
    lost = [*stream[:25], stream[29].model_copy(update={"n_lost_before": 40}), *stream[30:]]

    for moment in range(22, 32):
        store = worked(lost, [(moment, TWO)])
        assert_same_but_for_the_version(store, worked(lost))


def test_samples_are_counted_over_a_switch() -> None:
    stream = messages(movement([(SQUAT, 20)]))
    store = worked(stream, [(73, TWO)])

    driver = Driver(store)
    driver.push([stream[-1]], seconds=1)

    assert store.sensors["wrist"]["n_samples"] == 1000


def test_a_sensor_that_an_earlier_version_could_not_use_is_taken_up() -> None:
    three = tuple(Channel)[:3]
    units = {channel: UNITS[channel] for channel in three}
    modest = mean_manifest(version=2, channels=three, units=units, stillness=None)
    stream = messages(movement([(SQUAT, 20)])[:, :3], channels=three)

    store = worked(stream, [(50, modest)])

    assert {c["model_version"] for c in results(store)} == {2}
    assert ends_s(store)[-1] == 20.0
    assert store.sensors["wrist"]["problem"] is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sample_rate_hz": 100.0}, "wrist: the sensor delivers 50 Hz but the model needs 100 Hz"),
        (
            {"channels": tuple(Channel), "units": {channel: UNITS[channel] for channel in Channel}},
            "wrist: the sensor has no mx, my, mz, which the model mean needs",
        ),
    ],
)
def test_a_model_that_a_streaming_sensor_cannot_serve_is_a_misfit_until_the_sensor_is_silent(
    changes: Mapping[str, object], reason: str
) -> None:
    driver = Driver(MemoryStore(), PipelineRules())
    driver.push(messages(movement([(SQUAT, 2)])), seconds=1)
    other = mean_manifest(version=2, **changes)

    assert (driver.pipeline.misfit(other) or "").startswith(reason)
    assert driver.pipeline.misfit(TWO) is None

    driver.push([], seconds=11)
    assert driver.pipeline.misfit(other) is None


def test_a_sensor_that_is_not_classified_anyway_does_not_hold_a_model_up() -> None:
    driver = Driver(MemoryStore())
    driver.push(messages(np.zeros((50, 3), np.float32), channels=tuple(Channel)[:3]), seconds=1)

    assert driver.pipeline.misfit(mean_manifest(version=2, sample_rate_hz=4.0)) is None


def test_windows_of_the_background_speak_for_unknown_with_their_probabilities() -> None:
    resting = mean_manifest(background=(MEAN_LABELS[SQUAT],))
    store = MemoryStore()
    driver = Driver(store, manifest=resting)
    for message in messages(movement([(PUSH_UP, 8), (SQUAT, 8)])):
        driver.push([message])

    last = results(store)[-1]
    assert last["label"] is None
    assert last["confidence"] == 0
    assert last["window_label"] == {"exercise": "squat", "form": None}
    assert last["probabilities"] is not None
    assert last["probabilities"][SQUAT] > 0.9
    assert [exercise for exercise, *_ in brief(store)] == ["push-up"]
