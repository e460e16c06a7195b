"""The condition of a service: what it lacks, in words, and whether it still moves. Safe to use from several threads."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock

__all__ = ["Check", "Condition"]

_STUCK_S = 60.0
"""Longer than any single call may take: the database and the model server give up after 10 s, and a pause between two
tries is 5 s at most."""
_START = "start"


@dataclass(frozen=True, slots=True)
class Check:
    """Whether one thing that a service needs is there."""

    name: str
    problem: str | None
    """Why it is not, in words; None if it is."""
    remark: str | None = None
    """What else is to be known of it."""


class Condition:
    """Noted by those who work, read by those who ask how the service is.

    A thing may be noticed as missing from several sides (`source`); it is there when none of them misses it.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Begin with everything missing.

        Args:
            names: What the service needs, for instance "database".
        """
        self._problems: dict[str, dict[str, str]] = {
            name: {_START: f"the {name} was not reached yet"} for name in names
        }
        self._watched: dict[str, Callable[[], str | None]] = {}
        self._remarks: dict[str, Callable[[], str | None]] = {}
        self._changing = Lock()
        self._moved_s = time.monotonic()

    def move(self) -> None:
        """Note that the service gets on, if only to its next try."""
        self._moved_s = time.monotonic()

    @property
    def stuck(self) -> str | None:
        """That the service has not got on for too long, in words; None if it has."""
        still_s = time.monotonic() - self._moved_s
        return f"nothing has moved for {still_s:.0f} s; restart it" if still_s > _STUCK_S else None

    def lacks(self, name: str, problem: str, source: str = "work") -> None:
        """Note why something is missing; that it was tried is a move too."""
        with self._changing:
            known = {key: text for key, text in self._problems[name].items() if key != _START}
            self._problems[name] = known | {source: problem}
        self.move()

    def has(self, name: str, source: str = "work") -> None:
        """Note that something is there."""
        with self._changing:
            self._problems[name] = {
                key: text for key, text in self._problems[name].items() if key not in {_START, source}
            }

    def watch(self, name: str, problem: Callable[[], str | None]) -> None:
        """Ask somebody else, whenever it is asked, why something is missing."""
        self.has(name)
        self._watched[name] = problem

    def remark(self, name: str, remark: Callable[[], str | None]) -> None:
        """Have something said of a thing that is there."""
        self._remarks[name] = remark

    def checks(self) -> list[Check]:
        """Everything that the service needs."""
        return [self._check(name) for name in self._problems]

    def problems(self) -> dict[str, str]:
        """What is missing, and why."""
        return {check.name: check.problem for check in self.checks() if check.problem is not None}

    def _check(self, name: str) -> Check:
        problem = next(iter(self._problems[name].values()), None)
        if problem is None and name in self._watched:
            problem = self._watched[name]()
        remark = self._remarks[name]() if name in self._remarks else None
        return Check(name, problem, remark)
