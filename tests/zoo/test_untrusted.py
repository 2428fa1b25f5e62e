"""Servers that lie, send slowly or without end: the next address is tried."""

import gzip
import hashlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Run
from zoo.downloads import (
    BODY,
    MD5,
    OTHER,
    PATH,
    assert_downloaded,
    assert_refused,
    get_cached,
    get_part,
    get_receipt,
    write_toml,
)
from zoo.raw import HEAD, Send, open_raw_server
from zoo.site import Fault, File, Site

from bddseg.zoo import assets


def send_slow_headers(send: Send) -> None:
    send(HEAD)
    for _ in range(100):
        send(b"X")
        time.sleep(0.1)


def send_slow_body(send: Send) -> None:
    send(HEAD + b"Content-Length: 3000000\r\n\r\n")
    for _ in range(100):
        send(b"x")
        time.sleep(0.1)


def send_slow_chunks(send: Send) -> None:
    send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        send(b"1\r\nx\r\n")
        time.sleep(0.1)


def send_without_end(send: Send) -> None:
    send(HEAD + b"\r\n")
    while True:
        send(bytes(1 << 16))


BOMB = gzip.compress(bytes(20_000_000))


def send_bomb(send: Send) -> None:
    headers = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    send(HEAD + headers + BOMB)


def answer_with(headers: str, status: str = "200 OK") -> Callable[[Send], object]:
    content = f"HTTP/1.1 {status}\r\n{headers}\r\nConnection: close\r\n\r\nbody"
    return lambda send: send(content.encode("latin-1"))


ANSWERS: dict[str, tuple[Callable[[Send], object], str]] = {
    "claims 10 PB": (answer_with("Content-Length: 10000000000000000"), "it has 10,000,000,000 MB"),
    "slow headers": (send_slow_headers, "less than 64 KiB arrived in 0.3 s"),
    "slow body": (send_slow_body, "less than 64 KiB arrived in 0.3 s"),
    "slow chunks": (send_slow_chunks, "less than 64 KiB arrived in 0.3 s"),
    "no end": (send_without_end, "and should have 8 MB at most"),
    "bomb": (send_bomb, "and should have 8 MB at most"),
    "length in another script": (answer_with("Content-Length: \xb2"), "expected"),
    "length of 5,000 digits": (answer_with("Content-Length: " + "9" * 5000), ""),
    "redirect to no URL": (answer_with("Location: http://[::1", "302 Found"), "Invalid IPv6 URL"),
    "redirect to a long label": (
        answer_with(f"Location: http://{'a' * 80}/x", "302 Found"),
        "label",
    ),
    "redirect to a file": (
        answer_with("Location: file:///etc/passwd", "302 Found"),
        "file:///etc/passwd, which is neither http nor https",
    ),
    "several encodings": (answer_with("Content-Encoding: gzip, gzip"), "failed to decode"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_not_trusted_leads_to_the_next_address(
    name: str, site: Site, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(assets._LARGEST_BYTES, assets.AssetKind.WEIGHTS, 8_000_000)
    answer, reason = ANSWERS[name]
    site.files[PATH] = File(body=BODY)
    options = ("--timeout", 0.3, "--retries", 1)
    with open_raw_server(answer) as url:
        alone = write_toml(tmp_path, f'urls = ["{url}/net.pth"]\nmd5 = "{MD5}"')
        start = time.monotonic()
        assert_refused(alone, run("zoo", "download", alone, *options), reason)
        assert time.monotonic() - start < 5
        assert not get_part(alone).exists() or get_part(alone).stat().st_size < 100
        both = write_toml(tmp_path, f'urls = ["{url}/net.pth", "{site.url}{PATH}"]\nmd5 = "{MD5}"')
        assert run("zoo", "download", both, *options)[0] == 0
    assert_downloaded(both)


@pytest.mark.parametrize("value", ["\xb2", "Mon, 23 Nov 2020 10:00:00 -0000", "1e9", "9" * 5000])
def test_any_retry_after_is_understood_or_ignored(
    model: Path, site: Site, run: Run, value: str
) -> None:
    site.files[PATH].faults = deque([Fault(status=503, headers={"Retry-After": value})])
    code, _, err = run("zoo", "download", model)
    if value.startswith("9"):
        assert (code, "asks to wait for inf s" in err) == (1, True)
    else:
        assert code == 0, err
        assert_downloaded(model)


@pytest.mark.parametrize("url", ["http://[bad", "http://host:port/x", "ftp://host/x", "host/x"])
def test_what_is_no_url_is_refused_with_its_origin(tmp_path: Path, run: Run, url: str) -> None:
    model = write_toml(tmp_path, f'urls = ["{url}"]')
    code, _, err = run("zoo", "download", model)
    assert (code, "mine.toml: " in err, "is not a URL" in err) == (1, True, True)
    code, _, err = run("zoo", "download", "--mirror", url, "pspnet_r50-d8_512x1024_40k")
    assert (code, "The mirror" in err, "--mirror" in err) == (1, True, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net.pth", f"{MD5}  models\\\\net.pth\n{'0' * 32}  models\\\\other.pth\n"),
        ("net.pth", f"{MD5}  net.pth\n{MD5}  net.pth\n"),
        ("net%2Bx.pth", f"{MD5}  net+x.pth\n{'0' * 32}  net.pth\n"),
    ],
)
def test_a_checksum_is_found_in_files_of_other_tools(
    site: Site, tmp_path: Path, run: Run, name: str, text: str
) -> None:
    site.files[f"/{name}"] = File(body=BODY)
    site.files[f"/{name}.md5"] = File(body=text.encode())
    model = write_toml(tmp_path, f'urls = ["{site.url}/{name}"]')
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_two_different_checksums_of_one_file_are_none(model: Path, site: Site, run: Run) -> None:
    text = f"{MD5}  net.pth\n{'0' * 32}  net.pth\n"
    site.files[PATH.replace(".pth", ".md5")].body = text.encode()
    assert_refused(model, run("zoo", "download", model), "no checksum is published")


def test_a_file_is_found_in_a_folder_by_its_checksum(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "files" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(OTHER)
    (folder / "b.bin").write_bytes(BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    model = write_toml(tmp_path, f'urls = ["http://127.0.0.1:9/x.pth"]\nsha256 = "{digest}"')
    assert run("zoo", "download", model, "--from", tmp_path / "files")[0] == 0
    assert_downloaded(model)
    assert get_receipt(get_cached(model)).source == str(folder / "b.bin")
