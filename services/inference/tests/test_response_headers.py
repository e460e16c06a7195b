"""What a browser is told with every answer."""

import re

import httpx
import pytest
from services.inference.tests.fakes_world import MistakenSensors, World

_EVERYWHERE = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def _assert_protected(response: httpx.Response) -> None:
    assert {name: response.headers.get(name) for name in _EVERYWHERE} == _EVERYWHERE
    assert "camera=()" in response.headers["permissions-policy"]


@pytest.mark.parametrize(
    "path", ["/v1/sensors", "/v1/history/export", "/nowhere", "/metrics", "/healthz", "/openapi.json"]
)
def test_answers_are_for_programs_alone_and_nobody_keeps_them(path: str) -> None:
    _assert_protected(World().get(path))


def test_so_are_refusals_and_mistakes() -> None:
    refused = World(key="sixteen-or-more!").get("/v1/sensors")
    failed = World(sensors=MistakenSensors()).get("/v1/sensors")

    assert (refused.status_code, failed.status_code) == (401, 500)
    _assert_protected(refused)
    _assert_protected(failed)


def test_only_over_tls_a_browser_is_told_to_insist_on_it() -> None:
    world = World()

    assert "strict-transport-security" not in world.get("http://pi.local/v1/sensors").headers
    assert world.get("https://pi.local/v1/sensors").headers["strict-transport-security"] == "max-age=31536000"


def test_the_documentation_comes_from_here_alone() -> None:
    world = World()

    page = world.get("/docs")

    assert re.findall(r'(?:src|href)="([^"]+)"', page.text) == [
        "docs/assets/swagger-ui.css",
        "docs/assets/favicon.png",
        "docs/assets/swagger-ui-bundle.js",
    ]
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self' 'sha256-" in policy
    assert "http" not in policy
    for name in ("swagger-ui.css", "favicon.png", "swagger-ui-bundle.js"):
        asset = world.get(f"/docs/assets/{name}")
        assert asset.status_code == 200
        assert len(asset.content) > 100
        assert asset.headers["cache-control"] == "public, max-age=86400"
    assert world.get("/redoc").status_code == 404
