"""URLs with users, passwords and tokens: they work, and are shown and stored nowhere."""

import os
from collections import deque
from pathlib import Path

import pytest
from support import Run
from zoo.downloads import (
    BODY,
    MD5,
    assert_downloaded,
    get_cached,
    get_part,
    get_receipt,
    write_toml,
)
from zoo.site import Fault, File, Site

from bddseg.io.urls import redact

SECRETS = ("alice", "hunter2", "s3cret")
QUERY = "?token=s3cret"


@pytest.fixture
def secret_model(site: Site, tmp_path: Path) -> Path:
    """A model whose URL contains a user, a password and a token."""
    site.files[f"/net.pth{QUERY}"] = File(body=BODY)
    site.files[f"/net.md5{QUERY}"] = File(body=MD5.encode())
    host = site.url.removeprefix("http://")
    return write_toml(tmp_path, f'urls = ["http://alice:hunter2@{host}/net.pth{QUERY}"]')


def assert_no_secrets(*texts: str) -> None:
    home = Path(os.environ["BDDSEG_HOME"])
    stored = [path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file()]
    for secret in SECRETS:
        for text in (*texts, *stored, *map(str, home.rglob("*"))):
            assert secret not in text


def test_a_download_stores_and_shows_no_secrets(secret_model: Path, site: Site, run: Run) -> None:
    faults = [Fault(status=503, headers={"Retry-After": "1"}), Fault(cut_after=1_000_000)]
    site.files[f"/net.pth{QUERY}"].faults = deque(faults)
    code, _, err = run("zoo", "download", secret_model, "--retries", 0, "-v")
    assert code == 1
    assert_no_secrets(err)
    site.files[f"/net.pth{QUERY}"].faults = deque(faults)
    code, out, err = run("zoo", "download", secret_model, "--retries", 1, "-v", "--json")
    assert code == 0
    assert "trying again in 1 s" in err
    assert_downloaded(secret_model)
    assert_no_secrets(out, err, *run("zoo", "verify")[1:])
    assert site.requests[-1].headers["Authorization"].startswith("Basic ")
    shown = f"http://***@{site.url.removeprefix('http://')}/net.pth?***"
    assert get_receipt(get_cached(secret_model)).source == shown
    assert shown in out


def test_an_unfinished_download_stores_no_secrets_and_is_continued(
    secret_model: Path, site: Site, run: Run
) -> None:
    site.files[f"/net.pth{QUERY}"].faults = deque([Fault(cut_after=1_000_000)])
    assert run("zoo", "download", secret_model, "--retries", 0)[0] == 1
    assert get_part(secret_model).exists()
    assert_no_secrets()
    site.requests.clear()
    assert run("zoo", "download", secret_model)[0] == 0
    assert site.count_sent(f"/net.pth{QUERY}") < len(BODY)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404),
        Fault(status=302, headers={"Location": "file://alice:hunter2@x/?s3cret"}),
        Fault(status=302, headers={"Location": "http://alice:hunter2@[x/?s3cret"}),
        Fault(status=302, headers={"Location": f"http://alice:hunter2@{'x' * 80}/?s3cret"}),
    ],
)
def test_errors_show_no_secrets(secret_model: Path, site: Site, run: Run, fault: Fault) -> None:
    site.files[f"/net.pth{QUERY}"].faults = deque([fault])
    code, out, err = run("zoo", "download", secret_model, "-v")
    assert (code, out) == (1, "")
    assert_no_secrets(err)
    host = site.url.removeprefix("http://")
    mirror = f"http://alice:hunter2@{host}/mirror?s3cret"
    for each in (mirror, "ftp://alice:hunter2@host/?s3cret", "http://alice:hunter2@[x?s3cret"):
        code, out, err = run("zoo", "download", "pspnet_r50-d8_512x1024_40k", "--mirror", each)
        assert code == 1
        assert_no_secrets(out, err)


def test_the_catalog_shows_no_secrets(secret_model: Path, run: Run) -> None:
    assert_no_secrets(*run("zoo", "show", secret_model)[1:])
    assert_no_secrets(*run("zoo", "show", secret_model, "--json")[1:])
    secret_model.write_text(secret_model.read_text().replace("http:", "ftp:"))
    assert_no_secrets(*run("zoo", "show", secret_model)[1:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a.pth", "https://host/a.pth"),
        ("see https://u:p@host:1/a.pth?t=1#x: 404", "see https://***@host:1/a.pth?*** 404"),
        (
            "HTTP://u@host 'http://h/?a' and frames/*.jpg?",
            "HTTP://***@host 'http://h/?***' and frames/*.jpg?",
        ),
        ("ftp://u:p@host/x?t", "ftp://***@host/x?***"),
    ],
)
def test_only_the_secrets_of_a_url_are_hidden(text: str, expected: str) -> None:
    assert redact(text) == expected
