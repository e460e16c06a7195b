"""The stand-in for the API without a server, for tests of the client alone."""

import httpx
from services.dashboard.tests import fake_api
from services.dashboard.tests.fake_api import Request, World

__all__ = ["world_transport"]


def world_transport(world: World, sent: list[httpx.Request]) -> httpx.MockTransport:
    """Return a transport on which `world` answers; what is asked is added to `sent`."""

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        query = {name: request.url.params.get_list(name) for name in request.url.params}
        answer = world.answer(
            Request(request.method, request.url.path, query, dict(request.headers.items()), request.content)
        )
        body, media_type = fake_api._encode(answer)
        return httpx.Response(answer.status, content=body, headers={"Content-Type": media_type, **answer.headers})

    return httpx.MockTransport(handle)
