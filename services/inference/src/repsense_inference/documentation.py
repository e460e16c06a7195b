"""`/docs`: the OpenAPI document for people, by Swagger UI from this very service.

FastAPI's own page loads Swagger UI from a server of the internet: it would not work without one, and would run
whatever that server sends, with the key that somebody has just typed.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Coroutine
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse

__all__ = ["DOCUMENTATION_PATHS", "documentation_router"]

_FOLDER = files("fastapi_offline").joinpath("static")
_PREFIX = "/docs/assets"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon.png": "image/png",
}

DOCUMENTATION_PATHS = frozenset({"/docs", "/openapi.json", *(f"{_PREFIX}/{name}" for name in _ASSETS)})

_KEEP = {"Cache-Control": "public, max-age=86400"}
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def documentation_router(title: str) -> APIRouter:
    """The page and what it loads.

    Args:
        title: Of the page.
    """
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=title,
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon.png",
    )
    html = bytes(page.body).decode()
    policy = _policy(html)
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def get_documentation() -> HTMLResponse:
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    for name, media_type in _ASSETS.items():
        router.add_api_route(f"{_PREFIX}/{name}", _asset(name, media_type), methods=["GET"], name=name)
    return router


def _asset(name: str, media_type: str) -> Callable[[], Coroutine[Any, Any, FileResponse]]:
    async def get_asset() -> FileResponse:
        return FileResponse(str(_FOLDER.joinpath(name)), media_type=media_type, headers=_KEEP)

    return get_asset


def _policy(html: str) -> str:
    """Nothing from elsewhere, and of scripts in the page only the one that FastAPI has put there."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(html))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
