"""Settings for every test of the repository."""

import os

import hypothesis
import pytest

# Timings never fail a test: what takes 200 ms on a quiet machine takes a second on a busy one. Each run tries the same
# examples, so that a change fails for what it changed; HYPOTHESIS_PROFILE=explore tries others.
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.register_profile("repsense", deadline=None, derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repsense"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what `make test` runs by itself."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.alone)
