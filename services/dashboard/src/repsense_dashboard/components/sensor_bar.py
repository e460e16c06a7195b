"""The connection of a sensor, in words."""

from datetime import datetime

from repsense_dashboard.api import Sensor
from repsense_dashboard.components.markup import icon, plain, text
from repsense_dashboard.wording import (
    connection_figures,
    connection_quality,
    percent,
    reconnections,
    relative_time,
    signal_strength,
)

__all__ = ["sensor_bar", "sensor_choice"]

# Less lasts for no workout.
_LOW_BATTERY_PERCENT = 15

_STATE_WORDS = {"online": "Online", "connecting": "Connecting", "offline": "Offline", "unknown": "Unknown"}


def sensor_choice(sensor: Sensor) -> str:
    """Return a sensor in the chooser, for a label of Streamlit's."""
    state = "" if sensor.state == "online" else f" · {sensor.state}"
    return f"{plain(sensor.name)}{' · simulated' if sensor.simulated else ''}{state}"


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
        parts += _radio_and_battery(sensor)
    elif sensor.last_sample_at is not None:
        parts.append(f"<span>last signal {text(relative_time(sensor.last_sample_at, now))}</span>")
    if sensor.gateway_id:
        parts.append(f'<span class="rs-gateway">via {text(sensor.gateway_id)}</span>')
    return f'<div class="rs-bar">{"".join(parts)}</div>'


def _radio_and_battery(sensor: Sensor) -> list[str]:
    parts = []
    if sensor.rssi_dbm is not None:
        parts.append(f'<span title="{sensor.rssi_dbm} dBm">{signal_strength(sensor.rssi_dbm)}</span>')
    if sensor.battery_percent is not None:
        low = sensor.battery_percent <= _LOW_BATTERY_PERCENT
        words = f"battery {percent(sensor.battery_percent / 100)}"
        parts.append(
            f'<span class="rs-text-incorrect">{icon("alert")} {words}</span>' if low else f"<span>{words}</span>"
        )
    if sensor.n_reconnects:
        parts.append(f'<span class="rs-reconnected">{reconnections(sensor.n_reconnects)}</span>')
    return parts
