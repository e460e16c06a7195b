"""Numbers and times as people say them. Pure functions, no I/O."""

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from repsense_dashboard.api import Label, Sensor

__all__ = [
    "about_words",
    "as_sentence",
    "as_title",
    "connection_figures",
    "connection_quality",
    "counted",
    "label_words",
    "listed",
    "local_time",
    "minutes_words",
    "percent",
    "reconnections",
    "relative_time",
    "rough_duration",
    "signal_strength",
    "spoken_duration",
    "stopwatch",
]

_NBSP = "\u00a0"
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86_400
_LONG_S = 600

# Up to a percent is what Bluetooth loses near a body; from five on, windows of the model start to have holes.
_GOOD_LOSS_SHARE = 0.01
_FAIR_LOSS_SHARE = 0.05

# From a sensor on the body to a gateway in the same room; below the second, notifications begin to be lost.
_STRONG_DBM = -67
_FAIR_DBM = -80

_OFTEN = {1: "once", 2: "twice"}


def percent(share: float) -> str:
    """Return a share of 0 to 1 as "2 %", with one decimal below one percent.

    >>> percent(0.5).split()
    ['50', '%']
    """
    value = share * 100
    if 0 < value < 0.05:  # noqa: PLR2004  (what would print as 0.0)
        return f"<0.1{_NBSP}%"
    if 0 < value < 0.95:  # noqa: PLR2004  (what would print as 1.0)
        return f"{value:.1f}{_NBSP}%"
    # Only certainty is 100 %: 99.7 % rounds down.
    return f"{int(value) if value > 99 else round(value)}{_NBSP}%"  # noqa: PLR2004


def connection_quality(sensor: Sensor) -> str:
    """Return what the loss means: "Good connection", "Fair connection" or "Poor connection"."""
    lost = _lost_share(sensor) or 0.0
    if lost <= _GOOD_LOSS_SHARE:
        return "Good connection"
    return "Fair connection" if lost <= _FAIR_LOSS_SHARE else "Poor connection"


def connection_figures(sensor: Sensor) -> str:
    """Return loss and rate: "2 % lost, 49.8 Hz", or what of it is known."""
    parts = []
    lost = _lost_share(sensor)
    if lost is not None:
        parts.append(f"{percent(lost)} lost" if lost else "nothing lost")
    rate_hz = sensor.effective_rate_hz or sensor.sample_rate_hz
    if rate_hz is not None:
        parts.append(f"{f'{rate_hz:.1f}'.removesuffix('.0')}{_NBSP}Hz")
    return ", ".join(parts)


def _lost_share(sensor: Sensor) -> float | None:
    """Return what is lost now: that of the last minute where it is known, as a stream goes on for hours."""
    return sensor.loss if sensor.loss is not None else sensor.loss_share


def signal_strength(rssi_dbm: int) -> str:
    """Return how strong the radio signal is: "strong signal", "fair signal" or "weak signal"."""
    if rssi_dbm >= _STRONG_DBM:
        return "strong signal"
    return "fair signal" if rssi_dbm >= _FAIR_DBM else "weak signal"


def reconnections(number: int) -> str:
    """Return how often a connection was made anew: "reconnected once", "reconnected 3 times"."""
    return f"reconnected {_OFTEN.get(number) or f'{number}{_NBSP}times'}"


def stopwatch(seconds: float) -> str:
    """Return a running time as on a stopwatch: "0:42", "12:05", "1:02:03"."""
    total = max(0, int(seconds))
    hours, rest = divmod(total, _HOUR_S)
    minutes, second = divmod(rest, _MINUTE_S)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def spoken_duration(seconds: float) -> str:
    """Return how long something took: "42 s", "3 min 5 s", "1 h 20 min"."""
    total = max(0, round(seconds))
    if total < _MINUTE_S:
        return f"{total}{_NBSP}s"
    if total < _HOUR_S:
        minutes, second = divmod(total, _MINUTE_S)
        return f"{minutes}{_NBSP}min" + (f" {second}{_NBSP}s" if second else "")
    hours, rest = divmod(total, _HOUR_S)
    minutes = rest // _MINUTE_S
    return f"{hours}{_NBSP}h" + (f" {minutes}{_NBSP}min" if minutes else "")


def rough_duration(seconds: float) -> str:
    """Return a sum of durations, which needs no seconds when it is long: "9 min 5 s", "12 min", "1 h 20 min"."""
    return spoken_duration(seconds if seconds < _LONG_S else round(seconds / _MINUTE_S) * _MINUTE_S)


def minutes_words(minutes: float) -> str:
    """Return an amount of recordings: "0.4 min", "12 min", "2 h 5 min"."""
    return f"{minutes:.1f}{_NBSP}min" if minutes < 9.95 else spoken_duration(round(minutes) * _MINUTE_S)  # noqa: PLR2004


def about_words(seconds: float) -> str:
    """Return a duration that nobody can know exactly: "less than a minute", "about 5 min", "about 2 h"."""
    if seconds < _MINUTE_S:
        return "less than a minute"
    if seconds < 100 * _MINUTE_S:
        return f"about {round(seconds / _MINUTE_S)}{_NBSP}min"
    return f"about {round(seconds / _HOUR_S)}{_NBSP}h"


def relative_time(then: datetime, now: datetime) -> str:
    """Return how long ago something was: "just now", "12 s ago", "5 min ago", "3 h ago", "2 days ago".

    A time slightly in the future (two clocks never agree) is "just now"; one that no clock should say is "in the
    future".
    """
    seconds = (now - then).total_seconds()
    if seconds < -_MINUTE_S:
        return "in the future"
    if seconds < 2:  # noqa: PLR2004  (nobody tells one second from now)
        return "just now"
    if seconds < _MINUTE_S:
        return f"{int(seconds)}{_NBSP}s ago"
    if seconds < _HOUR_S:
        return f"{int(seconds // _MINUTE_S)}{_NBSP}min ago"
    if seconds < _DAY_S:
        return f"{int(seconds // _HOUR_S)}{_NBSP}h ago"
    days = int(seconds // _DAY_S)
    return f"{days}{_NBSP}{'day' if days == 1 else 'days'} ago"


def local_time(instant: datetime, now: datetime, zone: tzinfo) -> str:
    """Return the time of day where the reader is, with as much of the date as is needed.

    "10:42", "yesterday 10:42", "3 Nov 10:42", "3 Nov 2025 10:42".
    """
    local, today = instant.astimezone(zone), now.astimezone(zone).date()
    clock = f"{local:%H:%M}"
    if local.date() == today:
        return clock
    if local.date() == today - timedelta(days=1):
        return f"yesterday {clock}"
    date = f"{local.day}{_NBSP}{local:%b}"
    return f"{date} {clock}" if local.year == today.year else f"{date} {local.year} {clock}"


def label_words(label: Label | None) -> str:
    """Return a label for a sentence: "squat", "squat (too shallow)", "no label". A model's figures name it so, too."""
    if label is None:
        return "no label"
    return label.exercise if label.form is None else f"{label.exercise} ({label.form})"


def counted(number: int, noun: str) -> str:
    """Return so many of something: "1 recording", "3 recordings"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(items: Iterable[str], *, most: int = 4) -> str:
    """Return things in a sentence: "a, b and c", "a, b, c and 4 more".

    >>> listed(["jump", "lunge", "squat"])
    'jump, lunge and squat'
    """
    named = list(items)
    if len(named) > most:
        named = [*named[: most - 1], f"{len(named) - most + 1} more"]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def as_sentence(words: str) -> str:
    """Return words of another service as a sentence: with a capital letter in front, and a full stop."""
    words = words.strip()
    return as_title(words) + ("" if words.endswith((".", "!", "?")) else ".") if words else ""


def as_title(words: str) -> str:
    """Return a user's words with a capital letter in front, and the rest as they wrote it."""
    return words[:1].upper() + words[1:]
