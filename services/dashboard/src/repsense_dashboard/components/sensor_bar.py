"""The connection of a sensor, in words."""

from datetime import datetime

from repsense_dashboard.api import Sensor
from repsense_dashboard.components.markup import text
from repsense_dashboard.wording import connection_figures, connection_quality, relative_time

__all__ = ["sensor_bar", "sensor_choice"]

_STATE_WORDS = {"online": "Online", "connecting": "Connecting", "offline": "Offline", "unknown": "Unknown"}


def sensor_choice(sensor: Sensor) -> str:
    """Return a sensor's name in the chooser, as plain text."""
    state = "" if sensor.state == "online" else f" · {sensor.state}"
    return f"{sensor.name}{' · simulated' if sensor.simulated else ''}{state}"


def sensor_bar(sensor: Sensor, *, now: datetime, with_name: bool) -> str:
    """Return name, state and connection quality in one line; without the name where the chooser shows it."""
    parts = [f'<span class="rs-sensor">{text(sensor.name)}</span>'] if with_name else []
    parts.append(f'<span class="rs-state rs-state-{sensor.state}"><i></i>{_STATE_WORDS[sensor.state]}</span>')
    if sensor.state == "online":
        quality = connection_quality(sensor)
        figures = connection_figures(sensor)
        parts.append(f'<span class="rs-quality">{text(quality)}</span>')
        if figures:
            parts.append(f"<span>{text(figures)}</span>")
    elif sensor.last_sample_at is not None:
        parts.append(f"<span>last signal {text(relative_time(sensor.last_sample_at, now))}</span>")
    if sensor.gateway_id:
        parts.append(f'<span class="rs-gateway">via {text(sensor.gateway_id)}</span>')
    return f'<div class="rs-bar">{"".join(parts)}</div>'
