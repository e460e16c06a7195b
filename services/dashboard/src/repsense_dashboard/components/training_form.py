"""A new training: what it uses, how carefully it is tested, what it is called."""

import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from repsense_dashboard.api import ApiClient, Label
from repsense_dashboard.api.training import Holding, Manifest, ModelList, TrainingRequest
from repsense_dashboard.components.markup import icon, plain, text
from repsense_dashboard.components.meters import Meter, meters
from repsense_dashboard.components.page import attempt, message, say
from repsense_dashboard.training_plan import (
    NAME_RULE,
    Choice,
    Plan,
    Thoroughness,
    expected_duration_s,
    is_model_name,
    make_plan,
    n_networks,
    possible_tests,
    training_request,
)
from repsense_dashboard.wording import about_words, counted, label_words, minutes_words

__all__ = ["training_form"]

_REQUEST_KEY = "train-request"
_MOST_PILLS = 12
_DEFAULT_NAME = "bodyweight"

_Name = TypeVar("_Name", str, Label)

_TEST_TITLES: Mapping[Thoroughness, str] = {
    "honest": "Honest test",
    "thorough": "Thorough test",
    "quick": "Quick, no test",
}


def training_form(
    client: ApiClient, holdings: Sequence[Holding], background: Collection[Label], models: ModelList
) -> None:
    """Show the form; a training that is started is named in the page's address.

    Args:
        client: Where the training is started.
        holdings: All that is stored.
        background: Labels that are no exercise.
        models: All that there are.
    """
    with st.container(key="train-form"):
        with st.container(key="card-train-data"):
            st.html(_step(1, "What it learns from"))
            plan = make_plan(holdings, _choose_data(holdings), background)
            st.html(_used(plan))
            for hint in plan.hints:
                st.html(f'<p class="rs-remark">{icon("info")}{text(hint)}</p>')
        with st.container(key="card-train-how"):
            st.html(_step(2, "How carefully it is tested"))
            thoroughness = _choose_test(plan, models)
            st.html(_step(3, "What it is called"))
            name, promote = _choose_name(models)
            _show_start(client, plan, thoroughness, name, promote=promote)


def _step(number: int, title: str) -> str:
    return f'<h3 class="rs-step"><b>{number}</b>{text(title)}</h3>'


def _choose_data(holdings: Sequence[Holding]) -> Choice:
    labelled = [one for one in holdings if one.label is not None]
    with st.expander("Choose among the recordings", key="train-choose", icon=":material/tune:"):
        return Choice(
            persons=_choose("Persons", [(one.subject, one.minutes) for one in labelled], str, "no person"),
            labels=_choose("Activities", [(one.label, one.minutes) for one in labelled], label_words, ""),
            sessions=_choose("Sessions", [(one.session, one.minutes) for one in labelled], str, "no session"),
            sensors=_choose("Sensors", [(one.sensor_id, one.minutes) for one in labelled], str, "no sensor"),
        )


def _choose(
    title: str, amounts: Sequence[tuple[_Name | None, float]], words: Callable[[_Name], str], nameless: str
) -> frozenset[_Name] | None:
    """Return what is picked; None where that is everything, or where there is nothing to pick among.

    Args:
        title: What is picked.
        amounts: How much there is of what; of what has no name, too.
        words: What a name is called on the page.
        nameless: What it is called that something has no name.
    """
    by_words = {words(name): name for name, _ in amounts if name is not None}
    minutes: dict[str, float] = defaultdict(float)
    for name, amount in amounts:
        minutes[nameless if name is None else words(name)] += amount
    options = sorted(minutes, key=lambda option: (option not in by_words, option))
    if len(options) <= 1:
        return None
    # Other options are another question: what is new is picked, like everything else.
    key = f"train-{title.lower()}-{zlib.crc32(repr(options).encode()):x}"
    shown = {option: f"{option} · {minutes_words(minutes[option])}" for option in options}
    if len(options) <= _MOST_PILLS:
        picked = st.pills(
            title,
            options,
            default=options,
            format_func=lambda option: plain(shown[option]),
            selection_mode="multi",
            key=key,
        )
    else:
        picked = st.multiselect(title, options, default=options, format_func=shown.__getitem__, key=key)
    return None if len(picked) == len(options) else frozenset(by_words[one] for one in picked if one in by_words)


def _used(plan: Plan) -> str:
    """Return a plain list of what a training would learn from."""
    groups = counted(len(plan.groups), plan.group_word)
    amount = f"{minutes_words(plan.minutes)} in {counted(plan.n_recordings, 'recording')}, {groups}"
    minutes = plan.minutes_by_label()
    most = max(minutes.values(), default=0.0)
    rows = [
        Meter(
            label_words(label),
            amount / most,
            minutes_words(amount),
            "no exercise: comes out as “not sure”" if label in plan.background else "",
        )
        for label, amount in minutes.items()
    ]
    return f'<div class="rs-used"><p class="rs-lead">{text(amount)}</p>{meters(rows)}</div>'


def _choose_test(plan: Plan, models: ModelList) -> Thoroughness:
    tests, reason = possible_tests(plan)
    manifests = [model.manifest for model in models.items]
    chosen = st.radio(
        "How carefully it is tested",
        tests,
        format_func=_TEST_TITLES.__getitem__,
        captions=[_test_words(plan, one, manifests) for one in tests],
        key=f"train-test-{len(tests)}",
        label_visibility="collapsed",
    )
    if reason:
        st.html(f'<p class="rs-remark">{icon("info")}{text(reason)}</p>')
    return chosen


def _test_words(plan: Plan, thoroughness: Thoroughness, manifests: Sequence[Manifest]) -> str:
    """Return what a test finds out, and what it takes."""
    number = n_networks(plan, thoroughness)
    duration_s = expected_duration_s(plan, thoroughness, manifests)
    networks = "1 network" if number == 1 else f"{number} networks, one after the other"
    takes = networks if duration_s is None else f"{networks}: {about_words(duration_s)}"
    match thoroughness:
        case "quick":
            return f"You will not know how good it is before you try it. Trains {takes}."
        case "honest":
            return (
                f"Leaves out each {plan.group_word} in turn and tries the network on it, and does the same with each "
                f"activity, to see whether strange movements come out as “not sure”. Trains {takes}."
            )
        case "thorough":
            return f"Tells, too, how much better it gets with more {plan.group_word}s. Trains {takes}."


def _choose_name(models: ModelList) -> tuple[str, bool]:
    """Return the name of the model, and whether it is put in use at once."""
    in_use = models.name_in_use or _DEFAULT_NAME
    name = st.text_input("Model", value=in_use, max_chars=63, key="train-name", help=NAME_RULE).strip()
    if not is_model_name(name):
        st.html(message("bad", "This is no name for a model", NAME_RULE))
    elif name != in_use:
        st.html(
            message(
                "neutral",
                f"It will not be live here: this service runs {in_use}",
                f"{name} goes live where the services are started with MODEL_URL=onnx:models/{name}.",
            )
        )
    else:
        version = max((one.manifest.version for one in models.items if one.manifest.name == name), default=0) + 1
        st.html(f'<p class="rs-remark">{icon("info")}It becomes version {version}. Live stays as it is until then.</p>')
    promote = st.checkbox("Use it as soon as it is done, without looking at it first", key="train-promote")
    return name, promote


def _show_start(client: ApiClient, plan: Plan, thoroughness: Thoroughness, name: str, *, promote: bool) -> None:
    for problem in plan.problems:
        st.html(message("bad", "This cannot be trained", problem))
    is_ready = not plan.problems and is_model_name(name)
    request = training_request(plan, thoroughness, name).model_copy(update={"promote": promote}) if is_ready else None
    st.button(
        "Start training",
        key="train-start",
        type="primary",
        icon=":material/play_arrow:",
        disabled=request is None,
        on_click=_start,
        args=(client, request),
        width="stretch",
    )


def _start(client: ApiClient, request: TrainingRequest) -> None:
    with attempt("The training was not started"):
        job = client.training.start(request, key=_key_of(request))
        del st.session_state[_REQUEST_KEY]
        st.query_params.from_dict({"job": job.job_id})
        say("good", "The training is started", "It goes on when you leave this page, and is here when you come back.")


def _key_of(request: TrainingRequest) -> str:
    """Return the same key for the same request until it has succeeded: a second click is not a second training."""
    asked: tuple[TrainingRequest, str] | None = st.session_state.get(_REQUEST_KEY)
    if asked is None or asked[0] != request:
        asked = st.session_state[_REQUEST_KEY] = request, uuid.uuid4().hex
    return asked[1]
