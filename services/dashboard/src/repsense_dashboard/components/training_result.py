"""A model to decide on: its figures as pictures, the model in use beside it, and what can be done with it."""

from collections.abc import Callable

import streamlit as st

from repsense_dashboard.api import ApiClient
from repsense_dashboard.api.training import Manifest, Model, ModelList
from repsense_dashboard.components.markup import text
from repsense_dashboard.components.model_comparison import comparison_card
from repsense_dashboard.components.model_list import model_in_use, state_words
from repsense_dashboard.components.model_report import (
    accuracy_card,
    confusion_card,
    groups_card,
    recall_card,
    show_few_shot,
    unknown_card,
    untested_card,
)
from repsense_dashboard.components.page import guarded
from repsense_dashboard.components.report_frame import report_frame

__all__ = ["show_report_dialog", "training_result"]


def training_result(
    client: ApiClient, model: Model, models: ModelList, *, is_new: bool, on_promote: Callable[[Model], None]
) -> None:
    """Show a model and what to do about it.

    Args:
        client: Where its report is.
        model: The model.
        models: All of them, with the one in use.
        is_new: Whether it waits for somebody to decide about it.
        on_promote: Called with the model, to put it in use.
    """
    manifest, current = model.manifest, model_in_use(models)
    with st.container(key="train-result"):
        _show_head(client, model, models, is_new=is_new, on_promote=on_promote)
        # Two columns of cards; on a phone one, in another order (train.css).
        with st.container(key="train-cards"):
            with st.container(key="train-cards-left"):
                _show_left(manifest)
            with st.container(key="train-cards-right"):
                if current is not None and current != model:
                    _card("compare", comparison_card(manifest, current.manifest))
                if manifest.evaluation is not None:
                    _card("groups", groups_card(manifest.evaluation))
                    _card("unknown", unknown_card(manifest.evaluation))


def _show_left(manifest: Manifest) -> None:
    evaluation = manifest.evaluation
    if evaluation is None:
        _card("accuracy", untested_card(manifest))
        return
    _card("accuracy", accuracy_card(evaluation))
    _card("confusion", confusion_card(manifest))
    if len(evaluation.few_shot) > 1:
        with st.container(key="card-train-few-shot"):
            st.html(
                '<span class="rs-overline">With more of them</span>'
                '<p class="rs-quiet">How it does on the others after training on so many only; the band is from the '
                "worst to the best try.</p>"
            )
            show_few_shot(evaluation, key="train-few-shot-chart")
    _card("recall", recall_card(manifest))


def _card(name: str, html: str) -> None:
    if html:
        with st.container(key=f"train-{name}"):
            st.html(html)


def _show_head(
    client: ApiClient, model: Model, models: ModelList, *, is_new: bool, on_promote: Callable[[Model], None]
) -> None:
    name = f"{model.manifest.name} {model.manifest.version}"
    title = f"Your new model is ready: {name}" if is_new else name
    state = state_words(model, models.name_in_use)
    with st.container(key="train-result-head"):
        st.html(f'<header class="rs-result-head"><h2>{text(title)}</h2><span>{text(state)}</span></header>')
        with st.container(horizontal=True, key="train-result-actions"):
            if not model.in_use and model.state in {"standby", "promoted"} and model.problem is None:
                st.button(
                    "Use this model now",
                    key="train-promote-result",
                    type="primary",
                    icon=":material/bolt:",
                    on_click=on_promote,
                    args=(model,),
                )
            if model.has_report and st.button("Full report", key="train-report", icon=":material/description:"):
                show_report_dialog(client, model)


def show_report_dialog(client: ApiClient, model: Model) -> None:
    """Open the report of a model over the page, with a way to keep it."""
    name, version = model.manifest.name, model.manifest.version

    @st.dialog(f"Report of {name} {version}", width="large")
    def _dialog() -> None:
        with guarded():
            report = client.training.get_report(name, version)
            st.download_button(
                "Download",
                report.content,
                file_name=report.name,
                mime="text/html",
                on_click="ignore",
                icon=":material/download:",
                key="train-report-file",
            )
            report_frame(report.content, key="train-report-frame")

    _dialog()
