"""Servers that fail, overload, redirect or cannot be trusted."""

import ssl
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from support import Run
from zoo.downloads import (
    BODY,
    MD5,
    PATH,
    assert_downloaded,
    assert_refused,
    write_toml,
)
from zoo.site import Fault, File, Site, open_site


def test_not_found_is_not_retried(model: Path, site: Site, run: Run) -> None:
    site.files.clear()
    assert_refused(model, run("zoo", "download", model), f"{site.url}{PATH}: 404 Not Found.")
    assert len(site.requests) == 3  # net.md5, net.pth.md5, net.pth


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_retry_after_is_respected(model: Path, site: Site, run: Run, kind: str) -> None:
    after = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    value = "1" if kind == "seconds" else after
    site.files[PATH].faults = deque([Fault(status=503, headers={"Retry-After": value})])
    start = time.monotonic()
    code, _, err = run("zoo", "download", model)
    assert code == 0
    assert_downloaded(model)
    assert time.monotonic() - start >= (1 if kind == "seconds" else 0.9)
    assert "503 Service Unavailable; trying again in" in err


def test_a_server_that_asks_for_an_hour_is_an_error(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(status=503, headers={"Retry-After": "3600"})])
    assert_refused(model, run("zoo", "download", model), "503", "3,600 s")


def test_transient_errors_are_retried(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(status=500), Fault(status=429), Fault(cut_after=0)])
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_a_refused_connection_is_an_error(tmp_path: Path, run: Run) -> None:
    with open_site() as site:
        pass
    model = write_toml(tmp_path, f'urls = ["{site.url}/net.pth"]')
    result = run("zoo", "download", model)
    assert_refused(model, result, f"{site.url}/net.pth: no connection (Connection refused).")


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """A server with TLS and a certificate that requests trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with open_site(context) as site:
        yield site


def test_a_redirect_from_https_to_http_is_refused(
    secure: Site, site: Site, tmp_path: Path, run: Run
) -> None:
    site.files[PATH] = File(body=BODY)
    target = Fault(status=302, headers={"Location": site.url + PATH})
    secure.files["/net.pth"] = File(body=b"", faults=deque([target]))
    model = write_toml(tmp_path, f'urls = ["{secure.url}/net.pth"]\nmd5 = "{MD5}"')
    assert_refused(model, run("zoo", "download", model), "not encrypted", site.url + PATH)
    assert not site.requests


def test_a_redirect_within_https_is_followed(secure: Site, tmp_path: Path, run: Run) -> None:
    secure.files[PATH] = File(body=BODY)
    target = Fault(status=302, headers={"Location": PATH})
    secure.files["/net.pth"] = File(body=b"", faults=deque([target]))
    model = write_toml(tmp_path, f'urls = ["{secure.url}/net.pth"]\nmd5 = "{MD5}"')
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_an_untrusted_certificate_is_refused(
    secure: Site, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    secure.files[PATH] = File(body=BODY)
    model = write_toml(tmp_path, f'urls = ["{secure.url}{PATH}"]\nmd5 = "{MD5}"')
    assert_refused(model, run("zoo", "download", model), "no trusted connection")
