"""A page of nothing but components, for the tests in a browser: Streamlit runs it by its path."""

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.resources import files

import streamlit as st

from repsense_dashboard.components import sound
from repsense_dashboard.components.signal_editor import (
    Band,
    EditorView,
    Mark,
    editor_movement,
    editor_signal,
    seen_range,
    signal_editor,
)

_TAKE_S = 10.0
_DAY_S = 86_400.0


def _take(revision: int) -> EditorView:
    offsets_s = [number / 50 for number in range(500)]
    samples = [
        [6 * math.sin(3 * at + axis) if 1.5 < at < 8 else 0.05 for axis in range(3)]
        + [2 * math.cos(3 * at + axis) if 1.5 < at < 8 else 0.0 for axis in range(3)]
        for at in offsets_s
    ]
    return EditorView(
        signal=editor_signal(("ax", "ay", "az", "gx", "gy", "gz"), offsets_s, samples),
        duration_s=_TAKE_S,
        label="Signal of the take",
        start_at=datetime(2026, 3, 5, 10, 0, tzinfo=UTC),
        selection=(1.4, 8.1) if revision else (2.0, 8.0),
        revision=revision,
        required=True,
        marks=[Mark(2.1 + 1.05 * number) for number in range(6)],
    )


def _day() -> EditorView:
    values = [
        None if 600 < minute < 640 else abs(math.sin(minute / 17)) * (5 if minute % 200 < 60 else 0.3)
        for minute in range(1440)
    ]
    return EditorView(
        signal=editor_movement(values, step_s=60),
        duration_s=_DAY_S,
        label="Movement of the last day",
        start_at=datetime(2026, 3, 5, 0, 0, tzinfo=UTC),
        # Said back, as pages do that keep what is selected for themselves.
        selection=st.session_state.get("said_back"),
        detailed=True,
        marks=[Mark(36_000, "gap", "the sensor was disconnected")],
        bands=[
            Band(12_000, 15_600, "push-up (correct)", "r1", "recording"),
            Band(14_000, 19_600, "squat", "s1", "set"),
            Band(36_500, 36_900, "sit-up", "s2", "incorrect"),
            Band(60_000, 63_600, "lunge", "r2", "recording"),
        ],
        height=8,
    )


for sheet in ("icons.css", "base.css", "widgets.css", "editor.css"):
    st.html(f"<style>{files('repsense_dashboard').joinpath('assets', sheet).read_text(encoding='utf-8')}</style>")

if st.button("Trim by itself"):
    st.session_state["revision"] = st.session_state.get("revision", 0) + 1
with st.container(key="card-take"):
    take = signal_editor(_take(st.session_state.get("revision", 0)), key="take")
with st.container(key="card-day"):
    day = signal_editor(_day(), key="day")
    st.session_state["said_back"] = day and (day.start_s, day.end_s)
if st.button("Make a sound"):
    st.session_state["sound"] = st.session_state.get("sound", 0) + 1
st.button("Draw again")
if "sound" in st.session_state:
    sound.play("go", f"sound-{st.session_state['sound']}")
if st.toggle("Count down"):
    sound.count_down(3, "countdown", key="countdown")

st.session_state["runs"] = st.session_state.get("runs", 0) + 1
shown = {
    "take": take and asdict(take),
    "day": day and asdict(day),
    "seen": seen_range("day"),
    "runs": st.session_state["runs"],
}
st.html(f'<pre class="shown">{json.dumps(shown)}</pre>')
