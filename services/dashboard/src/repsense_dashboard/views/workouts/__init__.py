"""The workouts page: what was done and how well, over time and one by one."""

from datetime import UTC, datetime

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.components.page import guarded, page_head, undo_bar
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.views.workouts.detail import show_detail
from repsense_dashboard.views.workouts.overview import show_overview
from repsense_dashboard.views.workouts.session import Session

__all__ = ["show"]


def show(client: ApiClient) -> None:
    """Show the page."""
    page_head("Workouts", "What you did, how well, and how it develops.")
    session = Session.of_page(client)
    now, zone = datetime.now(UTC), reader_zone()
    with guarded():
        undo_bar(session.changes)
        workout_id = st.query_params.get("workout")
        if workout_id is None:
            show_overview(client, session, now, zone)
        else:
            show_detail(client, session, workout_id, now, zone)
