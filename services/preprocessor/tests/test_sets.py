from dataclasses import replace

import pytest
from support.models import mean_manifest

from repsense.documents import SetDocument, WorkoutDocument
from repsense.labels import Label
from repsense.timestamps import MICROSECONDS
from repsense_preprocessor.sets import SetRules, SetTracker

LETTERS = {
    "P": Label(exercise="push-up", form="correct"),
    "p": Label(exercise="push-up", form="incorrect"),
    "S": Label(exercise="squat"),
    ".": None,
}
STEP_US = MICROSECONDS // 2
"""Windows of 2.5 s begin every half second."""
HALF_WINDOW_US = 5 * STEP_US // 2
RULES = SetRules(max_pause_s=4, min_windows=4, workout_pause_s=60, stored_every=1)


class Stored:
    """What a database would hold after each update."""

    def __init__(self) -> None:
        self.sets: dict[str, SetDocument] = {}
        self.workouts: dict[str, WorkoutDocument] = {}

    def feed(self, tracker: SetTracker, timeline: str, first: int = 0) -> None:
        for step, letter in enumerate(timeline, start=first):
            self.keep(
                tracker,
                tracker.update(step * STEP_US, (step + 5) * STEP_US, LETTERS[letter], 0.9, simulated=True),
            )

    def keep(self, tracker: SetTracker, changed: list[SetDocument]) -> None:
        self.sets |= {document["_id"]: document for document in changed}
        if changed and tracker.workout is not None:
            self.workouts[tracker.workout["_id"]] = tracker.workout

    def exercises(self) -> list[tuple[str, str, int]]:
        return [(s["exercise"], s["state"], s["n_windows"]) for s in self.sets.values()]


def followed(timeline: str) -> Stored:
    stored = Stored()
    stored.feed(SetTracker("wrist", mean_manifest(), RULES), timeline)
    return stored


@pytest.mark.parametrize(
    ("timeline", "sets"),
    [
        # one letter per window, every half second
        ("SSS", []),
        ("SSSS", [("squat", "open", 4)]),
        ("SSSS..SSSS", [("squat", "open", 8)]),
        ("SSSS" + "." * 14, [("squat", "closed", 4)]),
        ("SSSSSPPPPP", [("squat", "closed", 5), ("push-up", "open", 5)]),
        ("SSSSSPSSSSS", [("squat", "closed", 5), ("squat", "open", 5)]),
        ("PPPPPpppp", [("push-up", "open", 9)]),
    ],
)
def test_sets_of_a_timeline(timeline: str, sets: list[tuple[str, str, int]]) -> None:
    assert followed(timeline).exercises() == sets


def test_form_is_that_of_most_windows() -> None:
    (document,) = followed("PPppp").sets.values()

    assert document["form"] == "incorrect"
    assert document["form_windows"] == {"correct": 2, "incorrect": 3}


def test_a_set_lasts_from_the_middle_of_its_first_window_to_the_middle_of_its_last() -> None:
    (document,) = followed("..SSSSS.").sets.values()

    assert (document["started_us"], document["ended_us"]) == (
        2 * STEP_US + HALF_WINDOW_US,
        6 * STEP_US + HALF_WINDOW_US,
    )
    assert document["confidence"] == pytest.approx(0.9)
    assert document["simulated"]


def test_sets_never_overlap_though_windows_do() -> None:
    first, second = followed("SSSSSPPPPP").sets.values()

    assert second["started_us"] >= first["ended_us"]


def test_close_ends_the_running_set_and_forgets_a_try() -> None:
    tracker = SetTracker("wrist", mean_manifest(), RULES)
    stored = Stored()
    stored.feed(tracker, "SSSS")
    stored.keep(tracker, tracker.close())
    stored.feed(tracker, "PP", first=10)

    assert tracker.close() == []
    assert stored.exercises() == [("squat", "closed", 4)]


def test_sets_belong_to_one_workout_until_a_long_pause() -> None:
    stored = followed("SSSS" + "." * 60 + "PPPP" + "." * 200 + "SSSS")

    first, second = stored.workouts.values()
    assert (first["n_sets"], first["exercises"]) == (2, {"push-up": 1, "squat": 1})
    assert (second["n_sets"], second["exercises"]) == (1, {"squat": 1})
    assert [s["workout_id"] for s in stored.sets.values()] == [first["_id"], first["_id"], second["_id"]]


def test_a_workout_does_not_go_on_for_ever() -> None:
    # A set every 10 s; the fourth begins 30 s after the workout.
    timeline = ("SSSS" + "." * 16) * 5
    stored = Stored()
    stored.feed(SetTracker("wrist", mean_manifest(), replace(RULES, workout_max_s=29.9)), timeline)

    assert [workout["n_sets"] for workout in stored.workouts.values()] == [3, 2]
    assert len(followed(timeline).workouts) == 1


def test_a_workout_totals_its_exercises() -> None:
    stored = followed("PPpp" + "." * 10 + "SSSSS" + "." * 10 + "PPPPPppp")

    (workout,) = stored.workouts.values()
    assert workout["totals"] == [
        # From the middle of the first window of each set to the middle of its last.
        {
            "exercise": "push-up",
            "n_sets": 2,
            "duration_us": (3 + 7) * STEP_US,
            "form_windows": {"correct": 7, "incorrect": 5},
        },
        {"exercise": "squat", "n_sets": 1, "duration_us": 4 * STEP_US, "form_windows": {}},
    ]


def test_totals_follow_the_set_that_goes_on() -> None:
    tracker = SetTracker("wrist", mean_manifest(), RULES)
    stored = Stored()

    stored.feed(tracker, "PPPP")
    (before,) = [dict(workout) for workout in stored.workouts.values()]
    stored.feed(tracker, "pp", first=4)
    (after,) = stored.workouts.values()

    assert before["totals"] == [
        {"exercise": "push-up", "n_sets": 1, "duration_us": 3 * STEP_US, "form_windows": {"correct": 4}}
    ]
    assert after["totals"][0]["duration_us"] == 5 * STEP_US
    assert after["totals"][0]["form_windows"] == {"correct": 4, "incorrect": 2}


@pytest.mark.parametrize("crash_after", range(1, 30))
def test_a_restart_that_sees_windows_again_changes_nothing(crash_after: int) -> None:
    timeline = "..SSSSSSSS.SS" + "." * 10 + "PPPpppppp.."
    rules = replace(RULES, stored_every=3)
    uninterrupted = Stored()
    uninterrupted.feed(SetTracker("wrist", mean_manifest(), rules), timeline)

    stored = Stored()
    stored.feed(SetTracker("wrist", mean_manifest(), rules), timeline[:crash_after])
    workout = max(stored.workouts.values(), key=lambda w: w["started_us"], default=None)
    restarted = SetTracker("wrist", mean_manifest(), rules, sets=stored.sets.values(), workout=workout)
    # Windows back to a few before the crash are seen again: as many as make a set, and as may be unstored of one.
    again = max(0, crash_after - rules.min_windows - rules.stored_every)
    stored.feed(restarted, timeline[again:], first=again)

    assert stored.sets == uninterrupted.sets
    assert stored.workouts == uninterrupted.workouts
    (workout,) = stored.workouts.values()
    assert [total["n_sets"] for total in workout["totals"]] == [1, 1]


def test_a_stream_whose_clock_lies_before_the_last_set_begins_anew() -> None:
    tracker = SetTracker("wrist", mean_manifest(), RULES)
    stored = Stored()
    stored.feed(tracker, "SSSS", first=1_000)
    stored.keep(tracker, tracker.begin_stream(0))
    stored.feed(tracker, "PPPP", first=0)

    assert stored.exercises() == [("squat", "closed", 4), ("push-up", "open", 4)]
