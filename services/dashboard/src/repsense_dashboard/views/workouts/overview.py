"""All workouts: what they add up to, how that develops, and each of them in a list."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Literal

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.api.workouts import History, HistoryFilter, HistoryTotal, Workout
from repsense_dashboard.components.history_charts import show_active_time, show_form
from repsense_dashboard.components.markup import row_label, text
from repsense_dashboard.components.page import Action, empty_state
from repsense_dashboard.components.pickable import pickable
from repsense_dashboard.components.workout_calendar import calendar_picture
from repsense_dashboard.components.workout_cards import exercise_list, tiles, workout_row
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.views.workouts.filters import Filters, ask_filters
from repsense_dashboard.views.workouts.session import Session
from repsense_dashboard.wording import local_time
from repsense_dashboard.workout_history import between, calendar_days, exercise_rows, periods, weeks_in_a_row

__all__ = ["show_overview"]

_PAGE_SIZE = 20
_YEAR = timedelta(days=380)
"""A bit more than the calendar shows."""
_MIN_PERIODS_FOR_A_LINE = 2

_EXPORTS: Mapping[Literal["json", "csv"], str] = {"json": "JSON, everything", "csv": "CSV, a row per set"}


def show_overview(client: ApiClient, session: Session, now: datetime, zone: ReaderZone) -> None:
    """Show the page without a workout in its address."""
    everything = _history(client, session, HistoryFilter(), "week", zone)
    if not everything.total.n_workouts:
        empty_state(
            "calendar",
            "No workout yet",
            "Put on a sensor and exercise: sets and workouts appear here by themselves as soon as they are recognised.",
            [Action("See what is recognised now", page="live"), Action("Train a model of your own", page="train")],
            key="workouts-empty",
        )
        return
    persons = session.answers.get("persons", client.persons.list_persons)
    sensors = session.answers.get("sensors", client.live.list_sensors)
    filters = ask_filters(
        [person.name for person in persons],
        [sensor.sensor_id for sensor in sensors],
        [total.exercise for total in everything.total.exercises],
        now=now,
        zone=zone,
    )
    history = _history(client, session, filters.span(), filters.by, zone)
    has_before = filters.bounds.before_from is not None
    before = _history(client, session, filters.before(), "week", zone).total if has_before else None
    today = now.astimezone(zone.zone).date()
    year = _history(client, session, filters.whenever(between(today - _YEAR, today, zone.zone).from_at), "day", zone)
    days = calendar_days(year, today, filters.exercise)
    st.html(
        tiles(
            history.total,
            before if before is not None and before.n_workouts else None,
            before_words=filters.before_words,
            weeks_in_a_row=weeks_in_a_row(days, today),
            exercise=filters.exercise,
        )
    )
    _show_charts(history, before, filters, now, zone)
    with st.container(key="card-workouts-calendar"):
        st.html('<header class="rs-list-head"><span class="rs-overline">The last year</span></header>')
        pickable(calendar_picture(days, selected=session.day), key="workouts-days", on_pick=partial(_pick, session))
    _show_list(client, session, filters, now, zone)


def _show_export(client: ApiClient) -> None:
    with st.popover("Export", icon=":material/download:", type="tertiary", key="workouts-export"):
        st.write("Every workout with its sets and your corrections, of all persons and all times.")
        for form, title in _EXPORTS.items():
            st.download_button(
                title,
                # Fetched when it is clicked, and not before.
                partial(_export, client, form),
                file_name=f"repsense-workouts.{form}",
                mime="application/json" if form == "json" else "text/csv",
                on_click="ignore",
                key=f"workouts-export-{form}",
                width="stretch",
            )


def _export(client: ApiClient, form: Literal["json", "csv"]) -> bytes:
    return client.workouts.export(form).content


def _history(
    client: ApiClient, session: Session, wanted: HistoryFilter, by: Literal["day", "week"], zone: ReaderZone
) -> History:
    def ask() -> History:
        return client.workouts.get_history(wanted, zone=zone.name, by=by)

    return session.answers.get(("history", wanted, by, zone.name), ask)


def _show_charts(
    history: History, before: HistoryTotal | None, filters: Filters, now: datetime, zone: ReaderZone
) -> None:
    shown = periods(history, filters.exercise)
    since, until = filters.days(now, zone)
    if not shown:
        st.html(
            '<section class="rs-card"><p class="rs-lead">Nothing in this time.</p>'
            '<p class="rs-quiet">Choose a longer one, or other filters.</p></section>'
        )
        return
    with st.container(key="workouts-charts"):
        with st.container(key="card-workouts-time"):
            st.html(f'<span class="rs-overline">Active time by {history.by}</span>')
            show_active_time(shown, since=since, until=until, key="workouts-time-chart")
        with st.container(key="card-workouts-exercises"):
            st.html(
                '<span class="rs-overline">Exercises</span>'
                f"{exercise_list(exercise_rows(history.total, before, filters.exercise))}"
            )
        with_form = [period for period in shown if period.incorrect_shares]
        if len(with_form) >= _MIN_PERIODS_FOR_A_LINE:
            with st.container(key="card-workouts-form"):
                st.html(f'<span class="rs-overline">Correct form by {history.by}</span>')
                show_form(with_form, since=since, until=until, key="workouts-form-chart")


def _pick(session: Session, name: str) -> None:
    day = date.fromisoformat(name)
    session.day = None if session.day == day else day


def _show_list(client: ApiClient, session: Session, filters: Filters, now: datetime, zone: ReaderZone) -> None:
    if session.day is None:
        wanted, title = filters.span(), "Workouts"
    else:
        times = between(session.day, session.day, zone.zone)
        wanted = filters.whenever(times.from_at, times.to_at)
        title = f"Workouts of {session.day:%A} {session.day.day} {session.day:%B}"
    listed = (wanted, filters.exercise)
    if session.listed != listed:
        session.listed, session.n_pages = listed, 1
    workouts, has_more = _listed(client, session, wanted, filters.exercise)
    with st.container(key="card-workouts-list"):
        with st.container(horizontal=True, vertical_alignment="center", key="workouts-list-head"):
            st.html(
                f'<header class="rs-list-head"><span class="rs-overline">{text(title)}</span>'
                f'<span class="rs-aside">times in {text(zone.name)}</span></header>'
            )
            if session.day is not None:
                st.button("All days", key="workouts-all-days", type="tertiary", on_click=partial(_pick_none, session))
            _show_export(client)
        if not workouts:
            st.html('<p class="rs-quiet">None. Choose a longer time, or other filters.</p>')
        for workout in workouts:
            with st.container(key=f"workout-{workout.workout_id}-row", horizontal=True, vertical_alignment="center"):
                st.html(workout_row(workout, now, zone))
                st.button(
                    row_label("Open", local_time(workout.started_at, now, zone.zone)),
                    key=f"workout-{workout.workout_id}",
                    on_click=st.query_params.from_dict,
                    args=({"workout": workout.workout_id},),
                )
        if has_more:
            st.button("Older", key="workouts-older", on_click=partial(_show_more, session), width="stretch")


def _listed(
    client: ApiClient, session: Session, wanted: HistoryFilter, exercise: str | None
) -> tuple[list[Workout], bool]:
    """Return the pages that are shown, and whether there are more."""
    workouts: list[Workout] = []
    cursor: str | None = None
    for _ in range(session.n_pages):
        ask = partial(client.workouts.list_workouts, wanted, exercise=exercise, limit=_PAGE_SIZE, cursor=cursor)
        page = session.answers.get(("list", wanted, exercise, cursor), ask)
        workouts += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return workouts, cursor is not None


def _pick_none(session: Session) -> None:
    session.day = None


def _show_more(session: Session) -> None:
    session.n_pages += 1
