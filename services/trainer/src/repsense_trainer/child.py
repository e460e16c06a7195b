"""A process that a worker started: its output as lines, its end, and its end in words."""

import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Sequence
from threading import Thread

__all__ = ["Child"]

_MAX_WAITING_LINES = 1_000
"""While the database is away; the job's log keeps fewer."""
_TERMINATION_S = 1.0
"""How long the process may take to end when asked to; it has nothing to save."""


class Child:
    """A running process that is ended with its parent, whatever ends that.

    Its standard input is a pipe to the parent, which the process watches (see `training_process`): the system closes
    it when the parent dies, even by SIGKILL. It has a session of its own, so that a signal to the parent's group, such
    as Ctrl-C, leaves it to the parent.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Start it.

        Raises:
            OSError: If that is impossible.
        """
        self._popen = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._lines: deque[str] = deque(maxlen=_MAX_WAITING_LINES)
        self._last_line = ""
        self._reader = Thread(target=self._read, name="child's output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def take_lines(self) -> list[str]:
        """What it has written since the last call."""
        return [self._lines.popleft() for _ in range(len(self._lines))]

    def end(self) -> None:
        """End it, if it runs, and wait until all of its output can be taken."""
        if self.is_running:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(_TERMINATION_S)
        if self.is_running:
            self._signal(signal.SIGKILL)
            self._popen.wait()
        self._reader.join(_TERMINATION_S)
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def last_words(self) -> str:
        """Why it has ended, in words; it is not meant to end without having said so itself."""
        status = self._popen.returncode
        if status == -signal.SIGKILL:
            return "the training was killed, most likely because the memory ran out"
        if status < 0:
            return f"the training crashed: {signal.strsignal(-status) or f'signal {-status}'}"
        said = f": {self._last_line}" if self._last_line else ""
        return f"the training ended unexpectedly with exit code {status}{said}"

    def _read(self) -> None:
        assert self._popen.stdout is not None  # noqa: S101 - for the type checker
        with self._popen.stdout as output:
            for line in output:
                if text := line.rstrip():
                    self._last_line = text
                    self._lines.append(text)

    def _signal(self, number: signal.Signals) -> None:
        # The group, for what the process may have started itself; it may have ended just now.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)
