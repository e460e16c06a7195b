import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from threading import Thread

import pytest
from prometheus_client import CollectorRegistry, Counter

from repsense import health
from repsense.condition import Condition
from repsense.errors import RepSenseError
from repsense.operations import repsense_version, serving_operations, show_build


@pytest.fixture
def condition() -> Condition:
    return Condition(("broker", "database"))


@pytest.fixture
def url(condition: Condition) -> Iterator[str]:
    registry = CollectorRegistry()
    show_build("test", registry)
    Counter("repsense_test_things", "Things", registry=registry).inc(3)
    with serving_operations("127.0.0.1", 0, condition, registry) as port:
        yield f"http://127.0.0.1:{port}"


def get(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_nothing_is_there_before_it_was_found(condition: Condition) -> None:
    assert condition.problems() == {
        "broker": "the broker was not reached yet",
        "database": "the database was not reached yet",
    }
    condition.has("broker")
    assert list(condition.problems()) == ["database"]


def test_a_thing_is_there_when_nobody_misses_it(condition: Condition) -> None:
    condition.lacks("database", "it is full", "writer")
    condition.lacks("database", "it is away", "sign of life")
    condition.has("database", "sign of life")
    assert condition.problems()["database"] == "it is full"
    condition.has("database", "writer")
    assert "database" not in condition.problems()


def test_somebody_else_may_be_asked(condition: Condition) -> None:
    state: list[str | None] = ["it refuses the password"]
    condition.watch("broker", lambda: state[0])
    assert condition.problems()["broker"] == "it refuses the password"
    state[0] = None
    assert "broker" not in condition.problems()


def test_who_does_not_move_for_a_minute_is_stuck(condition: Condition, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("repsense.condition.time.monotonic", lambda: now_s[0])
    condition.move()
    now_s[0] += 59
    assert condition.stuck is None
    now_s[0] += 2
    assert condition.stuck == "nothing has moved for 61 s; restart it"
    condition.lacks("database", "it is away")  # it tries, so it moves
    assert condition.stuck is None


def test_readiness_says_what_is_missing_and_then_that_nothing_is(condition: Condition, url: str) -> None:
    condition.has("broker")
    condition.lacks("database", "the database is away: no route")
    condition.remark("broker", lambda: "over TLS")
    assert get(f"{url}/readyz") == (
        503,
        {
            "status": "not-ready",
            "checks": [
                {"name": "broker", "ok": True, "detail": "over TLS"},
                {"name": "database", "ok": False, "detail": "the database is away: no route"},
            ],
        },
    )
    condition.has("database")
    status, body = get(f"{url}/readyz")
    assert (status, body["status"]) == (200, "ready")


def test_each_answer_is_whole_whatever_was_answered_before(condition: Condition, url: str) -> None:
    assert get(f"{url}/healthz") == (200, {"status": "ok"})
    assert get(f"{url}/readyz")[0] == 503
    assert get(f"{url}/nonsense") == (404, {"status": "there is /healthz, /readyz and /metrics"})
    assert condition.stuck is None


def test_what_several_threads_note_at_once_is_all_noted() -> None:
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            condition = Condition(("database",))

            def work(source: str, condition: Condition = condition) -> None:
                for _ in range(300):
                    condition.lacks("database", "it is away", source)
                    condition.has("database", source)

            threads = [Thread(target=work, args=(source,)) for source in ("work", "sign of life")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert condition.problems() == {}
    finally:
        sys.setswitchinterval(before_s)


def test_who_is_stuck_is_not_healthy(condition: Condition, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(condition), "stuck", property(lambda _: "nothing has moved for 99 s; restart it"))
    assert get(f"{url}/healthz") == (503, {"status": "nothing has moved for 99 s; restart it"})


def test_metrics_say_what_was_counted_and_who_counts(url: str) -> None:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - our own server
        text = answer.read().decode()
    assert "repsense_test_things_total 3.0" in text
    assert f'service="test",version="{repsense_version()}"' in text


def test_a_port_that_is_taken_is_a_sentence(condition: Condition) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(RepSenseError, match=f"cannot listen on METRICS_HOST 127.0.0.1, METRICS_PORT {port}: "),
            serving_operations("127.0.0.1", port, condition),
        ):
            pass


def test_the_health_check_is_silent_when_all_is_well(
    condition: Condition, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    condition.has("broker")
    condition.has("database")
    assert health.main([f"{url}/readyz"]) == 0
    assert capsys.readouterr().out == ""


def test_the_health_check_says_what_is_missing(
    condition: Condition, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    condition.lacks("broker", "wrong password")
    condition.lacks("database", "no route")
    assert health.main([f"{url}/readyz"]) == 1
    assert capsys.readouterr().out == "wrong password; no route\n"
    assert health.main([f"{url}/nonsense"]) == 1
    assert capsys.readouterr().out == f"{url}/nonsense answers 404 Not Found\n"


def test_the_health_check_does_not_wait_for_who_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert health.main([url, "--timeout", "0.2"]) == 1
    assert "does not answer: timed out" in capsys.readouterr().out
    assert health.main([url]) == 1
    assert "does not answer: " in capsys.readouterr().out


def test_the_health_check_speaks_http_only() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "repsense.health", "file:///etc/hostname"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "must begin with http://" in done.stderr


def test_the_health_check_asks_no_proxy(condition: Condition, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    condition.has("broker")
    condition.has("database")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert health.ask(f"{url}/readyz") is None
