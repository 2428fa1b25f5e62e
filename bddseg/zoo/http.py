"""Downloads over HTTP from unreliable servers and networks: retried and resumed."""

import email.utils
import logging
import random
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_error
from bddseg.io.urls import redact
from bddseg.progress import Progress, ProgressGroup
from bddseg.zoo.addresses import DownloadError
from bddseg.zoo.cache import get_part_paths
from bddseg.zoo.resume import (
    check_size,
    check_space,
    continues,
    get_size,
    get_total_bytes,
    make_range_headers,
    read_part_info,
    write_part_info,
)
from bddseg.zoo.session import CHUNK_BYTES, Session

T = TypeVar("T")

_CONNECT_TIMEOUT_S = 10.0
_LONGEST_WAIT_S = 120.0
_LONGEST_REASON = 80
# The first wait before a retry, and the longest: it doubles each time.
BACKOFF_S = (0.5, 20.0)
_MISSING = frozenset({404, 410})
_ALL_BUT_MISSING = frozenset(range(200, 600)) - _MISSING
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

_log = logging.getLogger(__name__)


class _TransientError(Exception):
    """A request failed in a way that is worth a retry.

    Args:
        reason: What happened, in a few words.
        wait_s: How long to wait, where the server says so.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class HttpClient:
    """Downloads files and reads short texts.

    One client is used by several threads. It remembers hosts that cannot be reached, so that each
    costs one timeout only.

    Args:
        progress: Shows downloads and waits.
        timeout_s: Seconds in which a connection has to bring a further 64 KiB, or counts as broken.
        retries: Number of failures in a row without new data that are retried.
    """

    def __init__(self, progress: ProgressGroup, timeout_s: float, retries: int) -> None:
        self._progress = progress
        self._timeout_s = (min(timeout_s, _CONNECT_TIMEOUT_S), timeout_s)
        self._retries = retries
        self._stopped = threading.Event()
        self._reachable: set[str] = set()
        self._unreachable: dict[str, str] = {}

    def stop(self) -> None:
        """End all downloads; what they have received stays on disk for the next one."""
        self._stopped.set()

    def read_text(self, url: str) -> str:
        """Return the text of a short file.

        Raises:
            DownloadError: the server does not provide it.
        """

        def read() -> str:
            with self._open(url) as (_, chunks):
                return next(chunks, b"").decode("utf-8", errors="replace")

        return self._retry(read, url)

    def check_exists(self, url: str) -> None:
        """Check that the server does not answer "not found".

        Raises:
            DownloadError: it does.
        """

        def ask() -> None:
            # Some servers answer HEAD with other errors although the file is there.
            with self._open(url, method="HEAD", accept=_ALL_BUT_MISSING):
                return

        self._retry(ask, url)

    def download(self, url: str, path: Path, largest_bytes: int) -> None:
        """Download the file that is to become `path` to its temporary file, unverified.

        A file of more than `largest_bytes` is refused. An unfinished download is continued if it is
        of the same version of the same URL.

        Raises:
            DownloadError: the server does not provide the file.
            BddsegError: the disk is full, or cannot be written.
        """
        part, info_path = get_part_paths(path)
        progress = self._progress.start(path.name, unit="byte")
        _log.info("Downloading %s", redact(url))
        try:
            self._retry(partial(self._receive, url, path, largest_bytes, progress), url, part)
        except OSError as error:
            failure = write_error(part, error)
            raise BddsegError(
                f"{failure.message} What was received is kept: the same command continues it.",
                failure.hint,
            ) from error
        info_path.unlink(missing_ok=True)

    def _receive(self, url: str, path: Path, largest_bytes: int, progress: Progress) -> None:
        """Request the file, or the rest of it, and append the body to the part."""
        part, info_path = get_part_paths(path)
        info = read_part_info(info_path, url)
        done = get_size(part) if info else 0
        if info and info.total == done > 0:
            return
        headers = make_range_headers(info, done)
        accept = (200, 206, 416) if done else (200,)
        with self._open(url, headers, accept=accept) as (response, chunks):
            # 200 is the complete file: it has changed, or the server does not support ranges.
            if response.status_code == 200:
                done = 0
            elif info and not continues(response, done, info):
                part.unlink()
                raise _TransientError("the server does not continue the unfinished download", 0.0)
            total = get_total_bytes(response, done)
            check_size(part, total or 0, largest_bytes)
            check_space(part, (total or 0) - done)
            if not done:
                part.unlink(missing_ok=True)
                write_part_info(info_path, url, response, total)
            self._append(chunks, part, total, largest_bytes, progress)
        if total is not None and get_size(part) < total:
            raise _TransientError(f"the body ended after {get_size(part):,} of {total:,} bytes")

    def _append(
        self,
        chunks: Iterator[bytes],
        part: Path,
        total: int | None,
        largest_bytes: int,
        progress: Progress,
    ) -> None:
        with part.open("ab", buffering=0) as file:
            done = get_size(part)
            progress.update(done=done, total=total)
            for chunk in chunks:
                self._check_stopped()
                done += len(chunk)
                check_size(part, done, largest_bytes)
                try:
                    file.write(chunk)
                except OSError as error:
                    if total is not None:
                        raise
                    # A body without end must not leave the disk full.
                    part.unlink()
                    raise DownloadError(
                        f"{error.strerror or error} after {done / 1e6:,.0f} MB of a file whose "
                        "size the server does not tell"
                    ) from error
                progress.update(done=done, total=total)

    @contextmanager
    def _open(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        accept: Collection[int] = (200,),
    ) -> Iterator[tuple[requests.Response, Iterator[bytes]]]:
        """Send a request; give the response and the chunks of its body."""
        host = urlsplit(url).netloc
        if host in self._unreachable:
            raise DownloadError(self._unreachable[host])
        session = Session(self._timeout_s[1])
        try:
            with (
                session,
                session.request(
                    method,
                    url,
                    headers={"Accept-Encoding": "identity", **(headers or {})},
                    stream=True,
                    timeout=self._timeout_s,
                    allow_redirects=True,  # HEAD does not follow them by default
                ) as response,
            ):
                self._reachable.add(host)
                session.check_speed()
                if response.status_code not in accept:
                    _raise_for_status(response)
                yield response, session.iterate(response)
        # ValueError: what requests does not expect of a server, such as "Location: http://[".
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise self._translate(error, host, session.is_slow) from error

    def _translate(self, error: Exception, host: str, is_slow: bool) -> Exception:
        """Return the DownloadError, or the _TransientError, of a failed request."""
        cause = _find_cause(error)
        # A host that answered before is worth a retry; one that never did is not.
        if host not in self._reachable and _is_unreachable(error):
            self._unreachable[host] = f"no connection ({cause})"
            return DownloadError(self._unreachable[host])
        if is_slow:
            return _TransientError(
                f"less than {CHUNK_BYTES >> 10} KiB arrived in {self._timeout_s[1]:g} s"
            )
        if isinstance(error, requests.exceptions.SSLError):
            return DownloadError(f"no trusted connection ({cause})")
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            return _TransientError("the connection broke")
        if isinstance(error, requests.ConnectionError):
            return _TransientError(f"the connection broke ({cause})")
        if isinstance(error, requests.Timeout):
            return _TransientError(f"no data for {self._timeout_s[1]:g} s")
        return DownloadError(redact(str(error)) or type(error).__name__)

    def _retry(self, attempt: Callable[[], T], url: str, part: Path | None = None) -> T:
        """Call `attempt` until it succeeds, or fails too often while `part` grows by no chunk."""
        failures, largest = 0, get_size(part)
        while True:
            self._check_stopped()
            try:
                return attempt()
            except _TransientError as error:
                size = get_size(part)
                failures = 1 if size >= largest + CHUNK_BYTES else failures + 1
                largest = max(largest, size)
                if failures > self._retries:
                    raise DownloadError(f"{error}, {failures} times in a row") from error
                self._wait(error, failures, url)

    def _wait(self, error: _TransientError, failures: int, url: str) -> None:
        wait_s = error.wait_s
        if wait_s is None:
            first, longest = BACKOFF_S
            # Random, so that many processes that lost a server together do not return together.
            wait_s = min(longest, first * 2 ** (failures - 1)) * random.uniform(0.5, 1.0)
        if wait_s > _LONGEST_WAIT_S:
            raise DownloadError(f"{error}, and the server asks to wait for {wait_s:,.0f} s")
        if wait_s >= 1:
            self._progress.note(f"{redact(url)}: {error}; trying again in {wait_s:.0f} s.")
        self._stopped.wait(wait_s)

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise DownloadError("stopped")


def _raise_for_status(response: requests.Response) -> None:
    reason = f"{response.status_code} {response.reason[:_LONGEST_REASON]}".strip()
    if response.status_code in _TRANSIENT:
        raise _TransientError(reason, _parse_retry_after(response.headers.get("Retry-After")))
    raise DownloadError(reason)


def _parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or as a date."""
    try:
        if value is None or re.fullmatch("[0-9]+", value):
            return None if value is None else float(value)
        until = email.utils.parsedate_to_datetime(value)
        # "-0000" is UTC, too.
        return max(
            0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, OverflowError):
        return None


def _is_unreachable(error: BaseException) -> bool:
    """Return whether no connection was made at all, rather than made and lost."""
    kinds = (NewConnectionError, ConnectTimeoutError)
    return any(isinstance(each, kinds) for each in _list_causes(error))


def _find_cause(error: BaseException) -> str:
    """Return the operating system's message that an error of requests is based on."""
    for each in _list_causes(error):
        if isinstance(each, TimeoutError):
            return "timed out"
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return type(error).__name__


def _list_causes(error: BaseException) -> list[BaseException]:
    """Return an error of requests and those it is based on: requests and urllib3 wrap them."""
    causes = [error]
    # The list grows while it is walked.
    for each in causes:
        linked = [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]
        causes += [one for one in linked if isinstance(one, BaseException) and one not in causes]
    return causes
