"""What every page has: words for what came of an action, a way back, states without data, and links."""

from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from repsense_dashboard.api import ApiProblemError, ApiUnreachableError
from repsense_dashboard.components.page import Changes


def _html(app: AppTest) -> str:
    assert not app.exception
    return "\n".join(element.body for element in app.html)


def _acting_page() -> None:
    import streamlit as st  # noqa: PLC0415 - AppTest runs this as a script of its own

    from repsense_dashboard.api import ApiProblemError, ApiUnreachableError  # noqa: PLC0415
    from repsense_dashboard.components.page import Changes, attempt, guarded, page_head, say, undo_bar  # noqa: PLC0415

    def act(error: Exception | None) -> None:
        with attempt("The recording was not changed"):
            if error is not None:
                raise error
            Changes.of_page("test").remember("1 recording changed", undo=lambda: None)
            say("good", "Changed", "push-up <correct>")

    conflict = ApiProblemError(412, "Conflict", "it was changed meanwhile", "version-conflict")
    page_head("Data", "What there is & more.")
    undo_bar(Changes.of_page("test"))
    st.button("act", on_click=act, args=[None])
    st.button("conflict", on_click=act, args=[conflict])
    st.button("refused", on_click=act, args=[ApiProblemError(422, "No", "The name is taken.", "name-taken")])
    st.button("away", on_click=act, args=[ApiUnreachableError("Away", "Nobody answers.")])
    with guarded():
        st.html("before")
        raise ApiProblemError(503, "No database", "It does not answer.")
    st.html("after")


def _click(app: AppTest, label: str) -> str:
    next(button for button in app.button if button.label == label).click()
    return _html(app.run())


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(_acting_page, default_timeout=30).run()


def test_what_cannot_be_read_is_said_in_its_place_and_the_page_goes_on(app: AppTest) -> None:
    html = _html(app)
    assert html.index("before") < html.index("No database") < html.index("after")
    assert "What there is &amp; more." in html


def test_what_came_of_an_action_is_said_once_and_as_text(app: AppTest) -> None:
    html = _click(app, "act")
    assert 'role="status"' in html
    assert "push-up &lt;correct&gt;" in html
    assert "push-up" not in _html(app.run())


@pytest.mark.parametrize(
    ("button", "said"),
    [("conflict", "changed meanwhile"), ("refused", "The name is taken."), ("away", "Nobody answers.")],
)
def test_an_action_that_fails_says_what_did_not_happen_and_why(app: AppTest, button: str, said: str) -> None:
    html = _click(app, button)
    assert 'role="alert"' in html
    assert "The recording was not changed" in html
    assert said in html
    assert not [each for each in app.button if each.label == "Undo"]


def test_the_last_change_can_be_undone(app: AppTest) -> None:
    assert "1 recording changed" in _click(app, "act")
    assert "Undone: 1 recording changed" in _click(app, "Undo")
    assert not [each for each in app.button if each.label == "Undo"]


class _Undone:
    """Notes what was undone; fails while it has an error."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.error: Exception | None = None

    def of(self, name: str) -> Callable[[], None]:
        def undo() -> None:
            if self.error is not None:
                raise self.error
            self.done.append(name)

        return undo


@pytest.fixture
def undone(monkeypatch: pytest.MonkeyPatch) -> _Undone:
    # Outside of a page there is no session to say anything in.
    monkeypatch.setattr(st, "session_state", {})
    return _Undone()


def test_changes_are_undone_from_the_last_one_on_and_the_oldest_are_forgotten(undone: _Undone) -> None:
    changes = Changes()
    for number in range(12):
        changes.remember(f"change {number}", undone.of(str(number)))
    while changes.last is not None:
        changes.undo()
    changes.undo()
    assert undone.done == ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]


def test_what_cannot_be_undone_any_more_is_forgotten_but_not_because_nobody_answers(undone: _Undone) -> None:
    changes = Changes()
    changes.remember("first", undone.of("first"))
    changes.remember("second", undone.of("second"))
    undone.error = ApiUnreachableError("Away", "Nobody answers.")
    changes.undo()
    assert changes.last == "second"
    undone.error = ApiProblemError(412, "Conflict", "it was changed meanwhile", "version-conflict")
    changes.undo()
    assert changes.last == "first"
    said = [title for _tone, title, _detail in st.session_state["messages"]]
    assert said == ["Not undone: second", "Not undone: second"]
    assert undone.done == []


def _empty_page() -> None:
    import streamlit as st  # noqa: PLC0415 - AppTest runs this as a script of its own

    from repsense_dashboard.components.page import Action, empty_state  # noqa: PLC0415

    def begin() -> None:
        st.session_state["begun"] = True

    actions = [Action("Begin", on_click=begin), Action("Elsewhere", page="nowhere")]
    empty_state("record", "No recording yet", "Record <one>.", actions, key="nothing")
    st.html(f"begun: {st.session_state.get('begun', False)}")


def test_an_empty_state_says_what_to_do_and_does_it() -> None:
    app = AppTest.from_function(_empty_page, default_timeout=30).run()
    html = _html(app)
    assert "No recording yet" in html
    assert "Record &lt;one&gt;." in html
    assert "begun: True" in _click(app, "Begin")
