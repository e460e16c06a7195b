"""The time of a take in digits that can be read from the floor, a Streamlit component."""

from typing import Literal

import streamlit as st

from repsense_dashboard.components.scripts import script

__all__ = ["take_clock"]

_MOUNT = st.components.v2.component("repsense_take_clock", js=script("take_clock.js"), isolate_styles=False)


def take_clock(
    seconds: float,
    *,
    counts: Literal["down", "up"],
    token: str,
    at_zero: str = "",
    with_minutes: bool = True,
    key: str = "take-clock",
) -> None:
    """Show a running time.

    Args:
        seconds: What is left of it, or what has passed, at this moment.
        counts: Which of the two.
        token: Unique for each run of the clock.
        at_zero: Shown in place of a zero at the end.
        with_minutes: As "0:12" instead of "12".
        key: Unique on the page.
    """
    _MOUNT(
        data={
            "seconds": round(seconds, 2),
            "counts": counts,
            "token": token,
            "at_zero": at_zero,
            "with_minutes": with_minutes,
        },
        key=key,
    )
