"""A sound when the form turns wrong: off, a beep or words, as the person in front of this browser likes it."""

import streamlit as st

from repsense_dashboard.components.scripts import script

__all__ = ["form_alarm"]

_MOUNT = st.components.v2.component("repsense_form_alarm", js=script("tones.js", "form_alarm.js"), isolate_styles=False)


def form_alarm(sensor_id: str, form: str | None, *, key: str) -> None:
    """Show the switch, and make the sound that it stands for.

    Args:
        sensor_id: The sensor that is shown; another one that is wrong already makes no sound.
        form: How its exercise is done now; None without an exercise.
        key: Unique on the page.
    """
    _MOUNT(data={"sensor_id": sensor_id, "form": form}, key=key)
