"""The signal as something to select a part of: by mouse, finger or keyboard, from a take to a day."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import streamlit as st

from repsense_dashboard.components.scripts import script
from repsense_dashboard.components.signal import arrange_charts

__all__ = [
    "Band",
    "EditorSignal",
    "EditorView",
    "Mark",
    "Selection",
    "editor_movement",
    "editor_signal",
    "seen_range",
    "signal_editor",
]

_DECIMALS = 3

_MOUNT = st.components.v2.component(
    "repsense_signal_editor", js=script("time_scale.js", "signal_editor.js"), isolate_styles=False
)


@dataclass(frozen=True)
class EditorSignal:
    """What is drawn: charts below each other, in the form of `arrange_charts`."""

    offsets_s: Sequence[float | None]
    charts: Sequence[Mapping[str, Any]]


def editor_signal(
    channels: Sequence[str], offsets_s: Sequence[float], samples: Sequence[Sequence[float | None]]
) -> EditorSignal:
    """Return the charts of a signal, one for each group of its channels.

    Args:
        channels: Names.
        offsets_s: Times of the samples, from where the editor begins.
        samples: Shape (len(offsets_s), len(channels)).
    """
    return EditorSignal(*arrange_charts(channels, offsets_s, samples))


def editor_movement(values: Sequence[float | None], *, step_s: float, start_s: float = 0.0) -> EditorSignal:
    """Return one chart of how much something moves.

    Args:
        values: From 0; None where nothing is known.
        step_s: From one value to the next.
        start_s: Of the first value.
    """
    offsets_s = [round(start_s + number * step_s, _DECIMALS) for number in range(len(values))]
    lines = [{"axis": "movement", "values": [None if value is None else round(value, _DECIMALS) for value in values]}]
    return EditorSignal(offsets_s, [{"title": "Movement", "unit": "", "scales": (), "lines": lines}])


@dataclass(frozen=True)
class Mark:
    """A moment: a repetition, or a line with words beside it."""

    at_s: float
    kind: Literal["repetition", "gap", "note"] = "repetition"
    text: str = ""


@dataclass(frozen=True)
class Band:
    """A stretch that has a name already; a click on it selects it.

    Attributes:
        start_s: From where the editor begins.
        end_s: One who is still running ends with the editor.
        text: What it is.
        tone: How it looks.
        key: What it is called in `Selection.band_key`.
    """

    start_s: float
    end_s: float
    text: str
    key: str
    tone: Literal["recording", "set", "correct", "incorrect", "neutral"] = "neutral"


@dataclass(frozen=True)
class EditorView:
    """What an editor shows.

    Attributes:
        signal: What is drawn.
        duration_s: How much time there is to see.
        label: What it is, for those who do not see it: "Movement of the last hour".
        start_at: When it begins; times of day are shown where it lasts for minutes.
        selection: What is selected until the person selects something, as (start_s, end_s).
        revision: Another number makes the editor forget what the person has selected, and take `selection`.
        required: Something is always selected: the editor trims. Otherwise the selection can be let go.
        selectable: A part can be selected; otherwise only bands can.
        detailed: The page shows more of what is looked at closely; see `seen_range`.
        marks: Moments.
        bands: Stretches with names; those that overlap lie below each other.
        height: Of the charts together, in rem.
    """

    signal: EditorSignal
    duration_s: float
    label: str
    start_at: datetime | None = None
    selection: tuple[float, float] | None = None
    revision: int = 0
    required: bool = False
    selectable: bool = True
    detailed: bool = False
    marks: Sequence[Mark] = ()
    bands: Sequence[Band] = field(default=())
    height: float = 13.0


@dataclass(frozen=True)
class Selection:
    """A part of the signal, in seconds from where the editor begins."""

    start_s: float
    end_s: float
    band_key: str | None = None
    """The band that was clicked on, also after its ends were moved."""


def signal_editor(view: EditorView, *, key: str, on_change: Callable[[], None] | None = None) -> Selection | None:
    """Show the editor.

    Args:
        view: What it shows.
        key: Unique on the page, and another one for another recording.
        on_change: Called when the person has selected something else, before the page is drawn again.

    Returns:
        What is selected, None if nothing is: the view's own selection until the person lets go of another.
    """
    state = st.session_state.get(key)
    chosen = state.get("selection") if state else None
    result = _MOUNT(
        data=_encode(view, chosen),
        key=key,
        on_selection_change=on_change or _nothing,
        on_seen_change=_nothing,
    )
    return _selection_of(view, result.get("selection"))


def seen_range(key: str) -> tuple[float, float] | None:
    """Return which part of a `detailed` editor the person looks at closely, as (start_s, end_s); None for all of it."""
    state = st.session_state.get(key)
    seen = state.get("seen") if state else None
    return (float(seen[0]), float(seen[1])) if seen else None


def _nothing() -> None:
    """Streamlit keeps only the state that somebody listens to."""


def _selection_of(view: EditorView, state: Mapping[str, Any] | None) -> Selection | None:
    if state is None or state["revision"] != view.revision:
        return Selection(*view.selection) if view.selection else None
    if state["start_s"] is None:
        return None
    return Selection(float(state["start_s"]), float(state["end_s"]), state["band_key"])


def _encode(view: EditorView, chosen: Mapping[str, Any] | None = None) -> bytes:
    """Return the view for `signal_editor.js`; as bytes, as Streamlit would look through a dict for data frames."""
    lanes = _lanes(view.bands)
    document = {
        "offsets_s": view.signal.offsets_s,
        "charts": view.signal.charts,
        "duration_s": view.duration_s,
        "label": view.label,
        "start_ms": None if view.start_at is None else view.start_at.timestamp() * 1000,
        "selection": None if view.selection is None else [round(edge, _DECIMALS) for edge in view.selection],
        "revision": view.revision,
        "chosen": chosen if chosen and chosen["revision"] == view.revision else None,
        "required": view.required,
        "selectable": view.selectable,
        "detailed": view.detailed,
        "marks": [{"at_s": mark.at_s, "kind": mark.kind, "text": mark.text} for mark in view.marks],
        "bands": [
            {
                "start_s": band.start_s,
                "end_s": band.end_s,
                "text": band.text,
                "tone": band.tone,
                "key": band.key,
                "lane": lane,
            }
            for band, lane in zip(view.bands, lanes, strict=True)
        ],
        "n_lanes": max(lanes, default=-1) + 1,
        "height": view.height,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _lanes(bands: Sequence[Band]) -> list[int]:
    """Return for each band the highest lane in which it covers no other."""
    ends: list[float] = []
    lanes = [0] * len(bands)
    for number in sorted(range(len(bands)), key=lambda number: bands[number].start_s):
        band = bands[number]
        lane = next((lane for lane, end in enumerate(ends) if end <= band.start_s), len(ends))
        ends[lane : lane + 1] = [band.end_s]
        lanes[number] = lane
    return lanes
