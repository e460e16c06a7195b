"""Sounds, in the browser that shows the page.

A browser allows no sound before the first click or key press on the page; until then these are silent. What is played
is told apart by its token: the same call in the next run plays nothing again, and an element that is left out of a run
takes back the cues that have not sounded yet.
"""

from typing import Literal

import streamlit as st

from repsense_dashboard.components.scripts import script

__all__ = ["Cue", "count_down", "play"]

Cue = Literal["tick", "go", "stop", "wrong"]

_MOUNT = st.components.v2.component("repsense_sound", js=script("tones.js", "sound.js"), isolate_styles=False)


def play(cue: Cue, token: str, *, key: str = "sound") -> None:
    """Play a cue, once per token.

    Args:
        cue: "tick" for each second of a countdown, "go" at its end, "stop" when a take ends, "wrong" for wrong form.
        token: Unique in this session, such as the id of a take and what happens to it.
        key: Unique on the page.
    """
    _mount([(0.0, cue)], token, key)


def count_down(seconds: int, token: str, *, key: str = "sound") -> None:
    """Play a tick now and every second, and "go" after `seconds`: in step, whenever the page is drawn anew."""
    ticks: list[tuple[float, Cue]] = [(float(second), "tick") for second in range(seconds)]
    _mount([*ticks, (float(seconds), "go")], token, key)


def _mount(cues: list[tuple[float, Cue]], token: str, key: str) -> None:
    _MOUNT(data={"cues": [list(each) for each in cues], "token": token}, key=key)
