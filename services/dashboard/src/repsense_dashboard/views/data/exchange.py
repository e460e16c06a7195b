"""Files in and out."""

from dataclasses import dataclass

import streamlit as st

from repsense_dashboard.api import ApiClient, ApiError
from repsense_dashboard.api.recordings import ExportFormat, Recording, RecordingFilter
from repsense_dashboard.components.label_fields import person_field
from repsense_dashboard.components.markup import text
from repsense_dashboard.components.page import Changes, message
from repsense_dashboard.views.data.filters import chosen_filter, clear_filter, filter_words
from repsense_dashboard.wording import as_sentence, counted

__all__ = ["show_exchange"]

_FILES, _RESULTS, _ROUND = "import-files", "import-results", "import-round"
_LIMIT = 1

_FORMATS: dict[ExportFormat, tuple[str, str]] = {
    "parquet": ("Parquet", "recordings.parquet"),
    "csv": ("CSV", "recordings.csv"),
    "edge-impulse": ("Edge Impulse", "recordings.zip"),
}


@dataclass(frozen=True)
class _Result:
    """What came of one file."""

    name: str
    words: str
    good: bool


def show_exchange(client: ApiClient, changes: Changes) -> None:
    """Show import and export."""
    with st.container(key="data-exchange"):
        with st.container(key="card-import"):
            _show_import(client, changes)
        with st.container(key="card-export"):
            _show_export(client)


def _show_import(client: ApiClient, changes: Changes) -> None:
    st.html(
        '<h2 class="rs-section">Bring recordings</h2><p class="rs-quiet">CSV, Parquet, Edge Impulse&rsquo;s JSON, or a '
        "zip of them. What is here already is not stored twice.</p>"
    )
    files = st.file_uploader(
        "Files", accept_multiple_files=True, key=f"{_FILES}-{st.session_state.get(_ROUND, 0)}", max_upload_size=200
    )
    with st.container(horizontal=True, key="import-facts", vertical_alignment="bottom"):
        subject = person_field([each.name for each in client.persons.list_persons()], None, key="import-person")
        session = st.text_input("Session", max_chars=60, key="import-session", persist_state="session").strip()
        rate_hz = st.number_input(
            "Samples per second",
            min_value=0.1,
            max_value=10_000.0,
            value=None,
            placeholder="As the file says",
            key="import-rate",
            help="Only for files which do not say it themselves.",
        )
    st.html('<p class="rs-quiet">Person and session are filled in where a file does not say them.</p>')
    if st.button("Import", type="primary", key="import-do", disabled=not files):
        with st.spinner("Reading the files"):
            st.session_state[_RESULTS] = [
                _import(
                    client,
                    changes,
                    file.name,
                    file.getvalue(),
                    rate_hz=rate_hz,
                    subject=subject,
                    session=session or None,
                )
                for file in files
            ]
        st.session_state[_ROUND] = int(st.session_state.get(_ROUND, 0)) + 1
        st.rerun()
    results: list[_Result] = st.session_state.get(_RESULTS, [])
    if results:
        st.html("".join(message("good" if each.good else "bad", each.name, each.words) for each in results))


def _import(
    client: ApiClient,
    changes: Changes,
    name: str,
    content: bytes,
    *,
    rate_hz: float | None,
    subject: str | None,
    session: str | None,
) -> _Result:
    try:
        found = client.recordings.import_file(name, content, sample_rate_hz=rate_hz, subject=subject, session=session)
    except ApiError as error:
        # The file's own name keeps its first letter.
        words = error.detail if error.detail.startswith(name) else as_sentence(error.detail)
        return _Result(name, words, good=False)
    if found.n_new == 0:
        return _Result(name, f"{counted(found.n_found, 'recording')}, all of them here already.", good=True)
    words = f"{counted(found.n_new, 'recording')} imported"
    if found.n_new < found.n_found:
        return _Result(name, f"{words}; {found.n_found - found.n_new} were here already.", good=True)
    if found.n_new == len(found.items):
        _remember(client, changes, f"{words} from {name}", found.items)
    return _Result(name, f"{words}.", good=True)


def _remember(client: ApiClient, changes: Changes, words: str, items: tuple[Recording, ...]) -> None:
    changes.remember(words, lambda: client.recordings.throw_away(items, any_version=True))


def _show_export(client: ApiClient) -> None:
    which = chosen_filter()
    st.html('<h2 class="rs-section">Take recordings with you</h2>')
    if which == RecordingFilter():
        st.html('<p class="rs-quiet">All recordings. To take only some, filter them in the section Recordings.</p>')
    else:
        st.html(
            f'<p class="rs-quiet">What the section Recordings is filtered to: <b>{text(filter_words(which))}</b>.</p>'
        )
        st.button("All recordings instead", key="export-all", on_click=clear_filter, type="tertiary")
    form = st.segmented_control(
        "As",
        list(_FORMATS),
        default="parquet",
        required=True,
        format_func=lambda form: _FORMATS[form][0],
        key="export-format",
        persist_state="session",
    )
    chosen: ExportFormat = form or "parquet"
    nothing = not client.recordings.list_recordings(which, limit=_LIMIT).items
    st.download_button(
        f"Download {_FORMATS[chosen][1]}",
        lambda: client.recordings.export(which, chosen).content,
        file_name=_FORMATS[chosen][1],
        key="export-do",
        type="primary",
        on_click="ignore",
        disabled=nothing,
    )
    if nothing:
        st.html('<p class="rs-quiet">There is nothing to take with you yet.</p>')
