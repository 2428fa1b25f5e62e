"""Files over HTTP from hosts and networks that misbehave: retried, resumed, never trusted."""

import email.utils
import random
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec
import requests

from bddseg.errors import BddsegError
from bddseg.files import unwritable
from bddseg.progress import Meter
from bddseg.zoo.cache import check_space, get_part_paths
from bddseg.zoo.sources import NotPublishedError, SourceError

T = TypeVar("T")

# What a cut can lose: the chunk that was being received.
_CHUNK_BYTES = 1 << 16
_TEXT_LIMIT_BYTES = 1 << 16
_CONNECT_TIMEOUT_S = 10.0
_LONGEST_WAIT_S = 120.0
_BACKOFF_S = (0.5, 20.0)
_MISSING = frozenset({404, 410})
_ALL_BUT_MISSING = frozenset(range(200, 600)) - _MISSING
_WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})


class _CutError(Exception):
    """A transfer broke off in a way that is worth another try."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _Partial(msgspec.Struct, frozen=True):
    """What is known of a part on disk: whose beginning it is, and of how much."""

    url: str
    validator: str | None
    total: int | None


class Transfer:
    """Fetches from HTTP servers.

    One object serves several threads, and remembers hosts that cannot be reached, so that each is
    waited for once.

    Args:
        meter: is told how far each file is, and why something waits.
        timeout_s: how long a server may say nothing.
        retries: how many failures in a row are put up with that bring no further bytes.
    """

    def __init__(self, meter: Meter, *, timeout_s: float = 30.0, retries: int = 5) -> None:
        self._meter = meter
        self._timeout_s = (min(timeout_s, _CONNECT_TIMEOUT_S), timeout_s)
        self._retries = retries
        self._stopped = threading.Event()
        self._answered: set[str] = set()
        self._unreachable: dict[str, str] = {}

    def stop(self) -> None:
        """Let every transfer under way end at once; what it has so far stays for the next one."""
        self._stopped.set()

    def read_text(self, url: str) -> str:
        """Return a short text file.

        Raises:
            SourceError: the server does not give it.
        """

        def read() -> str:
            with self._open(url, {}) as response:
                text = next(response.iter_content(_TEXT_LIMIT_BYTES), b"")
                return text.decode("utf-8", errors="replace")

        return self._repeat(read, url, size=lambda: 0)

    def check_exists(self, url: str) -> None:
        """Return if the server may have the file.

        Raises:
            SourceError: it says that it has not.
        """

        def ask() -> None:
            # Some servers answer HEAD with errors of their own; only "not found" is an answer.
            with self._open(url, {}, method="HEAD", accept=_ALL_BUT_MISSING):
                return

        self._repeat(ask, url, size=lambda: 0)

    def fetch(self, url: str, path: Path) -> Path:
        """Fetch the file that is to become `path`; return the part that holds it, unverified.

        A part that an earlier call left is continued if it is the beginning of the same file.

        Raises:
            SourceError: the server does not give the file.
            BddsegError: the disk is full, or cannot be written.
        """
        part, notes = get_part_paths(path)
        try:
            self._repeat(lambda: self._receive(url, path), url, size=lambda: _measure(part))
        except OSError as error:
            kept = " What has come so far is kept: the same command goes on from there."
            failure = unwritable(part, error)
            raise BddsegError(failure.message + kept, failure.hint) from error
        notes.unlink(missing_ok=True)
        return part

    def _receive(self, url: str, path: Path) -> None:
        part, notes = get_part_paths(path)
        known = _read_notes(notes, url)
        offset = _measure(part) if known else 0
        if known and known.total == offset > 0:
            return
        headers = {}
        if known and offset:
            headers["Range"] = f"bytes={offset}-"
            if known.validator:
                headers["If-Range"] = known.validator
        with self._open(url, headers, accept=(200, 206, 416) if offset else (200,)) as response:
            # 200 is the whole file: it has changed, or the server knows no ranges.
            if known and response.status_code != 200 and not _continues(response, offset, known):
                part.unlink()
                raise _CutError("the server does not continue the part that is here", 0.0)
            offset = offset if response.status_code == 206 else 0
            total = _get_total(response, offset)
            if total is not None:
                check_space(part.parent, total - offset)
            if not offset:
                part.unlink(missing_ok=True)
                _write_notes(notes, _Partial(url, _get_validator(response), total), response)
            self._store(response, part, path.name, offset, total)

    def _store(
        self, response: requests.Response, part: Path, name: str, done: int, total: int | None
    ) -> None:
        with part.open("ab", buffering=0) as file:
            self._meter.show(name, done, total)
            for chunk in response.iter_content(_CHUNK_BYTES):
                self._check_stopped()
                file.write(chunk)
                done += len(chunk)
                self._meter.show(name, done, total)
        if total is not None and done < total:
            raise _CutError(f"it ended after {done:,} of {total:,} bytes")

    @contextmanager
    def _open(
        self,
        url: str,
        headers: dict[str, str],
        *,
        method: str = "GET",
        accept: Collection[int] = (200,),
    ) -> Iterator[requests.Response]:
        host = urlsplit(url).netloc
        if host in self._unreachable:
            raise SourceError(self._unreachable[host])
        try:
            with (
                _Session() as session,
                session.request(
                    method,
                    url,
                    headers={"Accept-Encoding": "identity", **headers},
                    stream=True,
                    timeout=self._timeout_s,
                    allow_redirects=True,
                ) as response,
            ):
                self._answered.add(host)
                if response.status_code not in accept:
                    _refuse(response)
                yield response
        except requests.exceptions.SSLError as error:
            raise SourceError(f"no trusted connection ({_find_cause(error)})") from error
        except (requests.ConnectTimeout, requests.ConnectionError) as error:
            # A host that was there a moment ago will be back; one that never was is left alone.
            if host not in self._answered and _is_unreachable(error):
                self._unreachable[host] = f"no connection ({_find_cause(error)})"
                raise SourceError(self._unreachable[host]) from error
            raise _CutError(f"the connection broke ({_find_cause(error)})") from error
        except requests.Timeout as error:
            raise _CutError(f"the server said nothing for {self._timeout_s[1]:g} s") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise _CutError("the connection was cut") from error
        except requests.RequestException as error:
            raise SourceError(str(error)) from error

    def _repeat(self, attempt: Callable[[], T], url: str, *, size: Callable[[], int]) -> T:
        """Call `attempt` until it succeeds or has failed too often without `size` growing."""
        failures, largest = 0, size()
        while True:
            self._check_stopped()
            try:
                return attempt()
            except _CutError as cut:
                failures = 1 if size() > largest else failures + 1
                largest = max(largest, size())
                if failures > self._retries:
                    raise SourceError(f"{cut}, {failures} times in a row") from cut
                self._wait(cut, failures, url)

    def _wait(self, cut: _CutError, failures: int, url: str) -> None:
        first, longest = _BACKOFF_S
        # Many workers that lost one server together should not come back together.
        wait_s = min(longest, first * 2 ** (failures - 1)) * random.uniform(0.5, 1.0)
        if cut.wait_s is not None:
            wait_s = cut.wait_s
        if wait_s > _LONGEST_WAIT_S:
            raise SourceError(f"{cut}, and asks to wait for {wait_s:,.0f} s")
        if wait_s >= 1:
            self._meter.note(f"{url}: {cut}; trying again in {wait_s:.0f} s.")
        self._stopped.wait(wait_s)

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise SourceError("stopped")


class _Session(requests.Session):
    """A session that does not follow redirects from https to anything less."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target: str | None = super().get_redirect_target(resp)
        if target is not None:
            scheme = urlsplit(urljoin(resp.url, target)).scheme
            if scheme not in ("http", "https") or (
                urlsplit(resp.url).scheme == "https" and scheme != "https"
            ):
                raise requests.exceptions.InvalidURL(
                    f"it redirects to {target}, which is not encrypted; that was refused"
                )
        return target


def _refuse(response: requests.Response) -> None:
    reason = f"{response.status_code} {response.reason}".strip()
    if response.status_code in _WORTH_RETRYING:
        raise _CutError(reason, _read_retry_after(response.headers.get("Retry-After")))
    raise (NotPublishedError if response.status_code in _MISSING else SourceError)(reason)


def _read_retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or as a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _read_notes(notes: Path, url: str) -> _Partial | None:
    try:
        known = msgspec.json.decode(notes.read_bytes(), type=_Partial)
    except (OSError, msgspec.DecodeError):
        return None
    return known if known.url == url else None


def _write_notes(notes: Path, known: _Partial, response: requests.Response) -> None:
    """Note what the part is a part of; what cannot be continued gets no note."""
    notes.unlink(missing_ok=True)
    if not _is_encoded(response):
        notes.write_bytes(msgspec.json.encode(known))


def _measure(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _is_encoded(response: requests.Response) -> bool:
    """Return whether the body is compressed on its way, and so of another length than the file."""
    return response.headers.get("Content-Encoding", "identity") != "identity"


def _get_validator(response: requests.Response) -> str | None:
    """Return what identifies this version of the file; a weak ETag does not (RFC 9110, 13.1.5)."""
    tag: str | None = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified")


def _get_total(response: requests.Response, offset: int) -> int | None:
    """Return how many bytes the whole file has, if the server says."""
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isdigit() and not _is_encoded(response) else None


def _continues(response: requests.Response, offset: int, known: _Partial) -> bool:
    """Return whether a response holds the bytes from `offset` on of the file that is known."""
    if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return False
    # There are servers that heed Range and pass over If-Range.
    return known.validator is None or known.validator == _get_validator(response)


def _is_unreachable(error: BaseException) -> bool:
    """Return whether the host was not there at all, rather than there and gone again."""
    names = {type(each).__name__ for each in _unwrap(error)}
    return bool(names & {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"})


def _find_cause(error: BaseException) -> str:
    """Return the system's own words for what lies beneath an error of requests."""
    for each in _unwrap(error):
        if isinstance(each, TimeoutError):
            return "timed out"
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return type(error).__name__


def _unwrap(error: BaseException) -> Iterator[BaseException]:
    pending: list[Any] = [error]
    seen: set[int] = set()
    while pending:
        each = pending.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            pending += [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]
