"""The service as a process: `repsense-inference`, or `python -m repsense_inference`."""

import logging
import signal
import socket
import sys
from types import FrameType

import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError

from repsense.errors import RepSenseError
from repsense.logs import configure_logging
from repsense_inference.app import create_app
from repsense_inference.dependencies import Parts
from repsense_inference.punctuality import PunctualProtocol
from repsense_inference.settings import Settings

__all__ = ["main"]

_LOGGER = logging.getLogger("repsense_inference")

SHUTDOWN_TIMEOUT_S = 5
"""How long answers that have begun may take at the end; live streams end at once, and so does who asks nothing."""

_BACKLOG = 128
_LONGEST_HEAD_BYTES = 128 * 1024
"""The longest cursor that is looked at takes 96 kB in the address, at twelve bytes a character; what is longer uvicorn
refuses by itself, in plain text."""
_MAX_CONNECTIONS = 512
"""Beyond that uvicorn answers 503 itself. Half of the files that a process may usually have open, and more than live
streams are allowed."""


class _Server(uvicorn.Server):
    """Ends the live streams before it waits for the answers that are under way, which would be forever."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.hub.close()
        await super().shutdown(sockets)
        _LOGGER.info("stopped")


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit with 2 and one sentence if the settings cannot be used."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(_refuse(_in_words(error)))
    except (SettingsError, RepSenseError) as error:
        sys.exit(_refuse(str(error)))
    except OSError as error:
        sys.exit(_refuse(f"SECRETS_DIR: {error.filename} cannot be read: {error.strerror}"))
    configure_logging(settings.log_level, settings.log_format)
    # What uvicorn says at the start and the end is said here in one line each.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger().level))
    try:
        app = create_app(settings)
        listening = _listen(settings.api_host, settings.api_port)
    except RepSenseError as error:
        sys.exit(_refuse(str(error)))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=PunctualProtocol,
        h11_max_incomplete_event_size=_LONGEST_HEAD_BYTES,
        limit_concurrency=_MAX_CONNECTIONS,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    host, port = listening.getsockname()[:2]
    _LOGGER.info("serving at http://%s:%d, documented at /docs", f"[{host}]" if ":" in host else host, port)
    with listening:
        _Server(config, app.state.parts).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket here, so that an address that is taken is a sentence.

    Raises:
        RepSenseError: If nobody can listen there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Not socket.create_server, which leaves the protocol out: asyncio would then not know that this is TCP, not
        # set TCP_NODELAY, and every answer would take 40 ms longer.
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        msg = f"cannot listen on API_HOST {host}, API_PORT {port}: {error.strerror or error}"
        raise RepSenseError(msg) from error
    return listening


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    reason = f"{name.upper()}: {first['msg'].removeprefix('Value error, ')}"
    # A key that is too short may be a part of the right one.
    return reason if name == "api_key" else f"{reason}, not {first['input']!r}"


def _exit(_number: int, _frame: FrameType | None) -> None:
    """Also what uvicorn raises again once it has stopped: a service that was told to end ended well."""
    sys.exit(0)


def _refuse(reason: str) -> int:
    print(f"repsense-inference: {reason}", file=sys.stderr)  # noqa: T201 - for the person who started it
    return 2


if __name__ == "__main__":
    main()
