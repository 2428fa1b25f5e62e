"""Kinds of damaged inputs for `fuzz.py`: answers of servers, and receipts."""

import gzip
import os
import random
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from fuzz import NUMBERS, add_kind, mutate
from zoo.raw import open_raw_server

from bddseg.errors import BddsegError
from bddseg.progress import SilentProgress
from bddseg.zoo.addresses import DownloadOptions
from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.cache import (
    FileState,
    Receipt,
    get_part_paths,
    get_weights_path,
    list_paths,
    store_file,
    verify_file,
)
from bddseg.zoo.catalog import read_entry
from bddseg.zoo.checksums import hash_file
from bddseg.zoo.download import Downloader, get_weights
from bddseg.zoo.resume import read_part_info

# The text of a small model, without weights.
_ENTRY = """
name = "one"
title = "One"
task = "drivable"
architecture = "pspnet"
preprocessing = {size_hw = [64, 96], mean = [1.0, 2.0, 3.0], std = [4.0, 5.0, 6.0]}
"""


@cache
def _start_server() -> tuple[str, list[bytes], ExitStack]:
    """Return a server's URL, the list whose last answer it always sends, and what stops it."""
    answers: list[bytes] = []
    stack = ExitStack()
    return stack.enter_context(open_raw_server(lambda send: send(answers[-1]))), answers, stack


@add_kind("http")
def _read_http_answers(rng: random.Random) -> None:
    """The answer of a server with damaged or strange headers and body."""
    url, answers, _ = _start_server()
    body = bytes(range(256)) * 20
    sent = gzip.compress(body) if rng.random() < 0.3 else body
    numbers = ["5120", "-1", "\xb2", "9" * 30, "9" * 5000, "5, 6", "", "0x10", "1e3"]
    headers = [f"Content-Length: {rng.choice([str(len(sent)), *numbers])}"]
    extra = {
        "Content-Encoding": ["gzip", "identity", "gzip, gzip", "br", "x"],
        "Transfer-Encoding": ["chunked", "gzip", ""],
        "Retry-After": [*numbers, "Mon, 23 Nov 2020 10:00:00 -0000", "x, 99 y 99999999"],
        "Location": [
            "http://[::1",
            f"http://{'a' * 80}/",
            "//",
            "file:///x",
            "\xff",
            "http://a:b/",
        ],
        "Content-Range": ["bytes 0-9/10", "bytes x"],
        "Set-Cookie": ["a=b; Max-Age=\xb2", "=;=" * 500],
        "ETag": ["x" * 70_000],
        "x" * rng.choice([1, 300]): ["", "\0", "\x1b"],
    }
    names = rng.sample(sorted(extra), rng.choice([0, 1, 1, 2, 3]))
    headers += [f"{name}: {rng.choice(extra[name])}" for name in names]
    status = rng.choice(["200 OK"] * 6 + ["206 x", "302 x", "503 x", "404 \x1b", "99", "204 x"])
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1")
    answers.append(head + sent)
    if rng.random() < 0.4:
        answers.append(mutate(answers[-1], rng))
    os.environ["BDDSEG_HOME"] = f"home{rng.random()}"
    Path("mine.toml").write_text(f"{_ENTRY}weights.urls = ['{url}/net.pth']\n")
    asset = get_weights_asset(read_entry(Path("mine.toml")))
    options = DownloadOptions(allow_unverified=rng.random() < 0.8, timeout_s=0.5, retries=0)
    Downloader(options, SilentProgress()).download(asset)


@add_kind("receipts")
def _read_receipts(rng: random.Random) -> None:
    """A cached file with a damaged receipt, beside a damaged unfinished download."""
    os.environ["BDDSEG_HOME"] = "home"
    Path("mine.toml").write_text(f"{_ENTRY}weights.urls = ['http://127.0.0.1:9/net.pth']\n")
    entry = read_entry(Path("mine.toml"))
    path = get_weights_path(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    part, info = get_part_paths(path)
    part.write_bytes(b"weights")
    digests = hash_file(part)
    receipt = Receipt(
        model="one",
        kind="weights",
        source="x",
        date="x",
        size_bytes=7,
        checked_against="x",
        md5=digests.md5,
        sha256=digests.sha256,
    )
    store_file(path, part, receipt)
    receipt_path = path.with_name(path.name + ".receipt.json")
    data = receipt_path.read_bytes()
    if rng.random() < 0.5:
        number = rng.choice([*NUMBERS, -1, 10**30, "9" * 5000, "null", '"7"', 7.0, "[" * 100_000])
        data = data.replace(b": 7", f": {number}".encode())
    receipt_path.write_bytes(mutate(data, rng) if rng.random() < 0.7 else data)
    info.write_bytes(mutate(b'{"url_sha256":"x","validator":null,"total":7}', rng))
    read_part_info(info, "http://x")
    assert list_paths() == [path]
    get_weights(entry)
    if verify_file(path)[0] is not FileState.GOOD:
        raise BddsegError("It is not verified.")
