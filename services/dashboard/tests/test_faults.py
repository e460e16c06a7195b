"""What is wrong with RepSense as a whole: read once for all pages, shown in words at the head of each."""

import signal
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.browser import running_dashboard
from services.dashboard.tests.fake_api import World, make_fault
from services.dashboard.tests.scenes_faults import BEHIND, CLOCKS, DATABASE_AWAY, DISK_FULL, PREPROCESSOR_AWAY

from repsense_dashboard.api import ApiClient, ApiProblemError, ApiUnreachableError, Fault
from repsense_dashboard.api import status as status_api
from repsense_dashboard.components.fault_banner import fault_banner
from repsense_dashboard.components.notice import api_error_notice

_NOW = datetime(2026, 3, 5, 10, 0, tzinfo=UTC)
_KOLKATA = ZoneInfo("Asia/Kolkata")


def _banner(*faults: dict[str, object]) -> str:
    read = [Fault.model_validate(fault | {"since": "2026-03-05T09:30:00Z"}) for fault in faults]
    return fault_banner(read, now=_NOW, zone=_KOLKATA)


def test_faults_are_asked_for_once_for_all_pages(
    client: ApiClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.faults = [DATABASE_AWAY]
    assert [fault.kind for fault in client.status.faults()] == ["database-away"]
    world.faults = []
    assert [fault.kind for fault in client.status.faults()] == ["database-away"]
    monkeypatch.setattr(status_api, "_KEPT_S", 0.0)
    assert client.status.faults() == ()


def test_that_there_is_no_answer_is_found_out_once_for_all_pages(
    client: ApiClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.api_key = "another"
    with pytest.raises(ApiProblemError, match="wants a key"):
        client.status.faults()
    world.api_key = None
    with pytest.raises(ApiProblemError, match="wants a key"):
        client.status.faults()
    monkeypatch.setattr(status_api, "_KEPT_S", 0.0)
    assert client.status.faults() == ()


def test_a_service_that_does_not_know_the_question_has_no_faults(client: ApiClient, world: World) -> None:
    world.knows_status = False
    assert client.status.faults() == ()


def test_nothing_is_shown_where_nothing_is_wrong() -> None:
    assert _banner() == '<span class="rs-no-faults"></span>'


def test_a_fault_says_since_when_and_what_to_do() -> None:
    html = _banner(DATABASE_AWAY)
    assert "<strong>The database is away</strong> <time>since 15:00</time>" in html
    assert "The database does not answer. See whether it runs, and what its log says." in html
    assert 'role="status"' in html
    assert "details" not in html


def test_more_than_two_faults_stand_behind_a_click() -> None:
    html = _banner(PREPROCESSOR_AWAY, DISK_FULL, CLOCKS, BEHIND)
    first, _, others = html.partition("<summary>2 more</summary>")
    assert first.count('<div class="rs-fault ') == 2
    assert others.count('<div class="rs-fault rs-fault-remark"') == 2


def test_names_in_a_fault_are_no_markup() -> None:
    html = _banner(make_fault("x", "a <b>", "<script>", "c & d."))
    assert "<script>" not in html
    assert "a &lt;b&gt;" in html


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ApiProblemError(503, "Database unavailable", "the database is full; try again", "database-unavailable"),
            "The database is full. What the sensors send waits meanwhile",
        ),
        (ApiProblemError(429, "Too many keys", "too many wrong keys", "too-many-keys"), "is not that of the service"),
        (ApiProblemError(429, "Too many requests", "wait 3 s", "too-many-requests"), "Wait 3 s."),
        (ApiUnreachableError("Not trusted", "The certificate is not valid."), "The certificate is not valid."),
    ],
)
def test_what_cannot_be_read_is_said_in_its_place(error: ApiProblemError, words: str) -> None:
    assert words in api_error_notice(error)


def test_it_stops_at_once_although_a_page_is_open(browser: Browser, api_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    page = browser.new_page()
    with running_dashboard(api_url) as (process, url):
        page.goto(url)
        expect(page.locator(".rs-title")).to_have_text("Push-up", timeout=20_000)
        process.send_signal(signal.SIGTERM)
        # Docker kills what needs longer.
        assert process.wait(10) == 0
        # The page is still there, and says that it is not live any more.
        expect(page.locator(".rs-lost")).to_be_visible(timeout=15_000)
    page.close()


def test_a_fault_comes_to_an_open_page_and_goes(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(dashboard_url)
    expect(page.locator(".rs-title")).to_have_text("Push-up", timeout=20_000)
    expect(page.locator(".rs-fault")).to_have_count(0)
    top = page.locator(".rs-hero").bounding_box()

    world.faults = [PREPROCESSOR_AWAY, CLOCKS]
    expect(page.locator('.rs-fault-error[data-kind="preprocessor-away"]')).to_be_visible(timeout=15_000)
    expect(page.locator('.rs-fault-remark[data-kind="clocks-differ"]')).to_contain_text("2 hours ahead")
    # The page goes on below.
    expect(page.locator(".rs-title")).to_have_text("Push-up")

    for path in ("record", "data", "train", "workouts"):
        page.goto(f"{dashboard_url}/{path}")
        expect(page.locator(".rs-fault")).to_have_count(2, timeout=20_000)

    page.goto(dashboard_url)
    expect(page.locator(".rs-fault")).to_have_count(2, timeout=20_000)
    world.faults = []
    expect(page.locator(".rs-fault")).to_have_count(0, timeout=15_000)
    expect(page.locator(".rs-title")).to_have_text("Push-up")
    assert page.locator(".rs-hero").bounding_box() == top

    # Where nothing is wrong, nothing is kept free for it.
    page.goto(f"{dashboard_url}/data")
    expect(page.locator(".rs-page-head")).to_be_visible(timeout=20_000)
    head, main = (page.locator(each).bounding_box() for each in (".rs-page-head", "[data-testid=stMainBlockContainer]"))
    assert head is not None
    assert main is not None
    assert head["y"] - main["y"] == 60
    assert [text for text in said if "Content Security Policy" in text] == []
    page.close()
