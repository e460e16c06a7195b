"""The record page: take after take, with one hand."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

import streamlit as st

from repsense_dashboard.api import ApiClient, ApiError, ApiProblemError, Label, Sensor
from repsense_dashboard.api.labels import StoredLabel
from repsense_dashboard.api.movement import Movement
from repsense_dashboard.api.recordings import Recording, RecordingFilter
from repsense_dashboard.components.markup import text
from repsense_dashboard.components.navigation import page_link
from repsense_dashboard.components.notice import api_error_notice, no_sensor_notice
from repsense_dashboard.components.page import Changes, attempt, guarded, look_again, page_head, say, undo_bar
from repsense_dashboard.components.record_setup import NewNames, ask_plan, chosen_sensor, chosen_subject, preset
from repsense_dashboard.components.sensor_bar import sensor_bar
from repsense_dashboard.components.session_strip import session_strip
from repsense_dashboard.components.signal import arrange_signal
from repsense_dashboard.components.signal_chart import signal_chart
from repsense_dashboard.components.sound import count_down, play
from repsense_dashboard.components.space_key import space_presses
from repsense_dashboard.components.take_clock import take_clock
from repsense_dashboard.components.take_panel import drop_out_message, repetition_count, take_head, take_strip
from repsense_dashboard.components.take_review import (
    count_kept,
    part_choice,
    recording_editor,
    review_head,
)
from repsense_dashboard.goals import TAKE_S, recorded_seconds
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.recording_edits import RecordingEdits
from repsense_dashboard.take import COUNTDOWN_S, Plan, Take, TakeState

__all__ = ["show"]

_FOLLOW_S = 0.4
_IDLE_REFRESH_S = 1.0
_SIGNAL_S = 6.0
_SIGNAL_POINTS = 200
_REVIEW_POINTS = 1000
_LATEST_RECORDINGS = 60
_AWAY_AFTER_S = 3.0
_PRESS_COUNTS_S = 10.0
"""A take that begins later, as the service was away, would begin without anybody there."""
_OPEN_TAKE_S = 30.0
"""How much of a take without end the movement's picture has room for; then it is drawn closer together."""

_UNDER_WAY = frozenset({TakeState.COUNTDOWN, TakeState.RECORDING, TakeState.STORING})


@dataclass
class _Page:
    """What the page remembers in one session of the browser."""

    take: Take = field(default_factory=Take)
    new: NewNames = field(default_factory=NewNames)
    plan: Plan | None = None
    n_refreshes: int = 0
    n_refused: int = 0
    """Trims that the service did not make; the editor then shows again what is kept."""
    movement: Movement | None = None
    wanted_s: float | None = None
    """When the button was pressed, as long as the take has not begun."""


def show(client: ApiClient) -> None:
    """Show the page: the choice, a take under way, or its review."""
    space_presses("record-main")
    page: _Page = st.session_state.setdefault("record", _Page())
    if page.take.state in _UNDER_WAY:
        _follow(client, page)
    elif page.take.state is TakeState.REVIEW:
        _show_review(client, page)
    else:
        _show_setup(client, page)


# Before a take ------------------------------------------------------------------------------------------------------


def _show_setup(client: ApiClient, page: _Page) -> None:
    page_head("Record", "Choose what you do, press the button, move. Each take teaches your network.")
    if page.take.failure is not None:
        say("bad", "No take", page.take.failure)
        page.take.failure = None
        st.rerun()
    with guarded():
        sensors = client.live.list_sensors()
        if not sensors:
            st.html(no_sensor_notice())
            look_again()
            return
        _take_query()
        subjects = [person.name for person in client.persons.list_persons()]
        labels: list[StoredLabel | Label] = [*client.labels.list_labels(), *client.labels.list_recognised()]
        subject = chosen_subject([*subjects, *page.new.subjects])
        known = client.recordings.list_recordings(RecordingFilter(subject=subject), limit=_LATEST_RECORDINGS).items
        with st.container(key="record"):
            with st.container(key="card-record-setup"):
                page.plan = ask_plan(sensors, subjects, labels, [each.session for each in known], page.new)
            with st.container(key="card-record-sensor"):
                _watch(client, page, chosen_sensor(sensors))
        with st.container(key="record-go"):
            _show_start(page, chosen_sensor(sensors))
        undo_bar(Changes.of_page("recordings"))
        _show_session(client, page.plan, known)


def _take_query() -> None:
    """Choose what the link to this page names, once."""
    query = st.query_params
    if {"exercise", "subject"} & set(query):
        preset(exercise=query.get("exercise"), form=query.get("form"), subject=query.get("subject"))
        for name in ("exercise", "form", "subject"):
            query.pop(name, None)


@st.fragment(run_every=_IDLE_REFRESH_S)
def _watch(client: ApiClient, page: _Page, drawn: Sensor) -> None:
    """Show that the sensor works; the page is drawn anew when its state changes."""
    try:
        sensor = client.live.get_live(drawn.sensor_id).sensor
        signal = client.live.get_signal(drawn.sensor_id, seconds=_SIGNAL_S, max_points=_SIGNAL_POINTS)
    except ApiError as error:
        st.html(api_error_notice(error))
        return
    if sensor.state != drawn.state:
        st.rerun()
    page.take.observe(sensor.last_sample_at, time.monotonic())
    st.html(sensor_bar(sensor, now=datetime.now(UTC), with_name=True))
    charts = arrange_signal(signal, seconds=_SIGNAL_S)
    if sensor.state == "online" and charts["charts"]:
        signal_chart(charts, key="record-signal")
    else:
        st.html('<p class="rs-quiet">No signal. Switch the sensor on and keep it near its gateway.</p>')


def _show_start(page: _Page, sensor: Sensor) -> None:
    online = sensor.state == "online"
    # The callback only takes note: what was chosen together with the press is known when the page is drawn again. What
    # the button returns would be lost if a refresh of the signal came in between.
    st.button(
        "Start" if online else "Waiting for the sensor",
        key="record-main-start",
        type="primary",
        width="stretch",
        disabled=not online,
        on_click=_want,
        args=(page,),
    )
    now_s, pressed_s = time.monotonic(), page.wanted_s
    page.wanted_s = None
    if pressed_s is not None and now_s - pressed_s < _PRESS_COUNTS_S and page.plan is not None:
        page.movement = None
        page.take.start(page.plan, now_s)
        st.rerun()
    if online and page.plan is not None and page.plan.label is None:
        st.html('<p class="rs-hint">No activity chosen: the take is stored, and you can label it later.</p>')
    elif online:
        st.html(
            f'<p class="rs-hint rs-hint-calm">{COUNTDOWN_S:.0f} seconds to get ready, with sound.'
            '<span class="rs-keys"> Or press <kbd>Space</kbd>.</span></p>'
        )


def _want(page: _Page) -> None:
    page.wanted_s = time.monotonic()


def _show_session(client: ApiClient, plan: Plan, known: Sequence[Recording]) -> None:
    takes = [each for each in known if each.session == plan.session and each.subject == plan.subject]
    st.html('<h2 class="rs-section">This session</h2>')
    if not takes:
        st.html('<p class="rs-quiet">No take yet. About six takes of 20 s per activity make a good start.</p>')
        return
    zone, recorded_s = reader_zone(), recorded_seconds(client.recordings.summarize())
    take_s = plan.duration_s or TAKE_S
    st.html(
        session_strip(takes, recorded_s=recorded_s, take_s=take_s, now=datetime.now(UTC), zone=zone.zone),
    )
    page_link("data", "All recordings")


# During a take ------------------------------------------------------------------------------------------------------


@st.fragment(run_every=_FOLLOW_S)
def _follow(client: ApiClient, page: _Page) -> None:
    """Show a take under way, and bring it to its end."""
    take, plan = page.take, page.take.plan
    if take.state not in _UNDER_WAY or plan is None:
        st.rerun()
    problem = None
    try:
        sensor = client.live.get_live(plan.sensor_id).sensor
        take.observe(sensor.last_sample_at, time.monotonic())
        if take.state is TakeState.RECORDING and take.began_at and take.clock.last_sample_at:
            _ask_movement(client, page, plan)
        if take.can_be_stored(time.monotonic()):
            _store(client, take, plan)
    except ApiError as error:
        take.observe(None, time.monotonic())
        problem = error
    if take.state not in _UNDER_WAY:
        st.rerun()
    _draw(client, page, plan, problem)


def _ask_movement(client: ApiClient, page: _Page, plan: Plan) -> None:
    began_at, newest = page.take.began_at, page.take.clock.last_sample_at
    if began_at is not None and newest is not None and newest > began_at:
        page.movement = client.movement.get_movement(plan.sensor_id, began_at, newest)


def _store(client: ApiClient, take: Take, plan: Plan) -> None:
    """Make recordings of a take that is over. While the service is away this is tried again: it keeps the signal."""
    if take.began_at is None or take.ends_at is None:
        return
    try:
        recordings = client.recordings.keep_interval(
            plan.sensor_id,
            take.began_at,
            take.ends_at,
            label=plan.label,
            subject=plan.subject,
            session=plan.session,
        )
    except ApiProblemError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        take.fail(error.detail)
        return
    if recordings:
        take.store(recordings)
    else:
        take.fail("Nothing of it arrived. Is the sensor on and near its gateway?")


def _draw(client: ApiClient, page: _Page, plan: Plan, problem: ApiError | None) -> None:
    take, now_s = page.take, time.monotonic()
    page.n_refreshes += 1
    st.html(f'<div class="rs-lost" data-refresh="{page.n_refreshes}">Connection lost: this is not live any more</div>')
    with st.container(key="take"):
        st.html(take_head(take.state, plan.label))
        _draw_clock(take, plan, now_s)
        if take.began_at is not None:
            elapsed_s = take.elapsed_s(now_s)
            whole_s = plan.duration_s or max(_OPEN_TAKE_S, elapsed_s)
            st.html(repetition_count(len(page.movement.repetitions) if page.movement else 0))
            st.html(take_strip(page.movement, began_at=take.began_at, elapsed_s=elapsed_s, whole_s=whole_s))
        st.html(_warning(page, now_s, problem))
    with st.container(key="card-take-signal"):
        _draw_signal(client, plan)
    with st.container(key="record-go"):
        _draw_buttons(page)
    # Left out of a run, cues that have not sounded yet are taken back.
    if take.state is TakeState.STORING:
        play("stop", f"take-{take.number}-stop", key="record-sound")
    else:
        count_down(round(COUNTDOWN_S), f"take-{take.number}-go", key="record-sound")


def _draw_clock(take: Take, plan: Plan, now_s: float) -> None:
    token = f"{take.number}-{take.state}"
    if take.state is TakeState.COUNTDOWN:
        take_clock(take.counted_s(now_s), counts="down", token=token, at_zero="Go", with_minutes=False)
    elif plan.duration_s is None:
        take_clock(take.elapsed_s(now_s), counts="up", token=token)
    else:
        take_clock(max(0.0, plan.duration_s - take.elapsed_s(now_s)), counts="down", token=token)


def _warning(page: _Page, now_s: float, problem: ApiError | None) -> str:
    if problem is not None and page.take.clock.silent_s(now_s) > _AWAY_AFTER_S:
        words = f"{problem.title}. The take goes on: what the sensor sends waits for the service."
        return f'<p class="rs-drop-out" role="alert"><span>{text(words)}</span></p>'
    silent_s = page.take.clock.silent_s(now_s) if page.take.is_interrupted(now_s) else 0.0
    return drop_out_message(silent_s=silent_s, interruptions=len(page.movement.interruptions) if page.movement else 0)


def _draw_signal(client: ApiClient, plan: Plan) -> None:
    try:
        signal = client.live.get_signal(plan.sensor_id, seconds=_SIGNAL_S, max_points=_SIGNAL_POINTS)
    except ApiError:
        st.html('<p class="rs-quiet">No signal at the moment.</p>')
        return
    signal_chart(arrange_signal(signal, seconds=_SIGNAL_S), key="take-signal")


def _draw_buttons(page: _Page) -> None:
    take = page.take
    if take.state is TakeState.RECORDING:
        st.button("Stop", key="record-main-stop", type="primary", width="stretch", on_click=_stop, args=(page,))
        st.button("Cancel without storing", key="record-cancel", type="tertiary", on_click=take.cancel)
    elif take.state is TakeState.COUNTDOWN:
        st.button("Cancel", key="record-main-cancel", width="stretch", on_click=take.cancel)
    else:
        st.html('<p class="rs-hint">The last samples are under way.</p>')


def _stop(page: _Page) -> None:
    page.take.stop(time.monotonic())


# After a take -------------------------------------------------------------------------------------------------------


def _show_review(client: ApiClient, page: _Page) -> None:
    take = page.take
    page_head("Record", "It is stored. Is it as you want it?")
    with guarded():
        take.recordings = tuple(client.recordings.get_recording(each.recording_id) for each in take.recordings)
        edits = RecordingEdits(client.recordings, Changes.of_page("recordings"))
        with st.container(key="card-review"):
            head = st.container()
            shown = part_choice(take.recordings, key=f"review-part-{take.number}")
            signal = client.recordings.get_signal(shown.recording_id, max_points=_REVIEW_POINTS)
            recording_editor(
                shown,
                signal,
                revision=shown.version + page.n_refused,
                key=f"review-{shown.recording_id}",
                on_trim=partial(_trim, page, edits, shown),
            )
            parts = [shown, *(each for each in take.recordings if each is not shown)]
            head.html(review_head(parts, count_kept(shown, signal)))
        with st.container(key="record-go"):
            _show_decision(page, edits)
        undo_bar(Changes.of_page("recordings"))
    play("stop", f"take-{take.number}-stop", key="record-sound")


def _trim(page: _Page, edits: RecordingEdits, recording: Recording, start_s: float, end_s: float) -> None:
    page.n_refused += 1
    with attempt("The take was not trimmed"):
        edits.trim(recording, start_s, end_s)
        page.n_refused -= 1


def _show_decision(page: _Page, edits: RecordingEdits) -> None:
    st.button(
        "Keep and next take",
        key="record-main-next",
        type="primary",
        width="stretch",
        on_click=_keep_and_next,
        args=(page,),
    )
    with st.container(horizontal=True, key="record-decisions"):
        st.button("Keep", key="record-keep", width="stretch", on_click=page.take.cancel)
        st.button("Again", key="record-again", width="stretch", on_click=_again, args=(page, edits))
        st.button("Discard", key="record-discard", width="stretch", on_click=_discard, args=(page, edits))


def _keep_and_next(page: _Page) -> None:
    if page.take.plan is not None:
        page.movement = None
        page.take.start(page.take.plan, time.monotonic())


def _again(page: _Page, edits: RecordingEdits) -> None:
    if _throw_away(page, edits):
        _keep_and_next(page)


def _discard(page: _Page, edits: RecordingEdits) -> None:
    _throw_away(page, edits)


def _throw_away(page: _Page, edits: RecordingEdits) -> bool:
    """Tell whether it was done."""
    with attempt("The take was not discarded"):
        written = edits.throw_away(page.take.recordings)
        if written.conflicts:
            say("bad", "The take was not discarded", "It was changed meanwhile: look at it on the Data page.")
        page.take.cancel()
        return not written.conflicts
    return False
