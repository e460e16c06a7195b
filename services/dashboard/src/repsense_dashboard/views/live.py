"""The live page: one sensor, now."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import streamlit as st

from repsense_dashboard.api import ApiClient, ApiError, ExerciseSet, Fault, Live, Sensor, SignalWindow
from repsense_dashboard.components.candidates import candidates_card
from repsense_dashboard.components.form_alarm import form_alarm
from repsense_dashboard.components.hero import hero
from repsense_dashboard.components.last_sets import last_sets_card
from repsense_dashboard.components.markup import simulated_badge
from repsense_dashboard.components.navigation import page_link
from repsense_dashboard.components.notice import api_error_notice, no_sensor_notice
from repsense_dashboard.components.sensor_bar import sensor_bar, sensor_choice
from repsense_dashboard.components.set_card import beginning_card, idle_card, rest_card, running_set_card
from repsense_dashboard.components.signal import arrange_signal
from repsense_dashboard.components.signal_chart import signal_chart
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.situation import ResultWatch, SetStopwatch, Situation, tell_situation

__all__ = ["show"]

_REFRESH_S = 0.4
_SENSORS_REFRESH_S = 2.0
_SETS_REFRESH_S = 2.0
_MODELS_REFRESH_S = 5.0

# One lost request must not wipe the page; after this long, what it shows would be a lie.
_PATIENCE_S = 3.0

_SIGNAL_S = 10.0
_SIGNAL_POINTS = 300
_N_SETS = 10

# Something wrong with one of these keeps results from coming.
_PARTS_FOR_RESULTS = frozenset({"database", "broker", "model", "preprocessor"})

# After this long nobody rests any more.
_LONGEST_REST = timedelta(minutes=15)

_SITUATIONS_WITH_SIGNAL = frozenset(Situation) - {Situation.OFFLINE, Situation.CONNECTING}
_SITUATIONS_WITH_SETS = _SITUATIONS_WITH_SIGNAL - {Situation.PROBLEM, Situation.NO_MODEL, Situation.STALLED}

_Answer = TypeVar("_Answer")


class _Throttled(Generic[_Answer]):
    """Asks for something slow to change no more often than needed."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._known: tuple[object, float, _Answer] | None = None

    def get(self, key: object, ask: Callable[[], _Answer]) -> _Answer:
        """Return the last answer, or ask anew if it is old or was for another `key`."""
        now_s = time.monotonic()
        if self._known is None or self._known[0] != key or now_s - self._known[1] >= self._interval_s:
            self._known = key, now_s, ask()
        return self._known[2]


@dataclass(frozen=True)
class _View:
    """Everything that the page shows."""

    sensors: Sequence[Sensor]
    live: Live
    situation: Situation
    signal: SignalWindow | None
    sets: Sequence[ExerciseSet]


@dataclass
class _Session:
    """What one open page remembers from one refresh to the next."""

    sensors: _Throttled[tuple[Sensor, ...]] = field(default_factory=lambda: _Throttled(_SENSORS_REFRESH_S))
    sets: _Throttled[tuple[ExerciseSet, ...]] = field(default_factory=lambda: _Throttled(_SETS_REFRESH_S))
    has_model: _Throttled[bool] = field(default_factory=lambda: _Throttled(_MODELS_REFRESH_S))
    stopwatch: SetStopwatch = field(default_factory=SetStopwatch)
    results: ResultWatch = field(default_factory=ResultWatch)
    view: _View | None = None
    answered_s: float = 0.0
    n_refreshes: int = 0


def show(client: ApiClient) -> None:
    """Show the page, and keep it up to date while it is open."""
    _refresh(client)


@st.fragment(run_every=_REFRESH_S)
def _refresh(client: ApiClient) -> None:
    session: _Session = st.session_state.setdefault("live", _Session())
    session.n_refreshes += 1
    # Comes into sight by itself when the next refresh does not replace it (base.css).
    st.html(
        f'<div class="rs-lost" data-refresh="{session.n_refreshes}">Connection lost: this is not live any more</div>'
    )
    try:
        session.view = _ask(client, session)
        session.answered_s = time.monotonic()
    except ApiError as error:
        if session.view is None or time.monotonic() - session.answered_s > _PATIENCE_S:
            session.view = None
            st.html(api_error_notice(error))
            return
    if session.view is None:
        st.html(no_sensor_notice())
    else:
        _draw(session.view, session.stopwatch)


def _ask(client: ApiClient, session: _Session) -> _View | None:
    """Return what there is to show of the chosen sensor, None without any sensor."""
    sensors = session.sensors.get(None, client.live.list_sensors)
    if not sensors:
        return None
    sensor_id = _chosen_sensor(sensors, session.view)
    live = client.live.get_live(sensor_id)
    has_model = True
    if live.classification is None and live.sensor.state == "online":
        has_model = session.has_model.get(None, client.live.has_model)
    is_trouble_known = any(fault.severity == "error" and fault.part in _PARTS_FOR_RESULTS for fault in _faults(client))
    have_stopped = session.results.have_stopped(live, time.monotonic(), is_trouble_known=is_trouble_known)
    situation = tell_situation(live, has_model=has_model, have_stopped=have_stopped)
    signal = None
    if situation in _SITUATIONS_WITH_SIGNAL:
        signal = client.live.get_signal(sensor_id, seconds=_SIGNAL_S, max_points=_SIGNAL_POINTS)
    # A set that begins or ends changes the list at once.
    running_set_id = live.running_set.set_id if live.running_set else None
    sets = session.sets.get((sensor_id, running_set_id), lambda: client.live.list_sets(sensor_id, limit=_N_SETS))
    return _View(sensors, live, situation, signal, sets)


def _faults(client: ApiClient) -> Sequence[Fault]:
    try:
        return client.status.faults()
    except ApiError:
        return ()


def _chosen_sensor(sensors: Sequence[Sensor], view: _View | None) -> str:
    """Return the sensor that the page's address names, or the one shown so far, or one that is online."""
    known = {sensor.sensor_id for sensor in sensors}
    for wanted in (st.query_params.get("sensor"), view.live.sensor.sensor_id if view else None):
        if wanted in known:
            return str(wanted)
    return next((sensor.sensor_id for sensor in sensors if sensor.state == "online"), sensors[0].sensor_id)


def _draw_chooser(view: _View) -> None:
    """Let the person choose among the sensors; the address of the page remembers which."""
    by_id = {sensor.sensor_id: sensor for sensor in view.sensors}
    if st.session_state.get("sensor") != view.live.sensor.sensor_id:
        st.session_state["sensor"] = view.live.sensor.sensor_id
    st.pills(
        "Sensor",
        list(by_id),
        required=True,
        format_func=lambda sensor_id: sensor_choice(by_id[sensor_id]),
        key="sensor",
        on_change=_remember_choice,
        label_visibility="collapsed",
    )


def _remember_choice() -> None:
    st.query_params["sensor"] = st.session_state["sensor"]


def _draw(view: _View, stopwatch: SetStopwatch) -> None:
    now, reader = datetime.now(UTC), reader_zone()
    live = view.live
    has_choice = len(view.sensors) > 1
    bar = sensor_bar(live.sensor, now=now, with_name=not has_choice)
    with st.container(key="live-head", horizontal=True, vertical_alignment="center"):
        if has_choice:
            _draw_chooser(view)
        else:
            st.html(bar)
        form_alarm(live.sensor.sensor_id, _present_form(view), key="form-alarm")
    if has_choice:
        st.html(bar)
    with st.container(key="live"):
        with st.container(key="live-hero"):
            st.html(hero(live, view.situation, now=now, zone=reader.zone))
            _draw_next_step(view)
        with st.container(key="live-set"):
            st.html(_set_card(view, stopwatch))
        with st.container(key="live-candidates"):
            shown = live.classification if view.situation in _SITUATIONS_WITH_SIGNAL else None
            st.html(candidates_card(shown))
        with st.container(key="live-signal"):
            _draw_signal(view)
        with st.container(key="live-sets"):
            st.html(last_sets_card(view.sets, now=now, zone=reader.zone, zone_name=reader.name))


def _draw_next_step(view: _View) -> None:
    """Lead to where the network is taught what it does not know."""
    if view.situation in (Situation.UNSURE, Situation.NO_MODEL):
        teach = view.situation is Situation.UNSURE
        with st.container(key="live-next-secondary-link"):
            page_link("record" if teach else "train", "Teach it this movement" if teach else "Train a model")


def _present_form(view: _View) -> str | None:
    """Return how the exercise is done now, None where there is no exercise."""
    now = view.live.classification
    return now.label.form if view.situation is Situation.EXERCISE and now is not None and now.label else None


def _draw_signal(view: _View) -> None:
    badge = simulated_badge(small=True) if view.live.sensor.simulated else ""
    st.html(
        f'<header class="rs-signal-head"><span class="rs-overline">Signal</span>{badge}'
        f'<span class="rs-aside">last {_SIGNAL_S:.0f} s</span></header>'
    )
    signal = arrange_signal(view.signal, seconds=_SIGNAL_S) if view.signal else None
    if signal and signal["charts"]:
        signal_chart(signal, key="signal")
    else:
        st.html('<p class="rs-quiet">No signal. It appears here when the sensor is online.</p>')


def _set_card(view: _View, stopwatch: SetStopwatch) -> str:
    sensor, running_set = view.live.sensor, view.live.running_set
    if view.situation not in _SITUATIONS_WITH_SETS:
        return idle_card(can_start=False)
    if running_set is not None:
        elapsed_s = stopwatch.read(running_set.set_id, running_set.duration_s, time.monotonic())
        return running_set_card(running_set, elapsed_s)
    now = view.live.classification
    if view.situation is Situation.EXERCISE and now is not None and now.label is not None:
        return beginning_card(now.label.exercise, simulated=now.simulated)
    last_set = next((entry for entry in view.sets if entry.state == "closed"), None)
    if last_set is not None and last_set.ended_at is not None and sensor.last_sample_at is not None:
        # Both times are the gateway's.
        rest = sensor.last_sample_at - last_set.ended_at
        if rest < _LONGEST_REST:
            return rest_card(last_set, rest)
    return idle_card(can_start=True)
