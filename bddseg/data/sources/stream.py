"""Streams as a source: URLs, and standard input. Needs PyAV, the extra `video`."""

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

from bddseg.data.sources.live import LiveSource
from bddseg.data.sources.live_reader import Grab
from bddseg.data.sources.source import STDIN, Selection
from bddseg.data.sources.video import convert_frame, import_av
from bddseg.errors import BddsegError
from bddseg.io.read import check_size
from bddseg.io.urls import redact
from bddseg.types import Image

_SCHEMES = frozenset(
    {"http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"}
)
_RAW = re.compile(r"(?P<format>rgb24|bgr24):(?P<width>\d{1,5})x(?P<height>\d{1,5})", re.ASCII)
# Microseconds at most to find out what a stream holds. RTP over UDP would lose packets, and later
# frames are made of them too.
_OPTIONS = {"analyzeduration": "1000000", "rtsp_transport": "tcp"}


class StreamSource(LiveSource):
    """The frames of a stream as they come, numbered from 0.

    A URL is opened again when the stream ends, fails or stalls. One of a file, which has a
    duration, is read once, and no frame of it is dropped.

    Args:
        url: A URL, or "-" for standard input.
        selection: How many frames, and how they are received.
    """

    def __init__(self, url: str, selection: Selection) -> None:
        is_stdin = url == STDIN
        name = "standard input" if is_stdin else redact(url)
        super().__init__(name, self._receive, selection, reconnects=not is_stdin)
        import_av()
        self._timeout_s = selection.live.timeout_s
        # FFmpeg's name for standard input; reading it cannot be interrupted.
        self._url = "pipe:0" if is_stdin else url
        self._settings: dict[str, Any] = {"timeout": None if is_stdin else self._timeout_s}
        if selection.live.raw:
            self._settings |= _parse_raw(selection.live.raw)

    @classmethod
    def accepts(cls, source: str) -> bool:
        """Return whether it is a URL, or "-"."""
        scheme, separator, _ = source.partition("://")
        return source == STDIN or (bool(separator) and scheme.lower() in _SCHEMES)

    @classmethod
    def open(cls, source: str, selection: Selection, *, exclude: Path | None = None) -> Self:
        """Return the source; see `Source.open`."""
        del exclude
        return cls(source, selection)

    def _receive(self) -> Iterator[Grab]:
        av = import_av()
        try:
            yield from self._read_frames(av)
        except av.error.ExitError:
            raise TimeoutError(f"it sent nothing for {self._timeout_s:g} s") from None
        # Their own texts hold the URL, with its password.
        except av.error.FFmpegError as error:
            raise ConnectionError(error.strerror) from None

    def _read_frames(self, av: Any) -> Iterator[Grab]:
        settings = {"options": _OPTIONS, "metadata_errors": "replace"} | self._settings
        with av.open(self._url, **settings) as container:
            if not container.streams.video:
                raise ValueError("it has no video")
            stream = container.streams.video[0]
            check_size((stream.height, stream.width))
            # Threads for each frame would hold back as many frames.
            stream.thread_type = "SLICE"
            self.reader.is_file = bool(container.duration) and self._url != "pipe:0"
            last_s = time.monotonic()
            # Each JPEG is for itself: those that are dropped need not be decoded.
            is_jpeg = stream.codec_context.name == "mjpeg"
            decoder = av.CodecContext.create("mjpeg", "r") if is_jpeg else None
            for packet in container.demux(stream):
                if decoder and packet.size:
                    yield partial(_decode_jpeg, decoder, packet)
                    last_s = time.monotonic()
                for frame in () if decoder else _decode(packet):
                    yield partial(convert_frame, frame)
                    last_s = time.monotonic()
                if time.monotonic() - last_s > self._timeout_s:
                    raise TimeoutError(f"no frame could be decoded for {self._timeout_s:g} s")


def _decode(packet: Any) -> list[Any]:
    """Return the frames of a packet; none of a damaged one, as those before the first key frame."""
    try:
        return list(packet.decode())
    except import_av().error.InvalidDataError:
        return []


def _decode_jpeg(decoder: Any, packet: Any) -> Image | None:
    """Return the frame of a JPEG; None if it is damaged."""
    try:
        frames = decoder.decode(packet)
        return convert_frame(frames[0]) if frames else None
    except import_av().error.FFmpegError:
        return None


def _parse_raw(text: str) -> dict[str, Any]:
    """Return FFmpeg's settings for raw frames.

    Raises:
        BddsegError: the text is not a format and a size.
    """
    found = _RAW.fullmatch(text)
    try:
        if found is None:
            raise ValueError("it has to be FORMAT:WIDTHxHEIGHT")
        check_size((int(found["height"]), int(found["width"])))
    except ValueError as error:
        raise BddsegError(
            f"--raw is '{text}': {error}.", "Use rgb24 or bgr24, as in --raw bgr24:1280x720."
        ) from error
    size = f"{found['width']}x{found['height']}"
    options = {"pixel_format": found["format"], "video_size": size}
    return {"format": "rawvideo", "options": options}
