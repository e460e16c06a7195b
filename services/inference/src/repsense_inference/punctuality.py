"""Connections that do not wait for ever: a client that sends or takes too slowly is left.

Otherwise a few lines of a script that sends a byte now and then, or reads nothing, would take every connection that
there is.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from repsense_inference.body_limit import SLOWEST_BYTES_PER_S

__all__ = ["ANSWER_TIMEOUT_S", "REQUEST_TIMEOUT_S", "PunctualProtocol"]

REQUEST_TIMEOUT_S = 10.0
"""From the connection, or the first byte of a later request, to the end of the request's head; or to the end of a
body that is left over when its request was refused without it. Bodies that somebody reads have their own limit, see
`body_limit`; what comes between two requests is uvicorn's `timeout_keep_alive`."""

ANSWER_TIMEOUT_S = 30.0
"""How long a client may take less of an answer than `SLOWEST_BYTES_PER_S`."""


class PunctualProtocol(H11Protocol):
    """uvicorn's protocol, which itself waits as long as a client likes."""

    _request_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Begin to wait for the first request."""
        super().connection_made(transport)
        # So that writing is paused whenever something waits to be taken.
        transport.set_write_buffer_limits(high=0)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Take what has come, and wait for the rest if there is more to come."""
        super().data_received(data)
        self._await_request()

    def pause_writing(self) -> None:
        """Begin to see whether the client takes what waits for it."""
        super().pause_writing()
        self._await_taking()

    def resume_writing(self) -> None:
        """The client has taken everything."""
        super().resume_writing()
        self._stop_answer_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._stop_request_timer()
        self._stop_answer_timer()

    def _await_request(self) -> None:
        is_left_over = self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        if not (is_left_over or self.conn.their_state is h11.IDLE) or self.transport.is_closing():
            self._stop_request_timer()
        elif self._request_timer is None:
            self._request_timer = self.loop.call_later(REQUEST_TIMEOUT_S, self.transport.close)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _await_taking(self) -> None:
        n_waiting = self.transport.get_write_buffer_size()
        self._answer_timer = self.loop.call_later(ANSWER_TIMEOUT_S, self._check_taking, n_waiting)

    def _check_taking(self, n_waiting: int) -> None:
        n_taken = n_waiting - self.transport.get_write_buffer_size()
        if n_taken < SLOWEST_BYTES_PER_S * ANSWER_TIMEOUT_S:
            # Closing would wait for the client.
            self.transport.abort()
        else:
            self._await_taking()

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
