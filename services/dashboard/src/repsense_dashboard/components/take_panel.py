"""What is to be seen from the floor while a take is under way. Pure functions to HTML."""

from datetime import datetime

from repsense_dashboard.api import Label
from repsense_dashboard.api.movement import Movement
from repsense_dashboard.components.markup import form_chip, icon, text
from repsense_dashboard.components.movement_strip import movement_strip
from repsense_dashboard.take import TakeState
from repsense_dashboard.wording import as_title

__all__ = ["drop_out_message", "repetition_count", "take_head", "take_strip"]

_WORDS = {
    TakeState.COUNTDOWN: "Get ready",
    TakeState.RECORDING: "Recording",
    TakeState.STORING: "Storing",
}


def take_head(state: TakeState, label: Label | None) -> str:
    """Return what goes on, and of what."""
    title = as_title(label.exercise) if label else "Without a label"
    return (
        f'<header class="rs-take-head rs-take-{state}" role="status"><span class="rs-overline"><i></i>{_WORDS[state]}'
        f"</span><h1>{text(title)}</h1>{form_chip(label.form if label else None)}</header>"
    )


def repetition_count(n_repetitions: int) -> str:
    """Return how many repetitions there are, in digits that beat with each."""
    # Two names for one animation: only a new name makes it run again.
    beat = f" rs-beat-{n_repetitions % 2}" if n_repetitions else ""
    return (
        f'<div class="rs-repetitions"><b class="rs-number{beat}">{n_repetitions}</b>'
        f"<span>{'repetition' if n_repetitions == 1 else 'repetitions'}</span></div>"
    )


def take_strip(movement: Movement | None, *, began_at: datetime, elapsed_s: float, whole_s: float) -> str:
    """Return the movement as it comes, with a mark for each repetition.

    Args:
        movement: Of the take so far; None until some is known.
        began_at: When the take began, in the sensor's time.
        elapsed_s: How long it has lasted.
        whole_s: How long it will last, as far as that is known.
    """
    repetitions = movement.repetitions if movement else ()
    places = [(each - began_at).total_seconds() / whole_s for each in repetitions]
    return movement_strip(
        movement.preview if movement else (),
        share=min(1.0, elapsed_s / whole_s),
        repetitions=[min(1.0, max(0.0, place)) for place in places],
        words=f"The movement so far, with {len(repetitions)} repetitions",
    )


def drop_out_message(*, silent_s: float, interruptions: int) -> str:
    """Return the warning that signal is missing; nothing while all is well.

    Args:
        silent_s: For how long nothing has come; 0 while samples come.
        interruptions: How many gaps there are behind.
    """
    if silent_s:
        words = "The sensor has dropped out. Keep it near its gateway: the take goes on when it is back."
    elif interruptions:
        words = "The signal was interrupted. What comes after the gap is stored as a part of its own."
    else:
        return '<span class="rs-nothing"></span>'
    return f'<p class="rs-drop-out" role="alert">{icon("broken")}<span>{words}</span></p>'
