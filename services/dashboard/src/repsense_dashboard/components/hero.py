"""What you see from two metres away: the exercise, and whether it is done correctly."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from math import ceil

from repsense_dashboard.api import Classification, Live, Sensor
from repsense_dashboard.components.markup import Icon, form_icon, icon, simulated_badge, text, tone_of_form
from repsense_dashboard.situation import Situation
from repsense_dashboard.wording import as_sentence, as_title, local_time, percent, relative_time

__all__ = ["hero"]

# Longer names look better on two lines.
_MAX_CHARACTERS_ON_ONE_LINE = 13


@dataclass(frozen=True)
class _Message:
    symbol: Icon
    title: str
    advice: str


def hero(live: Live, situation: Situation, *, now: datetime, zone: tzinfo) -> str:
    """Return the main card of the live page.

    Args:
        live: The present of the sensor.
        situation: What matters most about it.
        now: The present, by this machine's clock.
        zone: Where the reader is.
    """
    badge = simulated_badge() if live.sensor.simulated else ""
    classification = live.classification
    if situation is Situation.EXERCISE and classification is not None and classification.label is not None:
        return _exercise(classification, classification.label.exercise, classification.label.form, badge)
    message = _message(live, situation, now, zone)
    return (
        f'<section class="rs-hero rs-hero-quiet rs-hero-{situation}" role="status">'
        f'<header><span class="rs-overline">Now</span>{badge}</header>'
        f'<div class="rs-hero-message"><div class="rs-hero-symbol">{icon(message.symbol)}</div>'
        f"{_title(message.title)}<p>{text(message.advice)}</p></div></section>"
    )


def _exercise(classification: Classification, exercise: str, form: str | None, badge: str) -> str:
    tone = tone_of_form(form)
    if form is None:
        verdict = ""
    else:
        # "correct" alone would be read as "the classification is correct".
        words = f"{form} form" if tone != "neutral" else form
        verdict = f'<div class="rs-verdict">{form_icon(form)}<span>{text(as_title(words))}</span></div>'
    sure = ""
    if classification.confidence is not None:
        share = percent(classification.confidence)
        sure = (
            f'<div class="rs-sure"><span>{share} sure</span>'
            f'<span class="rs-meter"><i style="width:{classification.confidence:.0%}"></i></span></div>'
        )
    return (
        f'<section class="rs-hero rs-hero-{tone}" role="status">'
        f'<header><span class="rs-overline">Now</span>{badge}</header>'
        f"{_title(as_title(exercise))}"
        f"<footer>{verdict}{sure}</footer></section>"
    )


def _title(title: str) -> str:
    """Return the title with the number of characters per line that its type size is computed from."""
    words = title.replace("-", "- ").split()
    long = len(title) > _MAX_CHARACTERS_ON_ONE_LINE and len(words) > 1
    characters = max(*(len(word) for word in words), ceil(len(title) / 2) + 1) if long else max(len(title), 4)
    return (
        f'<h1 class="rs-title{" rs-title-long" if long else ""}" style="--characters:{characters}">{text(title)}</h1>'
    )


_MESSAGES = {
    Situation.NO_MODEL: _Message("box", "No model yet", "Signals arrive, but nothing can read them. Train a model."),
    Situation.WAITING: _Message(
        "hourglass", "Getting ready", "The first result follows when enough signal has come in."
    ),
    Situation.GAP: _Message(
        "broken", "Signal lost", "Part of the last seconds is missing. Results follow by themselves."
    ),
    Situation.RESTING: _Message("pause", "Resting", "Nothing moves. The next set begins when you do."),
    Situation.UNSURE: _Message("question", "Not sure", "This movement is not like anything the model was taught."),
}


def _message(live: Live, situation: Situation, now: datetime, zone: tzinfo) -> _Message:
    """Return what to say where no exercise is to be seen."""
    sensor = live.sensor
    match situation:
        case Situation.OFFLINE if sensor.state == "unknown":
            advice = f"{_since(sensor, now, zone)} So nobody can say whether the sensor is on."
            return _Message("question", "Not known", advice)
        case Situation.OFFLINE:
            advice = f"{_since(sensor, now, zone)} Switch the sensor on and keep it near its gateway."
            return _Message("power", "Offline", advice)
        case Situation.CONNECTING:
            reason = as_sentence(sensor.state_reason or "the gateway is looking for it")
            return _Message("search", "Connecting", f"{reason} Keep the sensor switched on and near.")
        case Situation.PROBLEM:
            problem = as_sentence(sensor.problem or "")
            return _Message("alert", "Not usable", f"{problem} Use another sensor, or a model for what this one sends.")
        case Situation.STALLED:
            return _Message("broken", "No results", "Signals arrive, but results have stopped. Is the preprocessor up?")
        case _:
            return _MESSAGES[situation]


def _since(sensor: Sensor, now: datetime, zone: tzinfo) -> str:
    """Return when the sensor was last heard of, and why it went."""
    reason = f" {as_sentence(sensor.state_reason)}" if sensor.state_reason else ""
    if sensor.last_sample_at is None:
        return f"It has not sent anything yet.{reason}"
    ago, at = relative_time(sensor.last_sample_at, now), local_time(sensor.last_sample_at, now, zone)
    return f"Last signal {ago}, at {at}.{reason}"
