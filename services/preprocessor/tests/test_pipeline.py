from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from support.models import MEAN_LABELS
from support.pipeline import BEGIN, Driver, MemoryStore, messages, movement

from repsense.channels import Channel
from repsense.messages import SamplesMessage
from repsense.timestamps import MICROSECONDS, to_epoch_us
from repsense_preprocessor.pipeline import PipelineRules

PUSH_UP, PUSH_UP_INCORRECT, SQUAT = range(3)
WORKOUT = movement([(None, 3), (SQUAT, 12), (None, 9), (PUSH_UP, 6), (PUSH_UP_INCORRECT, 8), (None, 8)])


def seconds(time_us: int) -> float:
    return (time_us - to_epoch_us(BEGIN)) / MICROSECONDS


def undisturbed(stream: Sequence[SamplesMessage]) -> MemoryStore:
    """What is stored when one message after the other comes."""
    store = MemoryStore()
    driver = Driver(store)
    for message in stream:
        driver.push([message])
    return store


def test_a_stream_becomes_windows_labels_sets_and_a_workout() -> None:
    store = undisturbed(messages(WORKOUT))

    windows = sorted(store.classifications.values(), key=lambda c: c["window_start_us"])
    n_samples_at_2_hz = -(-len(WORKOUT) // 25)
    assert [seconds(w["window_start_us"]) for w in windows] == [k / 2 for k in range(n_samples_at_2_hz - 4)]
    assert all(w["window_end_us"] - w["window_start_us"] == 2_500_000 for w in windows)
    assert windows[0]["unclassified_reason"] == "still"
    in_squats = windows[12]
    assert in_squats["label"] == {"exercise": "squat", "form": None}
    assert in_squats["probabilities"] is not None
    assert in_squats["probabilities"][SQUAT] > 0.9

    sets = sorted(store.sets.values(), key=lambda s: s["started_us"])
    assert [(s["exercise"], s["form"]) for s in sets] == [("squat", None), ("push-up", "incorrect")]
    for document, (start, end) in zip(sets, [(3, 15), (24, 38)], strict=True):
        # Smoothing shifts both ends by a stride; a window may get the label of what fills less than half of it.
        assert seconds(document["started_us"]) == pytest.approx(start, abs=1.5)
        assert seconds(document["ended_us"]) == pytest.approx(end, abs=1.5)
    assert sets[0]["state"] == "closed"
    (workout,) = store.workouts.values()
    assert (workout["n_sets"], workout["exercises"]) == (2, {"push-up": 1, "squat": 1})


def test_every_result_is_published_with_its_running_set() -> None:
    driver = Driver(MemoryStore())

    published = [r for message in messages(movement([(SQUAT, 10)])) for r in driver.push([message]).messages]

    assert [r.last_sequence for r in published] == list(range(100, 500, 25))
    last = published[-1]
    assert last.label == MEAN_LABELS[SQUAT]
    assert last.running_set is not None
    assert last.running_set.n_windows == len(published) - 1
    assert last.simulated
    assert last.probabilities is not None
    assert [p.label for p in last.probabilities] == list(MEAN_LABELS)


def test_windows_over_lost_samples_are_marked_and_not_classified() -> None:
    store = MemoryStore()
    driver = Driver(store)
    stream = messages(movement([(SQUAT, 12)]))
    lost = {25, 26, 27, 28}  # samples 250 to 289, around 5 and 5.5 s
    for number, message in enumerate(stream):
        if number not in lost:
            driver.push([message.model_copy(update={"n_lost_before": 40 if number == 29 else 0})])

    reasons = {seconds(c["window_start_us"]): c["unclassified_reason"] for c in store.classifications.values()}
    assert [start for start, reason in sorted(reasons.items()) if reason == "gap"] == [3, 3.5, 4, 4.5, 5, 5.5]
    assert store.sensors["wrist"]["n_lost"] == 40


def test_samples_are_stored_as_they_came_even_when_they_cannot_be_used() -> None:
    store = MemoryStore()
    driver = Driver(store)
    stream = messages(movement([(SQUAT, 4)]))
    late, in_order = stream[3], stream[:3] + stream[4:]

    for message in [*in_order, late, late]:
        driver.push([message])

    assert len(store.samples) == len(stream)


def test_a_sensor_without_a_channel_of_the_model_is_refused_in_words_and_its_samples_are_kept() -> None:
    store = MemoryStore()
    driver = Driver(store)
    channels = tuple(Channel)[:3]

    driver.push(messages(np.zeros((200, 3), np.float32), channels=channels), seconds=1)

    assert store.classifications == {}
    assert len(store.samples) == 20
    problem = store.sensors["wrist"]["problem"]
    assert problem is not None
    assert "no gx, gy, gz" in problem


def test_a_sensor_slower_than_the_model_is_refused_in_words() -> None:
    store = MemoryStore()
    Driver(store).push(messages(np.zeros((20, 6), np.float32), rate_hz=1.0), seconds=1)

    problem = store.sensors["wrist"]["problem"]
    assert problem is not None
    assert "1 Hz" in problem


def test_a_stream_that_changes_its_rate_is_not_believed() -> None:
    store = MemoryStore()
    driver = Driver(store)
    first, *_ = messages(movement([(SQUAT, 1)]))
    (odd, *_) = messages(movement([(SQUAT, 1)]), rate_hz=100.0)

    driver.push([first, odd.model_copy(update={"sequence": 10})])

    assert len(store.samples) == 1


def test_windows_of_several_sensors_are_classified_together() -> None:
    store = MemoryStore()
    driver = Driver(store)
    streams = [
        messages(movement([(exercise, 8)]), sensor_id=f"sensor-{exercise}", stream_id=f"s{exercise}")
        for exercise in (PUSH_UP, SQUAT)
    ]

    for batch in zip(*streams, strict=True):
        driver.push(batch)

    newest = {c["sensor_id"]: c["label"] for c in store.classifications.values()}
    assert newest == {
        "sensor-0": {"exercise": "push-up", "form": "correct"},
        "sensor-2": {"exercise": "squat", "form": None},
    }


def test_a_sensor_that_falls_silent_ends_its_set() -> None:
    store = MemoryStore()
    driver = Driver(store)
    for message in messages(movement([(SQUAT, 10)])):
        driver.push([message])

    driver.push([], seconds=11)

    assert [s["state"] for s in store.sets.values()] == ["closed"]


def test_a_set_that_was_left_open_by_a_crash_is_closed_when_its_sensor_stays_away() -> None:
    store = MemoryStore()
    driver = Driver(store)
    for message in messages(movement([(SQUAT, 10)])):
        driver.push([message])

    restarted = Driver(store)
    restarted.push([], seconds=5)
    assert [s["state"] for s in store.sets.values()] == ["open"]
    restarted.push([], seconds=6)
    assert [s["state"] for s in store.sets.values()] == ["closed"]


def test_a_reconnection_within_a_pause_goes_on_with_the_set() -> None:
    store = MemoryStore()
    driver = Driver(store)
    squats = movement([(SQUAT, 10)])
    for message in messages(squats):
        driver.push([message])
    for message in messages(squats, stream_id="s2", begin=BEGIN + timedelta(seconds=12)):
        driver.push([message])

    assert [(s["exercise"], s["state"]) for s in store.sets.values()] == [("squat", "open")]


def test_a_stream_that_was_forgotten_is_picked_up_from_the_database() -> None:
    store = MemoryStore()
    driver = Driver(store, PipelineRules(forget_s=30))
    stream = messages(movement([(SQUAT, 10)]))
    for message in stream[:25]:
        driver.push([message])
    driver.push([], seconds=31)
    assert driver.pipeline.n_streams == 0

    for message in stream[25:]:
        driver.push([message])

    assert len(store.classifications) == 16


def test_what_was_stored_but_perhaps_not_published_is_published_again() -> None:
    store = MemoryStore()
    driver = Driver(store)
    stream = messages(movement([(SQUAT, 10)]))
    for message in stream[:30]:
        driver.push([message])
    unacknowledged = driver.push(stream[30:40]).messages

    restarted = Driver(store)
    again = [result for message in stream[30:40] for result in restarted.push([message]).messages]

    assert [r.last_sequence for r in unacknowledged] == [300, 325, 350, 375]
    assert [(r.last_sequence, r.label, r.confidence) for r in again[-4:]] == [
        (r.last_sequence, r.label, r.confidence) for r in unacknowledged
    ]


def test_what_a_crashed_preprocessor_had_not_acknowledged_may_come_late_and_out_of_order() -> None:
    # The NATS server delivers it again only after `ack_wait`, when newer messages have long been coming.
    stream = messages(WORKOUT)
    ideal = undisturbed(stream)

    store = MemoryStore()
    driver = Driver(store)
    for message in stream[:60]:
        driver.push([message])
    restarted = Driver(store)
    for message in stream[80:100]:
        restarted.push([message])
    restarted.push(stream[60:80])
    for message in stream[100:]:
        restarted.push([message])

    assert store.classifications == ideal.classifications
    assert store.sets == ideal.sets


@pytest.mark.parametrize("n_stored", [0, 1])
def test_the_beginning_of_a_stream_may_come_late_after_a_crash_too(n_stored: int) -> None:
    stream = messages(WORKOUT)
    ideal = undisturbed(stream)

    store = MemoryStore()
    Driver(store).push(stream[:n_stored])
    restarted = Driver(store)
    for message in stream[20:40]:
        restarted.push([message], overtaking=True)
    restarted.push(stream[:20], overtaking=True)
    for message in stream[40:]:
        restarted.push([message])

    assert store.classifications == ideal.classifications
    assert store.sets == ideal.sets
    assert store.sensors["wrist"]["n_lost"] == 0


@pytest.mark.parametrize(("overtaking", "delayed_s"), [(True, 6), (False, 0)])
def test_a_sensor_that_counts_by_itself_begins_where_it_does(overtaking: bool, delayed_s: float) -> None:  # noqa: FBT001
    store = MemoryStore()
    driver = Driver(store)
    stream = messages(movement([(SQUAT, 12)]))[10:]

    times_s = [driver.now_s for message in stream if driver.push([message], overtaking=overtaking).messages]

    assert times_s[0] == pytest.approx(max(2.2, 0.2 + delayed_s))
    assert min(seconds(c["window_start_us"]) for c in store.classifications.values()) == 2
    assert store.sensors["wrist"]["n_lost"] == 0


def test_what_never_comes_is_given_up_even_when_nothing_else_comes() -> None:
    store = MemoryStore()
    driver = Driver(store)
    stream = messages(movement([(SQUAT, 10)]))
    for message in stream[:40] + stream[41:]:
        driver.push([message])
    assert max(seconds(c["window_end_us"]) for c in store.classifications.values()) == 8

    driver.push([], seconds=7)

    assert max(seconds(c["window_end_us"]) for c in store.classifications.values()) == 10.5


@pytest.mark.parametrize("crash_after", [1, 7, 12, 13, 20, 33, 60, 61, 62, 63, 100, 140, 200])
@pytest.mark.parametrize("n_unacknowledged", [0, 1, 3, 12, 70])
@pytest.mark.parametrize("lost", ["samples", "samples and sets", "nothing"])
def test_a_crash_at_any_moment_changes_nothing(crash_after: int, n_unacknowledged: int, lost: str) -> None:
    """Whatever of the last batch was stored, the redelivered messages lead to the same documents."""
    stream = messages(WORKOUT)
    uninterrupted = MemoryStore()
    driver = Driver(uninterrupted)
    for message in stream:
        driver.push([message])

    store = MemoryStore()
    driver = Driver(store)
    for message in stream[:crash_after]:
        driver.push([message])
    # The last batch: its messages arrive together, and the crash comes in the midst of storing it.
    last = stream[crash_after : crash_after + n_unacknowledged]
    partly = MemoryStore(*({**part} for part in vars(store).values()))
    driver.push(last)
    crashed = {"samples": partly, "samples and sets": partly, "nothing": store}[lost]
    if lost != "nothing":
        crashed.samples = store.samples
    if lost == "samples and sets":
        crashed.sets, crashed.workouts = store.sets, store.workouts
    restarted = Driver(crashed)
    for message in stream[crash_after:]:
        restarted.push([message])

    assert crashed.samples == uninterrupted.samples
    assert crashed.classifications == uninterrupted.classifications
    assert crashed.sets == uninterrupted.sets
    assert crashed.workouts == uninterrupted.workouts
