"""HTTPS in front, with the real proxy and its configuration of compose/https.yml."""

import base64
import contextlib
import shutil
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from support import servers
from support.streaming import until

_CADDY = shutil.which("caddy")
_PASSWORD = "open sesame"  # noqa: S105 - of the test
_KEY = "a-key-that-is-long-enough"

pytestmark = pytest.mark.skipif(_CADDY is None, reason="caddy is not installed")


@dataclass
class _Site:
    dashboard: str
    api: str
    http: str
    direct: str
    tls: ssl.SSLContext

    def client(self) -> httpx.Client:
        return httpx.Client(verify=self.tls, timeout=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Site]:
    folder = tmp_path_factory.mktemp("https")
    dashboard, api, https, https_api, http = (servers.free_port() for _ in range(5))
    with contextlib.ExitStack() as running:
        inference = {"API_PORT": str(api), "API_KEY": _KEY, "MONGODB_URL": "mongodb://127.0.0.1:1/repsense"}
        inference |= {"MQTT_URL": "mqtt://127.0.0.1:1"}
        running.enter_context(servers.process("repsense-inference", folder, api, inference))
        environment = {
            "DASHBOARD_PORT": str(dashboard),
            "DASHBOARD_PASSWORD": _PASSWORD,
            "API_URL": f"http://127.0.0.1:{api}",
            "API_KEY": _KEY,
            # Caddy comes from 127.0.0.1, the test itself from another address of loopback.
            "FORWARDED_ALLOW_IPS": "127.0.0.1",
        }
        running.enter_context(servers.process("repsense-dashboard", folder, dashboard, environment))
        proxy = {
            "HTTPS_SITE": f"localhost:{https}",
            "HTTPS_API_SITE": f"localhost:{https_api}",
            "HTTPS_CERTIFICATE": "internal",
            "DASHBOARD_UPSTREAM": f"127.0.0.1:{dashboard}",
            "API_UPSTREAM": f"127.0.0.1:{api}",
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        text = (servers.ROOT / "compose" / "Caddyfile").read_text()
        assert "\tadmin off\n" in text
        (folder / "Caddyfile").write_text(text.replace("\tadmin off\n", f"\tadmin off\n\thttp_port {http}\n"))
        command = [str(_CADDY), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        caddy = servers.Server(command, proxy, folder / "caddy.log", https)
        running.callback(caddy.kill)
        caddy.start()
        authority = folder / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        tls = ssl.create_default_context(cafile=authority)
        # Caddy listens before it has made the certificates, and refuses handshakes until then.
        until(lambda: _has_certificate(https, tls) and _has_certificate(https_api, tls))
        yield _Site(
            f"https://localhost:{https}",
            f"https://localhost:{https_api}",
            f"http://localhost:{http}",
            f"http://127.0.0.1:{dashboard}",
            tls,
        )


def _has_certificate(port: int, tls: ssl.SSLContext) -> bool:
    try:
        with (
            socket.create_connection(("localhost", port)) as plain,
            tls.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except ssl.SSLError:
        return False


def _log_in(client: httpx.Client, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return client.post(f"{url}/login", data={"password": _PASSWORD}, headers=headers)


def test_the_login_is_remembered_by_a_cookie_that_travels_encrypted_only(site: _Site) -> None:
    with site.client() as client:
        assert client.get(site.dashboard, headers={"Accept": "text/html"}).headers["location"].startswith("/login")
        answer = _log_in(client, site.dashboard)
        assert answer.status_code == httpx.codes.SEE_OTHER
        attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
        assert {"secure", "httponly", "samesite=lax"} <= attributes
        assert client.get(site.dashboard).status_code == httpx.codes.OK


def test_the_dashboards_live_connection_goes_through_for_those_who_have_logged_in(site: _Site) -> None:
    with site.client() as client:
        assert _open_live_connection(client, site.dashboard, site.dashboard) != httpx.codes.SWITCHING_PROTOCOLS
        _log_in(client, site.dashboard)
        assert _open_live_connection(client, site.dashboard, site.dashboard) == httpx.codes.SWITCHING_PROTOCOLS
        assert _open_live_connection(client, site.dashboard, "https://elsewhere.example") == httpx.codes.FORBIDDEN


def _open_live_connection(client: httpx.Client, url: str, origin: str) -> int:
    headers = {
        "Origin": origin,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        "Sec-WebSocket-Protocol": "streamlit",
    }
    with client.stream("GET", f"{url}/_stcore/stream", headers=headers) as answer:
        return answer.status_code


def test_browsers_are_told_to_come_by_https(site: _Site) -> None:
    with site.client() as client:
        for url in (site.dashboard, f"{site.api}/healthz"):
            assert client.get(url).headers["strict-transport-security"] == "max-age=31536000"
        moved = client.get(site.http, headers={"Host": "localhost"})
    assert moved.status_code == httpx.codes.PERMANENT_REDIRECT
    assert moved.headers["location"].startswith("https://localhost")


def test_the_api_answers_under_its_own_name_to_those_who_have_the_key(site: _Site) -> None:
    with site.client() as client:
        assert client.get(f"{site.api}/healthz").status_code == httpx.codes.OK
        assert client.get(f"{site.api}/v1/sensors").status_code == httpx.codes.UNAUTHORIZED
        answer = client.get(f"{site.api}/v1/sensors", headers={"Authorization": f"Bearer {_KEY}"})
        assert answer.status_code != httpx.codes.UNAUTHORIZED


def test_whoever_is_not_the_proxy_is_not_believed_that_it_was_encrypted(site: _Site) -> None:
    claim = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as stranger:
        assert "secure" not in _log_in(stranger, site.direct, claim).headers["set-cookie"].lower()
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.1")) as proxy:
        assert "secure" in _log_in(proxy, site.direct, claim).headers["set-cookie"].lower()


def test_a_visitor_cannot_choose_the_address_by_which_its_tries_are_counted(site: _Site) -> None:
    with site.client() as client:
        answers = [
            client.post(f"{site.dashboard}/login", data={"password": "wrong"}, headers={"X-Forwarded-For": address})
            for address in ("192.0.2.1", "192.0.2.2")
        ]
    assert [answer.status_code for answer in answers] == [httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS]
