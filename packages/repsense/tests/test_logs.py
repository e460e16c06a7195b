import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from repsense.logs import LogFormat, configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hook, hook_of_threads = sys.excepthook, threading.excepthook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hook, hook_of_threads
    logging.captureWarnings(capture=False)


def written(log_format: LogFormat, level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, log_format, stream=stream)
    return stream


def test_text_is_a_line_for_people() -> None:
    stream = written("text")
    logging.getLogger("repsense.some").warning("the %s is away", "broker")
    assert stream.getvalue() == "WARNING the broker is away\n"


def test_json_is_one_object_per_line_in_an_order_that_can_be_read() -> None:
    stream = written("json")
    logging.getLogger("repsense.some").info("squat: %d\nwindows", 12)
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert list(entry) == ["time", "level", "logger", "message"]
    assert (entry["level"], entry["logger"], entry["message"]) == ("INFO", "repsense.some", "squat: 12\nwindows")


def test_times_are_utc_with_milliseconds() -> None:
    stream = written("json")
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "now", (), None)
    record.created = 1795684340.0417
    logging.getLogger().handle(record)
    assert json.loads(stream.getvalue())["time"] == "2026-11-26T09:12:20.041Z"


def test_what_is_not_wanted_is_not_written() -> None:
    stream = written("json", "WARNING")
    logging.getLogger("repsense").info("nobody asks")
    assert stream.getvalue() == ""


def test_an_exception_is_a_field_and_so_is_what_is_added() -> None:
    stream = written("json")
    try:
        int("three")
    except ValueError:
        logging.getLogger("repsense").exception("not stored", extra={"sensor": "wrist", "color_message": "\x1b[1m"})
    entry = json.loads(stream.getvalue())
    assert entry["exception"].startswith("Traceback")
    assert entry["exception"].endswith("ValueError: invalid literal for int() with base 10: 'three'")
    assert entry["sensor"] == "wrist"
    assert "color_message" not in entry


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise ValueError('lost')", "the process ends by an error"),
        ("import threading; threading.Thread(target=lambda: 1 / 0, name='store').start()", "the thread store ends"),
        ("import warnings; warnings.warn('old')", "UserWarning: old"),
    ],
)
def test_what_nobody_caught_and_warnings_are_lines_too(program: str, message: str) -> None:
    begin = "from repsense.logs import configure_logging; configure_logging('INFO', 'json');"
    done = subprocess.run([sys.executable, "-c", begin + program], capture_output=True, text=True, check=False)
    (entry,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert message in entry["message"]
    assert done.stderr == ""
