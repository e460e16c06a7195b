"""How much there is of what, what will do harm, and what to record next."""

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.api.recordings import InspectionWarning, RecordingSummary
from repsense_dashboard.components.coverage import coverage_chart
from repsense_dashboard.components.markup import icon, text
from repsense_dashboard.components.navigation import page_link
from repsense_dashboard.components.page import Action, Changes, empty_state, guarded
from repsense_dashboard.goals import Advice, tell_advice
from repsense_dashboard.wording import as_sentence, spoken_duration

__all__ = ["show_overview"]


def show_overview(client: ApiClient, _changes: Changes) -> None:
    """Show the overview."""
    summary = client.recordings.summarize()
    if not summary.n_recordings:
        empty_state(
            "record",
            "Nothing to look over yet",
            "When something is recorded, this shows how much there is of each activity, and what to record next.",
            [Action("Record a take", page="record")],
            key="no-overview",
        )
        return
    labels = client.labels.list_labels()
    st.html(_totals(summary))
    with st.container(key="data-overview"):
        with st.container(key="card-coverage"):
            st.html('<h2 class="rs-section">Who did what</h2>')
            st.html(
                '<p class="rs-quiet">The stronger the colour, the more there is. Two minutes make a good start.</p>'
            )
            coverage_chart(summary)
        with st.container(key="data-advice"):
            _show_advice(list(tell_advice(summary, labels)))
            with guarded():
                st.html(_warnings(client.recordings.inspect().warnings))


def _totals(summary: RecordingSummary) -> str:
    n_labels = sum(each.label is not None for each in summary.labels)
    n_persons = sum(each.subject is not None for each in summary.persons)
    facts = (
        (spoken_duration(summary.minutes * 60), "recorded"),
        (str(summary.n_recordings), "recording" if summary.n_recordings == 1 else "recordings"),
        (str(n_labels), "label" if n_labels == 1 else "labels"),
        (str(n_persons), "person" if n_persons == 1 else "persons"),
    )
    items = "".join(f"<li><b>{text(number)}</b><span>{text(what)}</span></li>" for number, what in facts)
    return f'<ul class="rs-totals">{items}</ul>'


def _show_advice(advice: list[Advice]) -> None:
    st.html('<h2 class="rs-section">What to record next</h2>')
    if not advice:
        st.html(
            f'<p class="rs-quiet">{icon("check")} There is enough of everything for a good start. Train a model, and '
            "see where it is unsure.</p>"
        )
        with st.container(key="advice-primary-link", width="content"):
            page_link("train", "Train a model")
        return
    for number, each in enumerate(advice):
        with st.container(key=f"card-advice-{number}", horizontal=True, vertical_alignment="center"):
            st.html(f'<div class="rs-advice"><b>{text(each.title)}</b><span>{text(each.reason)}</span></div>')
            if each.label is not None:
                query = {"exercise": each.label.exercise} | ({"form": each.label.form} if each.label.form else {})
                with st.container(key=f"advice-{number}-secondary-link", width="content"):
                    page_link("record", "Record", query=query)


def _warnings(warnings: tuple[InspectionWarning, ...]) -> str:
    head = '<h2 class="rs-section">What will do harm</h2>'
    if not warnings:
        return f'{head}<p class="rs-quiet">Nothing was found: no gaps, no copies, nothing out of proportion.</p>'
    items = "".join(f"<li>{icon('alert')}<span>{text(as_sentence(each.text))}</span></li>" for each in warnings)
    return f'{head}<ul class="rs-warnings">{items}</ul>'
