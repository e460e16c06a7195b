"""Labelling afterwards: the last hours of a sensor, of which a stretch becomes a recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from repsense_dashboard.api import ApiClient, ApiProblemError, Label, Sensor
from repsense_dashboard.api.movement import LabelledStretch, RecognisedSet, Timeline
from repsense_dashboard.components.label_fields import label_fields, person_field
from repsense_dashboard.components.markup import text, tone_of_form
from repsense_dashboard.components.page import Action, Changes, attempt, empty_state, say
from repsense_dashboard.components.sensor_bar import sensor_choice
from repsense_dashboard.components.session_strip import short_seconds
from repsense_dashboard.components.signal_editor import (
    Band,
    EditorSignal,
    EditorView,
    Selection,
    editor_movement,
    seen_range,
    signal_editor,
)
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.recording_edits import RecordingEdits
from repsense_dashboard.session_name import current_session
from repsense_dashboard.views.data.detail import show_recording
from repsense_dashboard.wording import label_words, local_time, spoken_duration

__all__ = ["show_past"]

_HOURS = (1, 3, 8, 24)
_POINTS = 1200
_LONGEST_S = 600.0
_MINUTE_S = 60.0
_SHORTEST = timedelta(minutes=1)
_SENSOR, _RANGE, _FROM, _UNTIL = "past-sensor", "past-hours", "past-from", "past-until"


@dataclass(frozen=True)
class _Stretch:
    """What the person has brushed."""

    sensor_id: str
    from_at: datetime
    to_at: datetime

    @property
    def seconds(self) -> float:
        return (self.to_at - self.from_at).total_seconds()


def show_past(client: ApiClient, changes: Changes) -> None:
    """Show the last hours of a sensor."""
    sensors = [each for each in client.live.list_sensors() if each.last_sample_at is not None]
    if not sensors:
        empty_state(
            "hourglass",
            "Nothing to label yet",
            "As soon as a sensor has sent something, its last hours are here to be labelled.",
            [Action("See the sensors", page="live")],
            key="no-past",
        )
        return
    st.html(
        '<p class="rs-quiet">What your sensors send is kept for a while. Brush over a stretch in which something was '
        "done, and say what it was.</p>"
    )
    sensor, hours = _ask_range(sensors)
    end_at = _end(sensor)
    begin_at = _begin(client, sensor, end_at, hours)
    timeline = client.movement.get_timeline(sensor.sensor_id, begin_at, end_at, max_points=_POINTS)
    key = f"past-{sensor.sensor_id}-{hours}-{end_at.timestamp():.0f}"
    with st.container(key="card-past"):
        st.html(_timeline_head(timeline, end_at))
        signal = _signal(client, timeline, sensor, begin_at, seen_range(key))
        selection = signal_editor(_view(signal, timeline, begin_at, end_at), key=key)
    if selection is None:
        st.html('<p class="rs-quiet">Nothing is selected. Zoom in with + or by pinching, then brush.</p>')
        return
    _show_selection(client, changes, timeline, selection, begin_at=begin_at)


def _ask_range(sensors: Sequence[Sensor]) -> tuple[Sensor, int]:
    by_id = {sensor.sensor_id: sensor for sensor in sensors}
    with st.container(horizontal=True, vertical_alignment="bottom", key="past-range"):
        if len(sensors) > 1:
            st.pills(
                "Sensor",
                list(by_id),
                default=sensors[0].sensor_id,
                required=True,
                format_func=lambda sensor_id: sensor_choice(by_id[sensor_id]),
                key=_SENSOR,
                persist_state="session",
            )
        hours = st.segmented_control(
            "The last",
            _HOURS,
            default=_HOURS[1],
            required=True,
            format_func=lambda hours: "hour" if hours == 1 else f"{hours} h",
            key=_RANGE,
            persist_state="session",
        )
        st.button("Up to now", icon=":material/refresh:", key="past-refresh", on_click=_move_on)
    chosen = by_id.get(str(st.session_state.get(_SENSOR)), sensors[0])
    return chosen, int(hours or _HOURS[1])


def _move_on() -> None:
    for key in (_FROM, _UNTIL):
        st.session_state.pop(key, None)


def _end(sensor: Sensor) -> datetime:
    """Return where the timeline ends: it must not move on while somebody brushes."""
    known: dict[str, datetime] = st.session_state.setdefault(_UNTIL, {})
    if sensor.sensor_id not in known:
        newest = sensor.last_sample_at or datetime.now(UTC)
        known[sensor.sensor_id] = newest.replace(microsecond=0) + timedelta(seconds=1)
    return known[sensor.sensor_id]


def _begin(client: ApiClient, sensor: Sensor, end_at: datetime, hours: int) -> datetime:
    """Return where the timeline begins: with the oldest signal, where there is none of the first hours."""
    known: dict[tuple[str, datetime, int], datetime] = st.session_state.setdefault(_FROM, {})
    which = (sensor.sensor_id, end_at, hours)
    if which not in known:
        asked_at = end_at - timedelta(hours=hours)
        timeline = client.movement.get_timeline(sensor.sensor_id, asked_at, end_at, max_points=_POINTS)
        kept_at = timeline.kept_from or asked_at
        known[which] = max(asked_at, min(kept_at.replace(microsecond=0), end_at - _SHORTEST))
    return known[which]


def _timeline_head(timeline: Timeline, end_at: datetime) -> str:
    zone, now = reader_zone(), datetime.now(UTC)
    until = f"until {local_time(end_at, now, zone.zone)}, in {zone.name}"
    kept = ""
    if timeline.kept_from is not None:
        kept = f" Signal is kept back to {local_time(timeline.kept_from, now, zone.zone)}."
    return f'<p class="rs-quiet">{text(f"Movement {until}.{kept}")}</p>'


def _signal(
    client: ApiClient, timeline: Timeline, sensor: Sensor, begin_at: datetime, seen: tuple[float, float] | None
) -> EditorSignal:
    """Return the movement, finer where the person looks closely."""
    coarse = _movement(timeline, begin_at)
    if seen is None:
        return coarse
    from_at, to_at = (begin_at + timedelta(seconds=edge_s) for edge_s in seen)
    fine = _movement(client.movement.get_timeline(sensor.sensor_id, from_at, to_at, max_points=_POINTS), begin_at)
    return merge_signals(coarse, fine, seen)


def _movement(timeline: Timeline, begin_at: datetime) -> EditorSignal:
    start_s = (timeline.preview.start_at - begin_at).total_seconds()
    return editor_movement(timeline.preview.values, step_s=timeline.preview.step_s, start_s=start_s)


def merge_signals(coarse: EditorSignal, fine: EditorSignal, seen: tuple[float, float]) -> EditorSignal:
    """Return one signal with the fine one in its place within the coarse one; both have one line."""
    coarse_values, fine_values = coarse.charts[0]["lines"][0]["values"], fine.charts[0]["lines"][0]["values"]
    rows = [
        *(
            (offset_s, value)
            for offset_s, value in zip(coarse.offsets_s, coarse_values, strict=True)
            if offset_s is not None and not seen[0] <= offset_s <= seen[1]
        ),
        *zip(fine.offsets_s, fine_values, strict=True),
    ]
    rows.sort(key=lambda row: row[0] or 0.0)
    (line,) = fine.charts[0]["lines"]
    chart = {**fine.charts[0], "lines": [{**line, "values": [value for _offset_s, value in rows]}]}
    return EditorSignal([offset_s for offset_s, _value in rows], [chart])


def _view(signal: EditorSignal, timeline: Timeline, begin_at: datetime, end_at: datetime) -> EditorView:
    bands = [
        *(_recording_band(each, begin_at) for each in timeline.recordings),
        *(_set_band(each, begin_at, end_at) for each in timeline.sets),
    ]
    return EditorView(
        signal=signal,
        duration_s=(end_at - begin_at).total_seconds(),
        label="Movement of the last hours",
        start_at=begin_at,
        detailed=True,
        bands=bands,
        height=9.0,
    )


def _recording_band(recording: LabelledStretch, begin_at: datetime) -> Band:
    start_s = (recording.started_at - begin_at).total_seconds()
    end_s = (recording.ended_at - begin_at).total_seconds()
    return Band(start_s, end_s, label_words(recording.label), f"recording:{recording.recording_id}", "recording")


def _set_band(each: RecognisedSet, begin_at: datetime, end_at: datetime) -> Band:
    start_s = (each.started_at - begin_at).total_seconds()
    end_s = ((each.ended_at or end_at) - begin_at).total_seconds()
    label = Label(exercise=each.exercise, form=each.form)
    tone = tone_of_form(each.form)
    return Band(start_s, end_s, label_words(label), f"set:{each.set_id}", "set" if tone == "neutral" else tone)


def _show_selection(
    client: ApiClient,
    changes: Changes,
    timeline: Timeline,
    selection: Selection,
    *,
    begin_at: datetime,
) -> None:
    labels = [each.label for each in client.labels.list_labels()]
    subjects = [each.name for each in client.persons.list_persons()]
    kind, _, band_id = (selection.band_key or "").partition(":")
    if kind == "recording":
        recording = client.recordings.get_recording(band_id)
        edits = RecordingEdits(client.recordings, changes)
        show_recording(client, edits, recording, labels=labels, subjects=subjects)
        return
    recognised = next((each for each in timeline.sets if each.set_id == band_id), None) if kind == "set" else None
    present = Label(exercise=recognised.exercise, form=recognised.form) if recognised else None
    stretch = _Stretch(
        timeline.sensor_id,
        begin_at + timedelta(seconds=selection.start_s),
        begin_at + timedelta(seconds=selection.end_s),
    )
    with st.container(key="card-stretch"):
        st.html(_stretch_head(stretch, recognised))
        if stretch.seconds > _LONGEST_S:
            st.html(
                '<p class="rs-interruption"><span>A recording is at most 10 minutes long. Zoom in and choose less, or '
                "label it in several parts.</span></p>"
            )
            return
        if not has_signal(timeline, stretch.from_at, stretch.to_at):
            st.html('<p class="rs-interruption"><span>Nothing is stored of this stretch: choose another.</span></p>')
            return
        _show_stretch_fields(client, changes, stretch, labels=labels, subjects=subjects, present=present)


def has_signal(timeline: Timeline, from_at: datetime, to_at: datetime) -> bool:
    """Tell whether anything is stored of a stretch of the timeline."""
    preview = timeline.preview
    first, last = ((edge - preview.start_at).total_seconds() / preview.step_s for edge in (from_at, to_at))
    return any(value is not None for value in preview.values[max(0, int(first)) : max(0, int(last)) + 1])


def _stretch_head(stretch: _Stretch, recognised: RecognisedSet | None) -> str:
    zone = reader_zone().zone
    start, end = (f"{each.astimezone(zone):%H:%M:%S}" for each in (stretch.from_at, stretch.to_at))
    known = " The network took it for what is filled in: correct it if it was something else." if recognised else ""
    return (
        f'<header class="rs-review-head"><h2>What was it?</h2><p>{start} to {end}, '
        f'{_length(stretch.seconds)}</p><p class="rs-quiet">{known}</p></header>'
    )


def _length(seconds: float) -> str:
    return short_seconds(seconds) if seconds < _MINUTE_S else spoken_duration(seconds)


def _show_stretch_fields(
    client: ApiClient,
    changes: Changes,
    stretch: _Stretch,
    *,
    labels: Sequence[Label],
    subjects: Sequence[str],
    present: Label | None,
) -> None:
    today = stretch.from_at.astimezone(reader_zone().zone).date()
    with st.container(horizontal=True, key="detail-facts"):
        label = label_fields(labels, present, key=f"past-{label_words(present)}")
        subject = person_field(subjects, None, key="past-person")
        session = st.text_input("Session", current_session(today, []), max_chars=60, key=f"past-session-{today}")
    trim = st.toggle(
        "Trim to the movement", key="past-trim", help="Leave out rest before and after; it can be had back."
    )
    # Not by a callback: that would store what the fields said when the page was drawn last.
    if st.button("Keep as a recording" if label else "Keep without a label", type="primary", key="past-keep"):
        _keep(client, changes, stretch, label=label, subject=subject, session=session.strip() or None, trim=trim)
        st.rerun()


def _keep(
    client: ApiClient,
    changes: Changes,
    stretch: _Stretch,
    *,
    label: Label | None,
    subject: str | None,
    session: str | None,
    trim: bool,
) -> None:
    with attempt("Not kept"):
        try:
            made = client.recordings.keep_interval(
                stretch.sensor_id,
                stretch.from_at,
                stretch.to_at,
                label=label,
                subject=subject,
                session=session,
                trim="auto" if trim else "none",
            )
        except ApiProblemError as error:
            say("bad", "Not kept", error.detail)
            return
        what = f"as {label_words(label)}" if label else "without a label"
        words = f"{_length(sum(each.duration_s for each in made))} kept {what}"
        changes.remember(words, lambda: client.recordings.throw_away(made, any_version=True))
        interrupted = next((each.interruption for each in made if each.interruption), None)
        if interrupted:
            say("neutral", f"{words}, in {len(made)} parts" if len(made) > 1 else words, f"Interrupted: {interrupted}.")
