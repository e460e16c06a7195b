"""Numbers and times as people say them. Pure functions, no I/O."""

from datetime import datetime, timedelta, tzinfo

from repsense_dashboard.api import Sensor

__all__ = [
    "as_title",
    "connection_figures",
    "connection_quality",
    "local_time",
    "percent",
    "relative_time",
    "spoken_duration",
    "stopwatch",
]

_NBSP = "\u00a0"
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86_400

# Up to a percent is what Bluetooth loses near a body; from five on, windows of the model start to have holes.
_GOOD_LOSS_SHARE = 0.01
_FAIR_LOSS_SHARE = 0.05


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
    loss_share = sensor.loss_share or 0.0
    if loss_share <= _GOOD_LOSS_SHARE:
        return "Good connection"
    return "Fair connection" if loss_share <= _FAIR_LOSS_SHARE else "Poor connection"


def connection_figures(sensor: Sensor) -> str:
    """Return loss and rate: "2 % lost, 49.8 Hz", or what of it is known."""
    parts = []
    if sensor.loss_share is not None:
        parts.append(f"{percent(sensor.loss_share)} lost" if sensor.loss_share else "nothing lost")
    if sensor.sample_rate_hz is not None:
        parts.append(f"{sensor.sample_rate_hz:.3g}{_NBSP}Hz")
    return ", ".join(parts)


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


def relative_time(then: datetime, now: datetime) -> str:
    """Return how long ago something was: "just now", "12 s ago", "5 min ago", "3 h ago", "2 days ago".

    A time slightly in the future (two clocks never agree) is "just now".
    """
    seconds = (now - then).total_seconds()
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


def as_title(words: str) -> str:
    """Return a user's words with a capital letter in front, and the rest as they wrote it."""
    return words[:1].upper() + words[1:]
