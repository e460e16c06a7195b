"""Middleware that bounds how much one client asks: how often, and how often for what takes the service long.

There is one key, so clients are told apart by their address. What counts is the last minute, on a sliding scale, in
the memory of this process; behind a proxy the address is the one that the proxy tells (`FORWARDED_ALLOW_IPS`).
"""

import ipaddress
import time
from collections.abc import Collection
from functools import lru_cache
from math import ceil

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from repsense_inference.problems import ProblemKind, problem_response

__all__ = ["PerMinute", "RequestLimit", "client_address"]

_IPV6_SITE_BITS = 64
"""Of the address; whoever has one such site can take any address in it."""


def client_address(scope: Scope) -> str:
    """Whom a request comes from, as far as clients can be told apart."""
    client = scope.get("client")
    return _site(client[0]) if client else ""


@lru_cache(maxsize=4_096)
def _site(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004 - of the protocol
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_SITE_BITS), strict=False))


class PerMinute:
    """How often something may happen per minute, for each of whoever does it."""

    def __init__(self, n_times: int) -> None:
        """Begin to count.

        Args:
            n_times: How often; 0 is without a limit.
        """
        self._limit = RateLimitItemPerMinute(n_times) if n_times else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def count(self, who: str) -> int:
        """Count one more time; return 0, or how many seconds to wait if it is too many, which is not counted."""
        if self._limit is None or await self._limiter.hit(self._limit, who):
            return 0
        return await self._wait_s(self._limit, who)

    async def wait_s(self, who: str) -> int:
        """How many seconds to wait until it may happen again: 0 for now."""
        if self._limit is None or await self._limiter.test(self._limit, who):
            return 0
        return await self._wait_s(self._limit, who)

    async def _wait_s(self, limit: RateLimitItemPerMinute, who: str) -> int:
        stats = await self._limiter.get_window_stats(limit, who)
        return max(1, ceil(stats.reset_time - time.time()))


class RequestLimit:
    """Refuses requests of a client that has sent too many in the last minute."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        requests_per_minute: int,
        heavy_requests_per_minute: int,
        heavy_requests: Collection[tuple[str, str]],
    ) -> None:
        """Prepare to guard an app.

        Args:
            app: The app.
            requests_per_minute: From one address; 0 is without a limit.
            heavy_requests_per_minute: The same for heavy ones, which count as requests too.
            heavy_requests: Which those are, by method and path.
        """
        self._app = app
        self._requests = PerMinute(requests_per_minute)
        self._heavy = PerMinute(heavy_requests_per_minute)
        self._heavy_requests = frozenset(heavy_requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        who = client_address(scope)
        wait_s, what = await self._requests.count(who), "requests"
        if not wait_s and (scope["method"], scope["path"]) in self._heavy_requests:
            wait_s, what = await self._heavy.count(who), "requests that take the service long"
        if not wait_s:
            await self._app(scope, receive, send)
            return
        detail = f"too many {what} within a minute from {who or 'there'}: wait {wait_s} s, then ask less often"
        headers = {"Retry-After": str(wait_s)}
        await problem_response(ProblemKind.TOO_MANY_REQUESTS, detail, headers)(scope, receive, send)
