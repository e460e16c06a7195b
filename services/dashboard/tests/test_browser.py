"""The whole dashboard as a person sees it: its own process, a real browser, a stand-in for the API."""

import re

from playwright.sync_api import Browser, Page, ViewportSize, expect
from services.dashboard.tests import fake_api
from services.dashboard.tests.browser import serve_dashboard
from services.dashboard.tests.fake_api import World

_DESKTOP: ViewportSize = {"width": 1280, "height": 800}
_PHONE: ViewportSize = {"width": 390, "height": 844}

_N_REFRESHES = "() => Number(document.querySelector('[data-refresh]').dataset.refresh)"


def _open(browser: Browser, url: str, *, phone: bool = False) -> Page:
    page = browser.new_page(timezone_id="Asia/Kolkata", viewport=_PHONE if phone else _DESKTOP)
    page.goto(url)
    return page


def test_the_page_follows_the_exercise_without_reload(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sets[0]["started_at"] = "2026-03-05T10:00:00Z"
    page = _open(browser, dashboard_url)
    title = page.locator(".rs-title")
    expect(title).to_have_text("Push-up", timeout=20_000)
    expect(page.locator(".rs-chart canvas")).to_have_count(3)
    expect(page.locator(".rs-when").first).to_contain_text("15:30")
    page.evaluate("() => { window.sameDocument = true; }")

    before = page.evaluate(_N_REFRESHES)
    world.classification = fake_api.make_classification("squat", "incorrect", simulated=True)
    expect(title).to_have_text("Squat")
    expect(page.locator(".rs-verdict")).to_have_text("Incorrect form")
    assert page.evaluate(_N_REFRESHES) - before <= 4
    assert page.evaluate("() => window.sameDocument")

    world.problem = {"status": 503, "title": "No database", "detail": "MongoDB does not answer."}
    expect(page.locator(".rs-notice h2")).to_have_text("No database", timeout=15_000)
    world.problem = None
    expect(title).to_have_text("Squat")
    assert "Traceback" not in page.content()
    page.close()


def test_nothing_is_wider_than_a_phone(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors[0]["name"] = "Sensor-with-a-name-that-somebody-has-made-far-too-long"
    world.sensors += [fake_api.make_sensor(f"ankle-{number}", name=f"Left ankle {number}") for number in range(4)]
    world.classification = fake_api.make_classification("bulgarian split squat", "incorrect", simulated=True)
    page = _open(browser, dashboard_url, phone=True)
    expect(page.locator(".rs-title")).to_have_text("Bulgarian split squat", timeout=20_000)
    expect(page.locator(".rs-chart canvas")).to_have_count(3)
    widths = page.evaluate(
        """() => [...document.querySelectorAll(".stApp *")]
             .filter((each) => !each.closest(".rs-plot, [data-testid=stButtonGroup]"))
             .map((each) => [each.getBoundingClientRect().right, each.className])
             .filter(([right]) => right > document.documentElement.clientWidth + 1)"""
    )
    assert widths == []
    assert page.evaluate("() => document.documentElement.scrollWidth") == _PHONE["width"]
    page.close()


def test_a_wrong_form_is_heard_by_those_who_want_it(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors.append(fake_api.make_sensor("ankle", name="Left ankle"))
    page = browser.new_page(viewport=_DESKTOP)
    page.add_init_script(
        """window.heard = [];
           const start = OscillatorNode.prototype.start;
           OscillatorNode.prototype.start = function (...when) {
             window.heard.push("tone");
             return start.apply(this, when);
           };
           SpeechSynthesis.prototype.speak = (utterance) => window.heard.push(utterance.text);
           // The alarm rests for four seconds; here they pass as fast as the test says.
           window.passed_ms = 0;
           const now = performance.now.bind(performance);
           performance.now = () => now() + window.passed_ms;"""
    )
    page.goto(dashboard_url)
    hero = page.locator(".rs-hero")
    refreshed = "([selector, n]) => Number(document.querySelector(selector).dataset.refresh) >= n"

    def show(form: str) -> None:
        world.classification = fake_api.make_classification("squat", form)
        expect(hero).to_contain_text(f"{form.capitalize()} form", timeout=20_000)
        # The alarm is told in the same refresh or, at the latest, with the next.
        page.wait_for_function(refreshed, arg=["[data-refresh]", page.evaluate(_N_REFRESHES) + 2])

    show("incorrect")
    show("correct")
    expect(page.get_by_role("radio", name="Off")).to_be_checked()
    page.get_by_role("radio", name="Off").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Beep")).to_be_checked()
    n_of_a_beep = 2
    page.wait_for_function("n => window.heard.length === n", arg=n_of_a_beep)  # how it sounds, when it is chosen

    show("incorrect")
    show("correct")
    assert len(page.evaluate("window.heard")) == n_of_a_beep, "so soon after the last one it would be nagging"
    page.evaluate("window.passed_ms += 5000")
    show("incorrect")
    page.wait_for_function("n => window.heard.length === n", arg=2 * n_of_a_beep)
    page.evaluate("window.passed_ms += 5000")
    show("incorrect")
    page.get_by_text("Left ankle").click()
    expect(page).to_have_url(f"{dashboard_url}/?sensor=ankle")
    show("incorrect")
    assert len(page.evaluate("window.heard")) == 2 * n_of_a_beep, "only what turns wrong is heard"

    page.get_by_text("Voice", exact=True).click()
    page.wait_for_function("() => window.heard.at(-1) === 'Watch your form'")
    page.reload()
    expect(page.get_by_role("radio", name="Voice")).to_be_checked(timeout=20_000)
    page.close()


def test_every_page_is_reached_on_a_phone_and_by_keyboard(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    page = _open(browser, dashboard_url, phone=True)
    expect(page.locator(".rs-title")).to_be_visible(timeout=20_000)
    links = page.locator(".st-key-nav a")
    names = [re.compile(f"{name}$") for name in ("Live", "Record", "Data", "Train", "Workouts")]
    expect(links).to_have_text(names)
    expect(links.first).to_be_in_viewport(ratio=1)
    expect(links.last).to_be_in_viewport(ratio=1)
    page.get_by_role("link", name="Record").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{dashboard_url}/record")
    expect(page).to_have_title("Record · RepSense")
    expect(links).to_have_text(names)
    page.get_by_role("link", name="Live").click()
    expect(page.locator(".rs-title")).to_have_text("Push-up")
    page.close()


def test_what_the_network_does_not_know_leads_to_where_it_is_taught(
    browser: Browser, dashboard_url: str, world: World
) -> None:
    fake_api.show_push_ups(world)
    world.classification = fake_api.make_classification(None, confidence=0.4)
    page = _open(browser, dashboard_url)
    expect(page.locator(".rs-title")).to_have_text("Not sure", timeout=20_000)
    page.get_by_role("link", name="Teach it this movement").click()
    expect(page).to_have_url(f"{dashboard_url}/record")
    page.close()


def test_the_chosen_sensor_stays_chosen_after_a_reload(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    world.sensors.append(fake_api.make_sensor("ankle", name="Left ankle", state="offline"))
    page = _open(browser, dashboard_url)
    page.get_by_text("Left ankle", exact=False).click(timeout=20_000)
    expect(page.locator(".rs-title")).to_have_text("Offline")
    page.wait_for_url("**/?sensor=ankle")
    page.reload()
    expect(page.locator(".rs-title")).to_have_text("Offline", timeout=20_000)
    page.close()


def test_nothing_of_the_framework_is_left_to_see(browser: Browser, dashboard_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    page = _open(browser, dashboard_url)
    expect(page.locator(".rs-title")).to_be_visible(timeout=20_000)
    expect(page).to_have_title("RepSense")
    for part in ("stMainMenu", "stAppDeployButton", "stStatusWidget"):
        expect(page.get_by_test_id(part)).not_to_be_visible()
    page.close()


def test_a_dashboard_that_is_gone_is_not_mistaken_for_the_present(browser: Browser, api_url: str, world: World) -> None:
    fake_api.show_push_ups(world)
    with serve_dashboard(api_url) as url:
        page = _open(browser, url)
        expect(page.locator(".rs-title")).to_be_visible(timeout=20_000)
        expect(page.locator(".rs-lost")).not_to_be_visible()
    expect(page.locator(".rs-lost")).to_be_visible(timeout=20_000)
    page.close()


def test_with_a_password_nothing_is_to_be_seen_before_it_was_given(
    browser: Browser, api_url: str, world: World
) -> None:
    fake_api.show_push_ups(world)
    with serve_dashboard(api_url, DASHBOARD_PASSWORD="barbell-rack") as url:  # noqa: S106 - of a test
        page = _open(browser, f"{url}/?sensor=wrist", phone=True)
        field = page.get_by_label("Password of this dashboard")
        expect(field).to_be_focused()
        page.keyboard.type("guess")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the password.")
        expect(field).to_be_focused()
        assert page.evaluate("() => document.documentElement.scrollWidth") == _PHONE["width"]

        page.wait_for_timeout(1_100)  # what the first wrong try costs
        page.keyboard.type("barbell-rack")
        page.keyboard.press("Enter")
        expect(page.locator(".rs-title")).to_have_text("Push-up")
        assert page.url == f"{url}/?sensor=wrist"
        page.reload()
        expect(page.locator(".rs-title")).to_have_text("Push-up", timeout=20_000)

        page.get_by_role("link", name="Log out").click()
        expect(page.get_by_label("Password of this dashboard")).to_be_visible()
        page.goto(url)
        expect(page.get_by_label("Password of this dashboard")).to_be_visible()
        page.close()
