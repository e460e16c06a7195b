"""Who may look at the dashboard: a password, what proves that it was given, and patience with wrong tries."""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

__all__ = ["SESSION_S", "Access", "Attempt"]

SESSION_S = 30 * 86_400
"""A screen on a wall should not ask every morning."""

# Wrong tries cost a second, then two, then four …; after a quiet quarter of an hour all is forgiven.
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_FORGIVEN_AFTER_S = 900.0
_MOST_ADDRESSES = 1000

# Costs a tenth of a second at the start, and as much per guess for whoever got hold of a proof.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1


@dataclass(frozen=True)
class Attempt:
    """What came of a try.

    Attributes:
        right: The password was the right one.
        wait_s: How long the next try has to wait; nothing was looked at if it is more than 0 and came too early.
        looked_at: The password was compared at all.
    """

    right: bool
    wait_s: int
    looked_at: bool


@dataclass
class _Wrong:
    n_tries: int
    last_s: float

    @property
    def wait_s(self) -> float:
        return min(_FIRST_WAIT_S * 2.0 ** (self.n_tries - 1), _LONGEST_WAIT_S)


class Access:
    """Compares passwords, and gives and checks the proof that somebody knew it.

    A proof is valid for `SESSION_S`, also after a restart; another password makes every proof worthless.
    """

    def __init__(
        self,
        password: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        calendar: Callable[[], float] = time.time,
    ) -> None:
        self._digest = _digest(password)
        self._key = hashlib.scrypt(
            password.encode(), salt=b"repsense dashboard", n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, dklen=32
        )
        self._clock = clock
        self._calendar = calendar
        self._wrong: dict[str, _Wrong] = {}

    def attempt(self, password: str, address: str) -> Attempt:
        """Compare what somebody typed, unless their last wrong try was too short a time ago.

        Args:
            password: What was typed.
            address: From where.
        """
        now_s = self._clock()
        wrong = self._wrong.get(address)
        if wrong is not None and now_s - wrong.last_s > _FORGIVEN_AFTER_S:
            wrong = None
        if wrong is not None and now_s < wrong.last_s + wrong.wait_s:
            return Attempt(right=False, wait_s=ceil(wrong.last_s + wrong.wait_s - now_s), looked_at=False)
        if hmac.compare_digest(_digest(password), self._digest):
            self._wrong.pop(address, None)
            return Attempt(right=True, wait_s=0, looked_at=True)
        wrong = _Wrong((wrong.n_tries if wrong else 0) + 1, now_s)
        # The one who has been wrong most recently comes last, and the first is forgotten when there are too many.
        self._wrong.pop(address, None)
        self._wrong[address] = wrong
        if len(self._wrong) > _MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        return Attempt(right=False, wait_s=ceil(wrong.wait_s), looked_at=True)

    def prove(self) -> str:
        """Return a proof that the password was given now."""
        until = str(int(self._calendar()) + SESSION_S)
        return f"{until}.{self._sign(until)}"

    def is_proof(self, proof: str) -> bool:
        """Tell whether a proof was given here and is not too old."""
        until, _, signature = proof.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(until).encode()):
            return False
        return int(until) > self._calendar()

    def _sign(self, until: str) -> str:
        return hmac.digest(self._key, until.encode(), "sha256").hex()


def _digest(password: str) -> bytes:
    # Of equal length whatever was typed, so that the comparison tells nothing.
    return hashlib.sha256(password.encode()).digest()
