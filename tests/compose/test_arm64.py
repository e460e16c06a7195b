"""The stack for processors on which neither TensorFlow Serving nor MongoDB runs; here on whatever there is."""

from collections.abc import Iterator

import pytest
from support.compose import ComposeStack, engine_problem, until

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    problem = engine_problem()
    if problem is not None:
        pytest.skip(problem)
    files = ("docker-compose.yml", "compose/arm64.yml")
    stack = ComposeStack(
        "repsense-test-arm64", tmp_path_factory.mktemp("small"), {"REPSENSE_VERSION": "test"}, files=files
    )
    stack.down("--volumes")
    stack.compose("build")
    try:
        stack.up()
        yield stack
    finally:
        stack.down("--volumes")


def test_it_classifies_and_stores_without_model_server_and_mongodb(small: ComposeStack) -> None:
    assert set(small.compose("ps", "--services").split()) == {
        "broker",
        "dashboard",
        "database",
        "inference",
        "preprocessor",
        "trainer",
    }
    with small.host_gateway("home", "wrist").running() as gateway, small.client() as client:

        def n_classified(sensor: str) -> int:
            page = client.get("/v1/classifications", params={"sensor_id": sensor}).raise_for_status().json()
            return len(page["items"])

        for sensor in gateway.sensors:
            until(f"results of {sensor}", lambda sensor=sensor: n_classified(sensor) > 2)  # type: ignore[misc]
        assert client.get("/readyz").json()["status"] in {"ready", "impaired"}
