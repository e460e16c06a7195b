"""All models and all trainings, each with what can be done about it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.api.training import BrokenVersion, Model, ModelList, TrainingJob
from repsense_dashboard.components.markup import row_label
from repsense_dashboard.components.model_list import broken_row, job_row, model_row
from repsense_dashboard.components.page import attempt, say
from repsense_dashboard.components.training_result import show_report_dialog
from repsense_dashboard.reader import ReaderZone
from repsense_dashboard.training_focus import model_words
from repsense_dashboard.training_story import is_under_way
from repsense_dashboard.wording import local_time

__all__ = ["jobs_list", "models_list"]


def models_list(
    client: ApiClient, models: ModelList, *, now: datetime, zone: ReaderZone, on_promote: Callable[[Model], None]
) -> None:
    """Show every version of every model."""
    with st.container(key="card-train-models"):
        st.html(f'<header class="rs-list-head"><span class="rs-overline">Models</span>{_zone(zone)}</header>')
        if not models.items:
            st.html('<p class="rs-quiet">None yet: the first one that you train appears here.</p>')
        for model in models.items:
            _model(client, model, models, now=now, zone=zone, on_promote=on_promote)
        for broken in models.broken:
            _broken(client, broken)


def _broken(client: ApiClient, broken: BrokenVersion) -> None:
    key = f"train-model-{broken.name}-{broken.version}"
    with st.container(key=f"{key}-row", horizontal=True, vertical_alignment="center"):
        st.html(broken_row(broken))
        if broken.state == "standby":
            with _menu(broken.name, broken.version, key=key):
                _delete_button(client, broken.name, broken.version, key=f"{key}-delete")


def _model(
    client: ApiClient,
    model: Model,
    models: ModelList,
    *,
    now: datetime,
    zone: ReaderZone,
    on_promote: Callable[[Model], None],
) -> None:
    key = f"train-model-{model.manifest.name}-{model.manifest.version}"
    with st.container(key=f"{key}-row", horizontal=True, vertical_alignment="center"):
        st.html(model_row(model, name_in_use=models.name_in_use, now=now, zone=zone))
        with _menu(model.manifest.name, model.manifest.version, key=key):
            st.button("Look at its figures", key=f"{key}-look", on_click=_look_at_model, args=(model,), width="stretch")
            if not model.in_use and model.state in {"standby", "promoted"} and model.problem is None:
                st.button("Use it now", key=f"{key}-use", on_click=on_promote, args=(model,), width="stretch")
            if model.has_report and st.button("Full report", key=f"{key}-report", width="stretch"):
                show_report_dialog(client, model)
            if model.state == "standby":
                _delete_button(client, model.manifest.name, model.manifest.version, key=f"{key}-delete")


def _menu(name: str, version: int, *, key: str) -> AbstractContextManager[object]:
    """What can be done with a version, behind three dots."""
    label = row_label("", f"What to do with {name} {version}")
    help_text = "What to do with it"
    return st.popover(label, icon=":material/more_horiz:", type="tertiary", key=f"{key}-more", help=help_text)


def _look_at_model(model: Model) -> None:
    st.query_params.from_dict({"model": model_words(model)})


def _delete_button(client: ApiClient, name: str, version: int, *, key: str) -> None:
    with st.container(key=f"danger-{key}"):
        st.button(
            "Delete it for good",
            key=key,
            on_click=_delete,
            args=(client, name, version),
            icon=":material/delete:",
            width="stretch",
        )


def _delete(client: ApiClient, name: str, version: int) -> None:
    with attempt(f"{name} {version} was not deleted"):
        client.training.delete_version(name, version)
        st.query_params.clear()
        say("good", f"{name} {version} is deleted")


def jobs_list(jobs: Sequence[TrainingJob], *, now: datetime, zone: ReaderZone) -> None:
    """Show the last trainings with their outcome."""
    with st.container(key="card-train-jobs"):
        st.html(f'<header class="rs-list-head"><span class="rs-overline">Trainings</span>{_zone(zone)}</header>')
        if not jobs:
            st.html('<p class="rs-quiet">None yet: what you start appears here, with what became of it.</p>')
        for job in jobs:
            with st.container(key=f"train-job-{job.job_id}-row", horizontal=True, vertical_alignment="center"):
                st.html(job_row(job, now=now, zone=zone))
                when = local_time(job.created_at, now, zone.zone)
                st.button(
                    row_label("Watch" if is_under_way(job) else "Look", f"at {job.model_name}, {when}"),
                    key=f"train-job-{job.job_id}",
                    type="tertiary",
                    on_click=st.query_params.from_dict,
                    args=({"job": job.job_id},),
                )


def _zone(zone: ReaderZone) -> str:
    return f'<span class="rs-aside">times in {zone.name}</span>'
