"""The training page: from recordings to a model of one's own that is in use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import streamlit as st

from repsense_dashboard.api import ApiClient, ApiError
from repsense_dashboard.api.training import Model, ModelList, TrainingJob
from repsense_dashboard.components.markup import icon, text
from repsense_dashboard.components.model_list import in_use_card, model_in_use
from repsense_dashboard.components.navigation import page_link
from repsense_dashboard.components.page import Action, attempt, empty_state, guarded, message, page_head, say
from repsense_dashboard.components.training_form import training_form
from repsense_dashboard.components.training_lists import jobs_list, models_list
from repsense_dashboard.components.training_result import training_result
from repsense_dashboard.components.training_watch import groups_so_far, loss_curve, progress_card
from repsense_dashboard.reader import reader_zone
from repsense_dashboard.training_focus import choose_focus, model_words
from repsense_dashboard.training_story import is_under_way, outcome
from repsense_dashboard.wording import local_time

__all__ = ["show"]

_REFRESH_S = 1.0
_N_JOBS = 20


@dataclass
class _Session:
    """What one open page remembers."""

    going_live: tuple[str, int] | None = None
    """Name and version of what was put in use, until the service has taken it up."""
    live_since: dict[tuple[str, int], datetime] = field(default_factory=dict)
    """When it had, as far as this page has seen it."""


def show(client: ApiClient) -> None:
    """Show the page."""
    page_head("Train", "Teach a network what you have recorded, see how good it is, and put it to use.")
    session: _Session = st.session_state.setdefault("train", _Session())
    with guarded():
        _draw(client, session)


def _draw(client: ApiClient, session: _Session) -> None:
    now = datetime.now(UTC)
    models = client.training.list_models()
    jobs = client.training.list_jobs(limit=_N_JOBS).items
    holdings = client.training.list_holdings()
    background = {stored.label for stored in client.labels.list_labels() if stored.background}

    def promote(model: Model) -> None:
        _promote(client, session, model, models.name_in_use)

    if session.going_live is None:
        session.going_live = _to_be_in_use(models)
    _draw_in_use(client, session, models)
    focus = choose_focus(
        jobs, models, now, wanted_job=st.query_params.get("job"), wanted_model=st.query_params.get("model")
    )
    if focus.model is not None:
        training_result(client, focus.model, models, is_new=_waits(focus.model), on_promote=promote)
    elif focus.job is not None:
        _draw_job(client, focus.job, jobs)
    if holdings:
        is_busy = focus.job is not None and is_under_way(focus.job)
        st.html(f'<h2 class="rs-part-title">{"Train another one" if jobs else "Train your own"}</h2>')
        if is_busy:
            st.html('<p class="rs-remark">It waits until the one above is done.</p>')
        training_form(client, holdings, background, models)
    else:
        empty_state(
            "record",
            "Nothing to learn from yet",
            "A network learns from what you record: two activities, a minute of each, are enough to begin with.",
            [Action("Record", page="record"), Action("Import files", page="data")],
            key="train-empty",
        )
    zone = reader_zone()
    with st.container(key="train-lists"):
        models_list(client, models, now=now, zone=zone, on_promote=promote)
        jobs_list(jobs, now=now, zone=zone)


def _to_be_in_use(models: ModelList) -> tuple[str, int] | None:
    """Return the version that the service has not taken up yet, whoever has put it in use."""
    for model in models.items:
        name, version = model.manifest.name, model.manifest.version
        if model.state == "in_use" and not model.in_use and name == models.name_in_use:
            return name, version
    return None


def _waits(model: Model) -> bool:
    return model.state == "standby" and model.problem is None


def _draw_in_use(client: ApiClient, session: _Session, models: ModelList) -> None:
    model = model_in_use(models)
    with st.container(key="card-train-in-use", horizontal=True, vertical_alignment="center"):
        since = session.live_since.get((model.manifest.name, model.manifest.version)) if model else None
        words = ""
        if since is not None:
            words = f"live since {local_time(since, datetime.now(UTC), reader_zone().zone)}"
        st.html(in_use_card(model, live_since=words))
        with st.container(horizontal=True, key="train-in-use-actions", width="content", vertical_alignment="center"):
            if model is not None:
                if since is not None:
                    with st.container(key="train-live-primary-link", width="content"):
                        page_link("live", "Watch it live")
                st.button(
                    "Its figures",
                    key="train-figures",
                    type="tertiary",
                    on_click=st.query_params.from_dict,
                    args=({"model": model_words(model)},),
                )
                if any(one.manifest.name == model.manifest.name and one.state == "promoted" for one in models.items):
                    st.button(
                        "Back to the version before",
                        key="train-rollback",
                        icon=":material/undo:",
                        on_click=_roll_back,
                        args=(client, session, model.manifest.name),
                    )
    if session.going_live is not None:
        _watch_going_live(client, session)


def _promote(client: ApiClient, session: _Session, model: Model, name_in_use: str | None) -> None:
    name, version = model.manifest.name, model.manifest.version
    with attempt(f"{name} {version} was not put in use"):
        client.training.promote(name, version)
        st.query_params.clear()
        if name_in_use in {None, name}:
            session.going_live = name, version
        else:
            say(
                "good",
                f"{name} {version} is the one to use of {name}",
                f"It is not live here, since this service runs {name_in_use}: start the services with "
                f"MODEL_URL=onnx:models/{name}.",
            )


def _roll_back(client: ApiClient, session: _Session, name: str) -> None:
    with attempt("The model in use was not changed"):
        session.going_live = name, client.training.roll_back(name).manifest.version
        st.query_params.clear()


@st.fragment(run_every=_REFRESH_S)
def _watch_going_live(client: ApiClient, session: _Session) -> None:
    """Show how the service takes up what was put in use, until it has."""
    if session.going_live is None:
        return
    name, version = session.going_live
    try:
        models = client.training.list_models()
    except ApiError as error:
        st.html(message("bad", f"Nobody knows whether {name} {version} is in use", error.detail))
        return
    session.going_live = _to_be_in_use(models)
    if session.going_live is None:
        model = model_in_use(models)
        if model is not None and (model.manifest.name, model.manifest.version) == (name, version):
            session.live_since[name, version] = datetime.now(UTC)
            say("good", f"{name} {version} is live", "What your sensors send is recognised by it from now on.")
        st.rerun()
    name, version = session.going_live
    if models.refusal is not None:
        st.html(message("bad", f"{name} {version} is not taken up", models.refusal))
    else:
        st.html(
            f'<p class="rs-going-live" role="status"><span class="rs-pulse"></span>{text(name)} {version} is being '
            "taken up: that takes a few seconds.</p>"
        )


def _draw_job(client: ApiClient, job: TrainingJob, jobs: Sequence[TrainingJob]) -> None:
    if is_under_way(job):
        is_any_running = any(one.state == "running" and one.job_id != job.job_id for one in jobs)
        _watch_job(client, job.job_id, is_any_running=is_any_running)
        return
    with st.container(key="card-train-ended"):
        st.html(
            f'<section class="rs-ended"><h2>{icon("alert" if job.state == "failed" else "info")}'
            f"{text(job.model_name)}: {text(outcome(job))}</h2><p>{text(_advice(job))}</p></section>"
        )
        if _ask_for_log(job):
            _draw_log(client, job)


def _advice(job: TrainingJob) -> str:
    match job.state:
        case "failed":
            return "Change what it uses, or what it is told to do, and train once more: the form is below."
        case "cancelled":
            return "Nothing is kept of it. The form to train once more is below."
        case _:
            return f"Version {job.model_version} is not there any more: it was deleted."


@st.fragment(run_every=_REFRESH_S)
def _watch_job(client: ApiClient, job_id: str, *, is_any_running: bool) -> None:
    """Show how far a training is, until it has ended."""
    with guarded():
        job = client.training.get_job(job_id)
        if not is_under_way(job):
            st.query_params.from_dict({"job": job_id})
            st.rerun()
        with st.container(key="card-train-progress"):
            st.html(progress_card(job, datetime.now(UTC), is_any_running=is_any_running))
            if job.state == "running":
                with st.container(key="train-progress-parts"):
                    st.html(loss_curve(job.progress))
                    st.html(groups_so_far(job.progress))
            with st.container(horizontal=True, vertical_alignment="center", key="train-progress-actions"):
                st.button(
                    "Cancel",
                    key="train-cancel",
                    icon=":material/stop:",
                    disabled=job.cancel_requested,
                    on_click=_cancel,
                    args=(client, job),
                )
                is_log_wanted = _ask_for_log(job)
            if is_log_wanted:
                _draw_log(client, job)


def _cancel(client: ApiClient, job: TrainingJob) -> None:
    with attempt("The training was not cancelled"):
        client.training.cancel(job.job_id)


def _ask_for_log(job: TrainingJob) -> bool:
    return st.toggle("Show what it writes", key=f"train-log-{job.job_id}", width="content")


def _draw_log(client: ApiClient, job: TrainingJob) -> None:
    lines = client.training.get_log(job.job_id)
    st.code("\n".join(lines) or "Nothing yet.", language=None, height=260)
