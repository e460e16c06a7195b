"""A stand-in for the API in every test that wants one."""

from collections.abc import Iterator

import pytest
from services.dashboard.tests.fake_api import World, serve


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def api_url(world: World) -> Iterator[str]:
    with serve(world) as url:
        yield url
