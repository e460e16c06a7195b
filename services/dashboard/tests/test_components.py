"""What the parts of the page make of what the API says, where the page's own tests do not look."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from services.dashboard.tests import fake_api

from repsense_dashboard.api import Candidate, Classification, Label, Live, Sensor, SignalWindow
from repsense_dashboard.api.workouts import WorkoutTimeline
from repsense_dashboard.components.candidates import candidates_card
from repsense_dashboard.components.hero import hero
from repsense_dashboard.components.signal import arrange_signal
from repsense_dashboard.components.workout_timeline import timeline_picture
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.situation import Situation

_START = datetime(2026, 3, 5, 10, 0, tzinfo=UTC)


def _window(channels: tuple[str, ...], offsets_s: list[float]) -> SignalWindow:
    samples: list[list[float | None]] = [[float(row)] * len(channels) for row in range(len(offsets_s))]
    return SignalWindow(sensor_id="a", channels=channels, start_at=_START, offsets_s=offsets_s, samples=samples)


def test_signal_has_one_chart_per_group_that_the_sensor_has() -> None:
    signal = arrange_signal(_window(("gx", "ax", "ay", "az", "temperature"), [0.0, 0.1]), seconds=10)
    assert [chart["title"] for chart in signal["charts"]] == ["Acceleration", "Angular rate"]
    assert [line["axis"] for line in signal["charts"][0]["lines"]] == ["x", "y", "z"]


def test_signal_ends_at_the_newest_sample() -> None:
    signal = arrange_signal(_window(("ax",), [0.0, 0.5, 1.0]), seconds=10)
    assert signal["offsets_s"] == [-1.0, -0.5, 0.0]
    assert signal["end_s"] == _START.timestamp() + 1.0


def test_signal_is_interrupted_where_samples_are_missing() -> None:
    #             ____________ missing
    offsets_s = [0.0, 0.1, 0.2, 1.2, 1.3, 1.4]
    signal = arrange_signal(_window(("ax",), offsets_s), seconds=10)
    assert signal["offsets_s"] == [-1.4, -1.3, -1.2, None, -0.2, -0.1, 0.0]
    assert signal["charts"][0]["lines"][0]["values"] == [0.0, 1.0, 2.0, None, 3.0, 4.0, 5.0]


def test_a_value_that_is_missing_interrupts_its_line_only() -> None:
    window = _window(("ax", "ay"), [0.0, 0.1])
    window.samples[1][0] = None
    lines = arrange_signal(window, seconds=10)["charts"][0]["lines"]
    assert [line["values"] for line in lines] == [[0.0, None], [0.0, 1.0]]


@pytest.mark.parametrize("offsets_s", [[], [0.0]])
def test_hardly_any_signal_is_no_error(offsets_s: list[float]) -> None:
    assert arrange_signal(_window(("ax",), offsets_s), seconds=10)["offsets_s"] == offsets_s


def test_candidates_are_the_most_probable_in_order() -> None:
    probabilities = tuple(
        Candidate(label=Label(exercise=name), probability=share)
        for name, share in [("rare", 0.01), ("likely", 0.6), ("never", 0.0), ("maybe", 0.3), ("hardly", 0.09)]
    )
    classification = Classification.model_validate(fake_api.make_classification("likely")).model_copy(
        update={"probabilities": probabilities}
    )
    html = candidates_card(classification)
    places = [html.index(name) for name in ("likely", "maybe", "hardly", "rare")]
    assert places == sorted(places)
    assert "never" not in html


def test_candidates_take_the_same_room_without_any() -> None:
    full = candidates_card(Classification.model_validate(fake_api.make_classification("squat")))
    assert candidates_card(None).count("<li") == full.count("<li")


@pytest.mark.parametrize("form", [None, "correct", "incorrect", "too shallow"])
def test_a_form_is_always_said_in_words(form: str | None) -> None:
    live = Live(
        sensor=Sensor.model_validate(fake_api.make_sensor()),
        classification=Classification.model_validate(fake_api.make_classification("squat", form)),
    )
    html = hero(live, Situation.EXERCISE, now=_START, zone=UTC)
    assert ("rs-verdict" in html) == (form is not None)
    if form is not None:
        assert form[1:] in html


@pytest.mark.parametrize("day", [28, 29])
def test_a_timeline_has_its_times_also_on_the_day_on_which_clocks_are_set(day: int) -> None:
    berlin = ReaderZone(ZoneInfo("Europe/Berlin"), "Europe/Berlin")
    start = datetime(2026, 3, day, 10, 0, tzinfo=berlin.zone).astimezone(UTC)
    timeline = WorkoutTimeline(started_at=start, ended_at=start + timedelta(minutes=40), sets=(), windows=())
    picture = timeline_picture(timeline, selected=None, zone=berlin)
    assert re.findall(r"left:([\d.]+)%\">(\d\d:\d\d)<", picture) == [
        ("0.00", "10:00"), ("25.00", "10:10"), ("50.00", "10:20"), ("75.00", "10:30"), ("100.00", "10:40"),
    ]  # fmt: skip
