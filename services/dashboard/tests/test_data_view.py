"""The data page's sections, through Streamlit's own test runner and a stand-in for the API."""

from datetime import UTC, datetime, timedelta

import pytest
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import World
from services.dashboard.tests.fake_recordings import FakeRecordings, Motion
from streamlit.testing.v1 import AppTest

from repsense_dashboard.api import ApiClient
from repsense_dashboard.api.movement import Timeline, TimelinePreview
from repsense_dashboard.components.signal_editor import EditorSignal, editor_movement
from repsense_dashboard.views.data.past import has_signal, merge_signals


def _script(client: object) -> None:
    # The script runs apart from this module, without its names.
    from repsense_dashboard.api import ApiClient  # noqa: PLC0415
    from repsense_dashboard.views import data  # noqa: PLC0415

    assert isinstance(client, ApiClient)
    data.show(client)


@pytest.fixture
def app(client: ApiClient, world: World, fake_recordings: FakeRecordings) -> AppTest:
    assert fake_recordings in world.routes
    world.sensors = [fake_api.make_sensor()]
    return AppTest.from_function(_script, kwargs={"client": client}, default_timeout=30)


@pytest.fixture
def two(fake_recordings: FakeRecordings) -> tuple[str, str]:
    """Store a squat of Anna's, and after it a lunge of Ben's."""
    squat = fake_recordings.add_recording("squat", "correct", subject="Anna", session="1", ago=timedelta(hours=2))
    lunge = fake_recordings.add_recording("lunge", subject="Ben", session="2", ago=timedelta(hours=1))
    return squat["recording_id"], lunge["recording_id"]


def _open(app: AppTest, section: str | None = None, *, selected: tuple[str, ...] = ()) -> str:
    if section is not None:
        app.query_params["section"] = section
    if selected:
        app.session_state["data-selected"] = list(selected)
    app.run()
    return _read(app)


def _read(app: AppTest) -> str:
    """Return the page's HTML, having checked that nothing failed."""
    assert not app.exception
    return "\n".join(element.body for element in app.html)


def _activities(app: AppTest) -> list[str]:
    return [str(each) for each in app.dataframe[0].value["activity"]]


# Recordings ---------------------------------------------------------------------------------------------------------


def test_without_recordings_the_page_says_what_to_do(app: AppTest) -> None:
    html = _open(app)
    assert "No recording yet" in html
    assert not app.dataframe


def test_recordings_are_a_table_with_their_facts_newest_first(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    fake_recordings.recordings[two[0]] |= {"interruption": "the sensor was disconnected", "note": "wet floor"}
    _open(app)
    table = app.dataframe[0].value
    assert list(table["activity"]) == ["Lunge", "Squat"]
    assert list(table["form"]) == ["", "correct"]
    assert list(table["person"]) == ["Ben", "Anna"]
    assert table["remark"][1] == "cut short: the sensor was disconnected. wet floor"
    assert 30 < len(table["movement"][0]) <= 120


def test_filters_show_what_fits_and_say_when_nothing_does(app: AppTest, two: tuple[str, str]) -> None:
    assert len(two) == len(set(two))
    _open(app)
    app.selectbox(key="data-person").set_value("Ben").run()
    assert _activities(app) == ["Lunge"]
    app.selectbox(key="data-activity").set_value("squat").run()
    assert "There is no recording: squat, by Ben." in _read(app)
    app.button(key="no-match-action-0").click().run()
    assert _activities(app) == ["Lunge", "Squat"]


def test_older_recordings_are_shown_when_asked_for(app: AppTest, fake_recordings: FakeRecordings) -> None:
    for number in range(103):
        fake_recordings.add_recording("squat", ago=timedelta(minutes=number))
    _open(app)
    assert len(_activities(app)) == 100
    app.button(key="data-more").click().run()
    assert len(_activities(app)) == 103
    assert not [each for each in app.button if each.key == "data-more"]


def test_sessions_are_those_of_the_person_looked_at(app: AppTest, two: tuple[str, str]) -> None:
    assert two
    _open(app)
    assert app.selectbox(key="data-session").options == ["2", "1"]
    app.selectbox(key="data-person").set_value("Anna").run()
    assert app.selectbox(key="data-session").options == ["1"]


def test_recordings_without_label_can_be_found(app: AppTest, two: tuple[str, str], world: World) -> None:
    fake = next(each for each in world.routes if isinstance(each, FakeRecordings))
    fake.add_recording(None)
    assert two
    _open(app)
    app.selectbox(key="data-activity").set_value("\N{EM DASH} no label").run()
    assert _activities(app) == ["No label"]


def test_several_recordings_are_relabelled_at_once_and_back(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    html = _open(app, selected=two)
    assert "2 recordings chosen" in html
    label = next(each for each in app.selectbox if each.label == "Activity" and each.key != "data-activity")
    label.set_value("lunge").run()
    app.button(key="data-relabel-do").click().run()
    assert _activities(app) == ["Lunge", "Lunge"]
    assert "2 recordings relabelled as lunge" in _read(app)
    app.button(key="undo").click().run()
    assert _activities(app) == ["Lunge", "Squat"]
    assert fake_recordings.recordings[two[0]]["label"] == {"exercise": "squat", "form": "correct"}


def test_several_recordings_are_moved_to_another_person_and_session(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    _open(app, selected=two)
    person = next(each for each in app.selectbox if each.label == "Person" and each.key != "data-person")
    person.set_value("Ben").run()
    app.button(key="data-move-person").click().run()
    assert {each["subject"] for each in fake_recordings.recordings.values()} == {"Ben"}
    session = next(each for each in app.text_input if each.key and each.key.startswith("move-session"))
    session.set_value("garden").run()
    app.button(key="data-move-session").click().run()
    assert {each["session"] for each in fake_recordings.recordings.values()} == {"garden"}


def test_what_somebody_else_has_changed_is_not_overwritten(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    _open(app, selected=two)
    fake_recordings.recordings[two[0]]["version"] = 9
    app.button(key="data-delete").click().run()
    html = _read(app)
    assert "Not deleted: 1 recording" in html
    assert _activities(app) == ["Squat"]


def test_what_is_deleted_is_in_the_trash_and_comes_back(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    _open(app, selected=(two[0],))
    app.button(key="data-delete").click().run()
    assert _activities(app) == ["Lunge"]
    app.toggle(key="data-trash").set_value(True)
    app.session_state["data-selected"] = [two[0]]
    app.run()
    assert _activities(app) == ["Squat"]
    app.button(key="data-restore").click().run()
    assert "The trash is empty" in _read(app)
    assert fake_recordings.recordings[two[0]]["deleted_at"] is None


def test_what_is_deleted_for_good_is_gone(app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings) -> None:
    fake_recordings.recordings[two[0]]["deleted_at"] = "2026-03-05T10:00:00Z"
    app.session_state["data-trash"] = True
    _open(app, selected=(two[0],))
    app.button(key="data-for-good-do").click().run()
    assert "1 recording deleted for good" in _read(app)
    assert set(fake_recordings.recordings) == {two[1]}


def test_one_recording_is_shown_with_what_is_known_of_it(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    fake_recordings.recordings[two[0]] |= {"interruption": "1.3 s of signal were lost"}
    html = _open(app, selected=(two[0],))
    assert "17.6\N{NO-BREAK SPACE}s kept of 20\N{NO-BREAK SPACE}s, about 8 repetitions" in html
    assert "It is shorter than planned: 1.3 s of signal were lost." in html
    assert "session 1" in html


def test_one_recording_is_trimmed_untrimmed_and_undone(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    recording = fake_recordings.recordings[two[0]]
    _open(app, selected=(two[0],))
    app.button(key="detail-all").click().run()
    assert (recording["trim_start_s"], recording["trim_end_s"]) == (0.0, 20.0)
    assert "All 20\N{NO-BREAK SPACE}s kept" in _read(app)
    app.button(key="detail-auto").click().run()
    app.button(key="undo").click().run()
    assert (recording["trim_start_s"], recording["trim_end_s"]) == (0.0, 20.0)
    app.button(key="undo").click().run()
    assert (recording["trim_start_s"], recording["trim_end_s"]) == (1.3, 18.9)
    _read(app)


def test_one_recording_is_cut_in_two_and_joined_again(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    _open(app, selected=(two[0],))
    app.toggle(key=f"splitting-{two[0]}").set_value(True).run()
    app.slider(key=f"cut-{two[0]}").set_value(8.0).run()
    app.button(key="detail-split").click().run()
    assert _activities(app) == ["Squat", "Squat", "Lunge"]
    lengths = {
        round(fake_recordings.motions[key].captured_s, 1)
        for key, each in fake_recordings.recordings.items()
        if each["deleted_at"] is None and key != two[1]
    }
    assert lengths == {8.0, 12.0}
    app.button(key="undo").click().run()
    assert _activities(app) == ["Lunge", "Squat"]


def test_what_is_said_of_one_recording_is_corrected(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    _open(app, selected=(two[0],))
    app.text_area[0].set_value("wet floor")
    session = next(each for each in app.text_input if each.key and each.key.startswith("facts-"))
    session.set_value("7")
    app.run()
    app.button(key="detail-save").click().run()
    recording = fake_recordings.recordings[two[0]]
    assert (recording["note"], recording["session"], recording["subject"]) == ("wet floor", "7", "Anna")
    assert "wet floor" in _read(app)


def test_what_somebody_else_has_said_meanwhile_is_not_overwritten(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    recording = fake_recordings.recordings[two[0]]
    _open(app, selected=(two[0],))
    recording |= {"version": 2, "note": "theirs"}
    app.text_area[0].set_value("mine")
    app.button(key="detail-save").click().run()
    assert "The recording was not changed" in _read(app)
    assert recording["note"] == "theirs"
    app.text_area[0].set_value("mine, too").run()
    app.button(key="detail-save").click().run()
    assert recording["note"] == "mine, too"


# The past -----------------------------------------------------------------------------------------------------------


def test_without_a_sensor_there_is_no_past(app: AppTest, world: World) -> None:
    world.sensors = []
    assert "Nothing to label yet" in _open(app, "Label the past")


def test_the_past_says_how_to_label_it_and_how_long_it_is_kept(app: AppTest) -> None:
    html = _open(app, "Label the past")
    assert "Brush over a stretch" in html
    assert "Signal is kept back to" in html
    assert "Nothing is selected." in html


def test_fine_signal_takes_the_place_of_coarse() -> None:
    #            0    10    20    30    40
    # coarse     1     1     1     1     1
    # fine               15 20 25
    coarse = editor_movement([1.0] * 5, step_s=10.0)
    fine = editor_movement([2.0, None, 2.0], step_s=5.0, start_s=15.0)
    merged = merge_signals(coarse, fine, (15.0, 25.0))
    assert list(merged.offsets_s) == [0.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0]
    assert merged.charts[0]["lines"][0]["values"] == [1.0, 1.0, 2.0, None, 2.0, 1.0, 1.0]
    assert isinstance(merged, EditorSignal)


def test_a_stretch_without_signal_is_known() -> None:
    # values     .   1   1   .   .
    # seconds    0  10  20  30  40  50
    start = datetime(2026, 3, 5, 10, 0, tzinfo=UTC)
    preview = TimelinePreview(start_at=start, step_s=10.0, values=(None, 1.0, 1.0, None, None))
    timeline = Timeline(sensor_id="wrist", preview=preview)
    stretches = {(0, 9): False, (0, 11): True, (25, 45): True, (31, 49): False, (-20, -10): False}
    found = {edges: has_signal(timeline, *(start + timedelta(seconds=edge) for edge in edges)) for edges in stretches}
    assert found == stretches


# Overview -----------------------------------------------------------------------------------------------------------


def test_an_overview_of_nothing_says_what_to_do(app: AppTest) -> None:
    assert "Nothing to look over yet" in _open(app, "Overview")


def test_the_overview_adds_up_warns_and_advises(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    assert two
    fake_recordings.warnings = [{"kind": "gaps", "text": "there are <gaps>"}]
    html = _open(app, "Overview")
    assert "<b>35\N{NO-BREAK SPACE}s</b><span>recorded</span>" in html
    assert "<b>2</b><span>persons</span>" in html
    assert "There are &lt;gaps&gt;." in html
    assert "lunge: 5 more takes" in html


# Files --------------------------------------------------------------------------------------------------------------


def test_of_several_files_a_wrong_one_gets_its_sentence_and_the_others_are_stored(
    app: AppTest, fake_recordings: FakeRecordings
) -> None:
    _open(app, "Import and export")
    files = [("holiday.jpg", b"", "image/jpeg"), ("takes.csv", b"sample_rate_hz", "text/csv")]
    app.file_uploader[0].set_value(files).run()
    app.button(key="import-do").click().run()
    html = _read(app)
    assert "holiday.jpg is not a file of recordings" in html
    assert "3 recordings imported." in html
    assert len(fake_recordings.recordings) == 3
    app.button(key="undo").click().run()
    assert all(each["deleted_at"] for each in fake_recordings.recordings.values())


def test_a_file_without_rate_is_told_its_rate(app: AppTest, fake_recordings: FakeRecordings) -> None:
    _open(app, "Import and export")
    app.file_uploader[0].set_value([("takes.csv", b"", "text/csv")]).run()
    app.button(key="import-do").click().run()
    assert "give the rate" in _read(app)
    app.file_uploader[0].set_value([("takes.csv", b"", "text/csv")])
    app.number_input(key="import-rate").set_value(50.0)
    app.text_input(key="import-session").set_value("gym").run()
    app.button(key="import-do").click().run()
    assert {each["session"] for each in fake_recordings.recordings.values()} == {"gym"}


def test_an_export_respects_the_filter(app: AppTest, two: tuple[str, str]) -> None:
    assert two
    _open(app)
    app.selectbox(key="data-person").set_value("Ben").run()
    app.query_params["section"] = "Import and export"
    app.run()
    assert "by Ben" in _read(app)
    app.button(key="export-all").click().run()
    assert "All recordings. To take only some" in _read(app)


# People and labels --------------------------------------------------------------------------------------------------


def test_before_anything_is_recorded_there_is_nobody(app: AppTest) -> None:
    assert "Nobody yet" in _open(app, "People and labels")


def test_a_person_is_renamed_with_their_recordings_and_back(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    _open(app, "People and labels")
    name = next(each for each in app.text_input if each.value == "Anna")
    name.set_value("Anne").run()
    save = next(each for each in app.button if each.key and each.key.startswith("save-person"))
    save.click().run()
    assert fake_recordings.recordings[two[0]]["subject"] == "Anne"
    assert "Anna is now Anne" in _read(app)
    app.button(key="undo").click().run()
    assert fake_recordings.recordings[two[0]]["subject"] == "Anna"


def test_a_name_that_is_taken_is_refused_in_words(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    _open(app, "People and labels")
    name = next(each for each in app.text_input if each.value == "Anna")
    name.set_value("Ben").run()
    save = next(each for each in app.button if each.key and each.key.startswith("save-person"))
    save.click().run()
    assert "There is a Ben already." in _read(app)
    assert fake_recordings.recordings[two[0]]["subject"] == "Anna"


def test_before_everything_of_a_person_is_deleted_the_page_says_what_goes(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    assert two
    person_id = fake_recordings.add_person("Anna")["person_id"]
    _open(app, "People and labels")
    app.button(key=f"erase-person-{person_id}").click().run()
    html = _read(app)
    assert "<b>1 recording (18\N{NO-BREAK SPACE}s)</b>" in html
    assert "<b>4 workouts</b>" in html
    assert "<b>1 training</b>" in html
    assert "<b>bodyweight 2</b>" in html
    assert app.button(key="erase-do").disabled


def test_the_name_to_be_typed_is_shown_as_it_is(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    assert two
    person_id = fake_recordings.add_person("*Anna*")["person_id"]
    _open(app, "People and labels")
    app.button(key=f"erase-person-{person_id}").click().run()
    # Streamlit reads labels as Markdown, and would show the name without its stars.
    assert app.text_input(key="erase-name").label == r"Type the name to confirm: \*Anna\*"


def test_a_label_that_is_no_exercise_says_so_and_back(app: AppTest, fake_recordings: FakeRecordings) -> None:
    label = fake_recordings.add_label("rest")
    _open(app, "People and labels")
    app.toggle(key=f"label-{label['label_id']}-1-background").set_value(True).run()
    app.button(key=f"save-label-{label['label_id']}").click().run()
    assert "shown as unknown" in _read(app)
    assert label["background"]
    app.button(key="undo").click().run()
    assert not label["background"]


def test_a_person_whom_somebody_else_has_renamed_is_not_renamed_again(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    assert two
    person = fake_recordings.add_person("Anna")
    _open(app, "People and labels")
    person |= {"version": 2, "name": "Annette"}
    next(each for each in app.text_input if each.value == "Anna").set_value("Anne")
    app.button(key=f"save-person-{person['person_id']}").click().run()
    assert "Annette was not changed" in _read(app)
    assert person["name"] == "Annette"


def test_a_label_in_use_cannot_be_removed_and_another_comes_back(
    app: AppTest, two: tuple[str, str], fake_recordings: FakeRecordings
) -> None:
    assert two
    used = fake_recordings.add_label("lunge")["label_id"]
    unused = fake_recordings.add_label("plank")["label_id"]
    _open(app, "People and labels")
    assert app.button(key=f"label-{used}-1-remove").disabled
    app.button(key=f"label-{unused}-1-remove").click().run()
    assert unused not in fake_recordings.labels
    app.button(key="undo").click().run()
    assert "plank" in {each["exercise"] for each in fake_recordings.labels.values()}


def test_a_service_that_is_away_is_said_in_place_of_the_section(app: AppTest, world: World) -> None:
    world.problem = {"status": 503, "title": "No database", "detail": "MongoDB does not answer."}
    assert "MongoDB does not answer." in _open(app)


@pytest.mark.parametrize("section", [None, "Overview", "People and labels"])
def test_names_from_the_api_are_never_markup(
    app: AppTest, fake_recordings: FakeRecordings, section: str | None
) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    made = fake_recordings.add_recording(
        hostile, hostile, subject=hostile, session=hostile, note=hostile, motion=Motion(hostile, 9.0, 1.0, 8.0)
    )
    fake_recordings.persons[next(iter(fake_recordings.persons))]["note"] = hostile
    fake_recordings.warnings = [{"kind": "x", "text": hostile}]
    html = _open(app, section, selected=(made["recording_id"],))
    assert "&lt;img" in html
    assert "<img" not in html
