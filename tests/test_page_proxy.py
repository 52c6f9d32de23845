"""The page behind a real nginx, set up as docs/proxy.md says and in ways that tell the page less."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.page_visits import done, status, visit
from tests.support.viewer_browser import until

DOCS = Path(__file__).resolve().parent.parent / "docs" / "proxy.md"
BARE = """
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_set_header Host $host;
"""  # neither port nor scheme arrive


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def nginx(tmp_path, served):
    """nginx in front of the page; gives the addresses by name."""
    ports = {name: free_port() for name in ("documented", "tls", "below")}
    page = served.url.removesuffix("/")
    whole, part = (
        each.replace("http://127.0.0.1:7860", page)
        for each in re.findall(r"```nginx\n(.*?)```", DOCS.read_text(), re.S)
    )
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-subj", "/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    folders = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(f"""
        daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
        events {{}}
        http {{
            access_log off; {folders}
            {whole.replace("listen 80", f"listen 127.0.0.1:{ports['documented']}")}
            server {{
                listen 127.0.0.1:{ports["tls"]} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};
                location / {{ proxy_pass {page}; {BARE} }}
            }}
            server {{ listen 127.0.0.1:{ports["below"]}; {part} }}
        }}
    """)
    server = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")])
    try:
        yield {
            "documented": f"http://127.0.0.1:{ports['documented']}/",
            "tls": f"https://localhost:{ports['tls']}/",
            "below": f"http://127.0.0.1:{ports['below']}/ivid/",
        }
    finally:
        server.terminate()
        server.wait(20)


def test_the_page_works_behind_nginx(browser, served, nginx, monkeypatch):
    served.models.load(served.model)
    for number, (name, url) in enumerate(nginx.items()):
        if name == "below":
            monkeypatch.setattr(served.page.app, "root_path", "/ivid")
        with visit(browser, f"{url}?class=house&seed={70 + number}&views=uncond", ignore_https_errors=True) as page:
            elsewhere: list[str] = []
            page.on(
                "request",
                lambda request, at=url, said=elsewhere: (
                    request.url.startswith((at, "data:", "blob:")) or said.append(request.url)
                ),
            )
            expect(status(page)).to_contain_text("Done: 1 view ")
            expect(done(page)).to_have_count(1)
            expect(page.locator(".ivid-field img[data-shown]")).to_have_count(1)
            until(page, "() => document.querySelector('.ivid-viewer').ividViewer?.renderer.held.size === 1")
            assert page.evaluate("document.fonts.check('16px \"Figtree Variable\"')")
            assert not elsewhere, name
