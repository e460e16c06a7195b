"""One stack for all of these tests, and the figures that they measure on the way."""

import time
from collections.abc import Iterator

import pytest
from support.compose import ComposeStack, Figures, HostGateway, engine_problem
from support.servers import ROOT

_FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[_FIGURES].lines
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    return pytestconfig.stash[_FIGURES]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, figures: Figures) -> Iterator[ComposeStack]:
    """The whole stack of docker-compose.yml, from images of this checkout, without data."""
    problem = engine_problem()
    if problem is not None:
        pytest.skip(problem)
    stack = ComposeStack("repsense-test", tmp_path_factory.mktemp("stack"), {"REPSENSE_VERSION": "test"})
    # What a run left behind that was broken off.
    stack.down("--volumes")
    began_s = time.monotonic()
    stack.compose("build")
    figures.note("building the images", time.monotonic() - began_s)
    try:
        began_s = time.monotonic()
        stack.up()
        figures.note("first `up`, until everything is ready", time.monotonic() - began_s)
        figures.note_memory(stack, "after the start")
        yield stack
    finally:
        log = ROOT / "build" / "compose.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(stack.compose("logs", "--no-color", "--timestamps"))
        stack.down("--volumes")


@pytest.fixture(scope="session")
def home(stack: ComposeStack) -> HostGateway:
    """A gateway with two sensors, not started yet."""
    return stack.host_gateway("home", "wrist")
