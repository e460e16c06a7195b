"""Numbers and times as people say them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from repsense_dashboard.api import Label, Sensor
from repsense_dashboard.wording import (
    about_words,
    as_title,
    connection_figures,
    connection_quality,
    counted,
    label_words,
    listed,
    local_time,
    minutes_words,
    percent,
    reconnections,
    relative_time,
    rough_duration,
    signal_strength,
    spoken_duration,
    stopwatch,
)

_NOW = datetime(2026, 3, 5, 22, 30, tzinfo=UTC)
_CET = timezone(timedelta(hours=1))


def _plain(words: str) -> str:
    return words.replace("\u00a0", " ")


def _sensor(loss_share: float | None = 0.0, sample_rate_hz: float | None = 50.0) -> Sensor:
    return Sensor(sensor_id="a", name="A", state="online", loss_share=loss_share, sample_rate_hz=sample_rate_hz)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"),
        (0.0004, "<0.1 %"),
        (0.004, "0.4 %"),
        (0.0096, "1 %"),
        (0.02, "2 %"),
        (0.5, "50 %"),
        (0.986, "99 %"),
        (0.997, "99 %"),
        (1, "100 %"),
    ],
)
def test_percent(share: float, words: str) -> None:
    assert _plain(percent(share)) == words


@pytest.mark.parametrize(
    ("sensor", "words"),
    [
        (_sensor(0.02, 49.8), "2 % lost, 49.8 Hz"),
        (_sensor(0, 100), "nothing lost, 100 Hz"),
        (_sensor(None, 49.83), "49.8 Hz"),
        (_sensor(0.1, None), "10 % lost"),
        (_sensor(None, None), ""),
        (_sensor(0, 1600.04), "nothing lost, 1600 Hz"),
        (_sensor(0.2, 50).model_copy(update={"loss": 0.02, "effective_rate_hz": 49.81}), "2 % lost, 49.8 Hz"),
        (_sensor(0.2, 50).model_copy(update={"loss": 0.0}), "nothing lost, 50 Hz"),
    ],
)
def test_connection_figures(sensor: Sensor, words: str) -> None:
    assert _plain(connection_figures(sensor)) == words


@pytest.mark.parametrize(
    ("loss_share", "quality"),
    [(None, "Good connection"), (0.01, "Good connection"), (0.03, "Fair connection"), (0.2, "Poor connection")],
)
def test_connection_quality(loss_share: float | None, quality: str) -> None:
    assert connection_quality(_sensor(loss_share)) == quality


def test_quality_is_that_of_the_last_minute() -> None:
    assert connection_quality(_sensor(0.0).model_copy(update={"loss": 0.2})) == "Poor connection"
    assert connection_quality(_sensor(0.2).model_copy(update={"loss": 0.0})) == "Good connection"


@pytest.mark.parametrize(
    ("rssi_dbm", "words"),
    [(-40, "strong signal"), (-67, "strong signal"), (-68, "fair signal"), (-80, "fair signal"), (-81, "weak signal")],
)
def test_signal_strength(rssi_dbm: int, words: str) -> None:
    assert signal_strength(rssi_dbm) == words


@pytest.mark.parametrize(
    ("number", "words"), [(1, "reconnected once"), (2, "reconnected twice"), (7, "reconnected 7 times")]
)
def test_reconnections(number: int, words: str) -> None:
    assert _plain(reconnections(number)) == words


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "0:00"), (0, "0:00"), (42.9, "0:42"), (725, "12:05"), (3723, "1:02:03")]
)
def test_stopwatch(seconds: float, shown: str) -> None:
    assert stopwatch(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (42.4, "42 s"), (59.6, "1 min"), (185, "3 min 5 s"), (3600, "1 h"), (4800, "1 h 20 min")],
)
def test_spoken_duration(seconds: float, words: str) -> None:
    assert _plain(spoken_duration(seconds)) == words


@pytest.mark.parametrize(
    ("ago_s", "words"),
    [
        (-300, "in the future"),
        (-5, "just now"),
        (1, "just now"),
        (12, "12 s ago"),
        (300, "5 min ago"),
        (3 * 3600, "3 h ago"),
        (86_400, "1 day ago"),
        (200_000, "2 days ago"),
    ],
)
def test_relative_time(ago_s: float, words: str) -> None:
    assert _plain(relative_time(_NOW - timedelta(seconds=ago_s), _NOW)) == words


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        (datetime(2026, 3, 5, 9, 42, tzinfo=UTC), "10:42"),
        (datetime(2026, 3, 4, 23, 30, tzinfo=UTC), "00:30"),
        (datetime(2026, 3, 4, 9, 42, tzinfo=UTC), "yesterday 10:42"),
        (datetime(2026, 2, 3, 9, 42, tzinfo=UTC), "3 Feb 10:42"),
        (datetime(2025, 11, 3, 9, 42, tzinfo=UTC), "3 Nov 2025 10:42"),
    ],
)
def test_local_time_is_the_readers(instant: datetime, words: str) -> None:
    assert _plain(local_time(instant, _NOW, _CET)) == words


@pytest.mark.parametrize(("words", "title"), [("push-up", "Push-up"), ("", ""), ("TRX row", "TRX row")])
def test_as_title(words: str, title: str) -> None:
    assert as_title(words) == title


def test_a_label_in_a_sentence_has_its_form_in_brackets() -> None:
    assert label_words(Label(exercise="push-up", form="incorrect")) == "push-up (incorrect)"
    assert label_words(Label(exercise="squat")) == "squat"
    assert label_words(None) == "no label"


def test_one_is_no_plural() -> None:
    assert [counted(number, "recording") for number in (0, 1, 2)] == ["0 recordings", "1 recording", "2 recordings"]


@pytest.mark.parametrize(
    ("items", "words"),
    [("", ""), ("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcdef", "a, b, c and 3 more")],
)
def test_listed(items: str, words: str) -> None:
    assert listed(items) == words


@pytest.mark.parametrize(
    ("minutes", "words"), [(0.44, "0.4 min"), (9.9, "9.9 min"), (12.4, "12 min"), (125.2, "2 h 5 min")]
)
def test_minutes_words(minutes: float, words: str) -> None:
    assert _plain(minutes_words(minutes)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(20, "less than a minute"), (290, "about 5 min"), (5900, "about 98 min"), (7100, "about 2 h")],
)
def test_about_words(seconds: float, words: str) -> None:
    assert _plain(about_words(seconds)) == words


@pytest.mark.parametrize(("seconds", "words"), [(545, "9 min 5 s"), (755, "13 min"), (4_790, "1 h 20 min")])
def test_rough_duration(seconds: float, words: str) -> None:
    assert _plain(rough_duration(seconds)) == words
