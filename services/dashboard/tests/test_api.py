"""The client of the API against canned answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from services.dashboard.tests import fake_api

from repsense_dashboard.api import ApiClient, ApiMismatchError, ApiProblemError, ApiUnreachableError, Label

_Handler = Callable[[httpx.Request], httpx.Response]


@contextmanager
def _client(handler: _Handler) -> Iterator[ApiClient]:
    with ApiClient("http://api.test/", transport=httpx.MockTransport(handler)) as client:
        yield client


def _answer(document: object, status: int = 200) -> _Handler:
    return lambda _request: httpx.Response(status, json=document)


def test_sensors_are_read() -> None:
    with _client(_answer({"items": [fake_api.make_sensor("wrist", loss_share=0.02)]})) as client:
        (sensor,) = client.live.list_sensors()
    assert sensor.sensor_id == "wrist"
    assert sensor.loss_share == 0.02
    assert sensor.channels == fake_api.CHANNELS
    assert sensor.last_sample_at is not None
    assert sensor.last_sample_at.tzinfo is not None


def test_a_sensor_that_has_sent_nothing_is_read() -> None:
    unknowns = dict.fromkeys(("stream_id", "channels", "sample_rate_hz", "last_sample_at", "gateway_id"))
    with _client(_answer({"items": [fake_api.make_sensor("new", **unknowns)]})) as client:
        assert client.live.list_sensors()[0].last_sample_at is None


def test_live_is_read_with_classification_and_set() -> None:
    document = {
        "sensor": fake_api.make_sensor(),
        "classification": fake_api.make_classification("squat", "incorrect", 0.8),
        "running_set": fake_api.make_set("s1", "squat", state="open", ended_at=None),
    }
    with _client(_answer(document)) as client:
        live = client.live.get_live("wrist")
    assert live.classification is not None
    assert live.classification.label == Label(exercise="squat", form="incorrect")
    assert live.classification.probabilities is not None
    assert live.classification.probabilities[0].probability == 0.8
    assert live.running_set is not None
    assert live.running_set.ended_at is None


def test_live_without_classification_is_read() -> None:
    document = {"sensor": fake_api.make_sensor(), "classification": None, "running_set": None}
    with _client(_answer(document)) as client:
        assert client.live.get_live("wrist").classification is None


def test_fields_of_a_newer_service_are_no_error() -> None:
    with _client(_answer({"items": [fake_api.make_sensor(battery_share=0.5)], "next_cursor": None})) as client:
        assert len(client.live.list_sensors()) == 1


def test_questions_go_to_the_right_address() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        signal: dict[str, object] = {
            "sensor_id": "a",
            "channels": [],
            "units": {},
            "start_at": None,
            "offsets_s": [],
            "samples": [],
        }
        return httpx.Response(200, json=signal if "samples" in request.url.path else {"items": []})

    with _client(handler) as client:
        client.live.get_signal("a", seconds=10, max_points=300)
        client.live.list_sets("a", limit=10)
        client.live.has_model()
    assert asked == [
        "http://api.test/v1/sensors/a/samples?seconds=10&max_points=300",
        "http://api.test/v1/sets?sensor_id=a&limit=10",
        "http://api.test/v1/models",
    ]


def test_problem_details_become_an_error_with_their_words() -> None:
    problem = {"type": "about:blank", "title": "No such sensor", "status": 404, "detail": "There is no sensor a."}
    with _client(_answer(problem, 404)) as client, pytest.raises(ApiProblemError) as caught:
        client.live.get_live("a")
    assert (caught.value.status, caught.value.title, caught.value.detail) == (
        404,
        "No such sensor",
        "There is no sensor a.",
    )


def test_error_page_of_a_proxy_becomes_an_error_with_its_status() -> None:
    with (
        _client(lambda _request: httpx.Response(502, text="<html>Bad Gateway</html>")) as client,
        pytest.raises(ApiProblemError, match="502"),
    ):
        client.live.list_sensors()


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.ReadError("reset")])
def test_a_service_that_does_not_answer_is_named_by_its_address(error: httpx.HTTPError) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    with _client(handler) as client, pytest.raises(ApiUnreachableError, match=r"http://api\.test"):
        client.live.list_sensors()


@pytest.mark.parametrize("document", [{"items": [{"name": "no id"}]}, {"sensors": []}, []])
def test_an_answer_in_another_form_is_an_error_that_says_where(document: object) -> None:
    with _client(_answer(document)) as client, pytest.raises(ApiMismatchError, match="/v1/sensors"):
        client.live.list_sensors()


def test_an_answer_that_is_no_json_is_an_error() -> None:
    with (
        _client(lambda _request: httpx.Response(200, text="It works!")) as client,
        pytest.raises(ApiMismatchError),
    ):
        client.live.list_sensors()
