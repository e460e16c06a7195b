"""A stand-in for the API, a dashboard and a browser, for every test that wants them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from services.dashboard.tests.browser import serve_dashboard
from services.dashboard.tests.fake_api import FakeServer, World, running, serve
from services.dashboard.tests.fake_recordings import FakeRecordings
from support.browser import find_chromium, launch

from repsense_dashboard.api import ApiClient


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def api_url(world: World) -> Iterator[str]:
    with serve(world) as url:
        yield url


@pytest.fixture
def client(api_url: str) -> Iterator[ApiClient]:
    with ApiClient(api_url) as client:
        yield client


@pytest.fixture
def fake_recordings(world: World) -> FakeRecordings:
    """Let the world know of recordings, persons and labels."""
    fake = FakeRecordings(world)
    world.routes.append(fake)
    return fake


# Not for the session: Playwright's event loop would be in the way of every other test that has one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no chromium, chromium-browser or google-chrome here")
    with sync_playwright() as playwright, launch(playwright, chromium) as running:
        yield running


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[FakeServer, str]]:
    """One dashboard for all tests that only look at it, and what it takes for the API; to start takes seconds."""
    with running(World()) as server, serve_dashboard(server.url) as url:
        yield server, url


@pytest.fixture
def dashboard_url(stage: tuple[FakeServer, str], world: World) -> str:
    server, url = stage
    server.world = world
    return url
