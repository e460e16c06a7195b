"""What a scene is: a state of a page, for a picture. Each page has its own in `scenes_<page>.py`, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page
from services.dashboard.tests.fake_api import World

__all__ = ["Scene"]


@dataclass(frozen=True)
class Scene:
    """A state of a page.

    Attributes:
        arrange: Puts the world into that state.
        path: The page's address, and its query.
        ready: Selects what is there when the page is complete.
        steps: What is done on the page then, before the picture.
    """

    arrange: Callable[[World], None]
    path: str
    ready: str
    steps: Callable[[Page], None] | None = None
