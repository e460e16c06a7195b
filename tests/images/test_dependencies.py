"""The bills of materials and the audit, by the real tools; advisories come from a server of our own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.locks import MACHINES, SERVICES, installed
from support.servers import ROOT, free_port

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MESSAGES = {"inference", "preprocessor"}
"""Images that hold messages out of TensorFlow's wheel beside what their lock names."""


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bills")
    made = _dependencies("sbom", str(folder))
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("service", SERVICES)
def test_bill_lists_what_the_lock_puts_into_the_image(bills: Path, service: str, machine: str) -> None:
    bill = json.loads((bills / f"{service}-{_ARCHITECTURES[machine]}.cdx.json").read_text(encoding="utf-8"))
    wanted = installed(ROOT / "services" / service / "requirements.txt", machine)
    if service in _MESSAGES:
        wanted |= installed(ROOT / "scripts" / "images" / "tensorflow-messages.txt", machine)
    assert {component["name"]: component["version"] for component in bill["components"]} == wanted
    assert {component["purl"] for component in bill["components"]} == {f"pkg:pypi/{n}@{v}" for n, v in wanted.items()}
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["type"] == "container"


def test_audit_names_what_is_weak_and_where_it_is_mended(tmp_path: Path) -> None:
    weak = installed(ROOT / "services" / "inference" / "requirements.txt", "x86_64")["fastapi"]
    with _advisories({"fastapi": "9.9.9"}) as environment:
        audited = _dependencies("audit", "--if-possible", cache=tmp_path, environment=environment)
    assert audited.returncode == 1, audited.stderr
    assert audited.stdout == f"fastapi {weak}: TEST-1, mended in 9.9.9\n"


def test_audit_says_that_nothing_is_weak(tmp_path: Path) -> None:
    with _advisories({}) as environment:
        audited = _dependencies("audit", cache=tmp_path, environment=environment)
    assert (audited.returncode, audited.stdout) == (0, "Nothing that is locked has a known weakness.\n")


@pytest.mark.parametrize(("options", "status"), [([], 3), (["--if-possible"], 0)])
def test_audit_says_when_nobody_could_be_asked(tmp_path: Path, options: list[str], status: int) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    audited = _dependencies("audit", *options, cache=tmp_path, environment=_asking(nobody))
    assert audited.returncode == status
    assert audited.stdout.startswith("Nothing can be said about known weaknesses: ")


def _dependencies(
    *arguments: str, cache: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "dependencies.py", *arguments],
        env={**os.environ, **({"XDG_CACHE_HOME": str(cache)} if cache else {}), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _asking(address: str) -> dict[str, str]:
    return {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": address, "NO_PROXY": "127.0.0.1"}


@contextmanager
def _advisories(weak: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Serve advisories in the manner of OSV: that a package is weak up to a version."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
            body = json.dumps(
                {"vulns": [_advisory(asked, weak[asked["name"]])]} if asked["name"] in weak else {}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield _asking(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def _advisory(package: Mapping[str, str], mended_in: str) -> dict[str, object]:
    versions = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": mended_in}]}
    return {"id": "TEST-1", "summary": "made up", "affected": [{"package": package, "ranges": [versions]}]}
