"""Cameras as a source, by number or device file, read by OpenCV."""

import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Self

import cv2

from bddseg.data.sources.live import LiveSource
from bddseg.data.sources.live_reader import Grab
from bddseg.data.sources.source import Selection
from bddseg.errors import BddsegError
from bddseg.types import Image

_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_DEVICE = re.compile(r"/dev/video\d{1,3}", re.ASCII)


class CameraSource(LiveSource):
    """The frames of a camera as they come, numbered from 0.

    Args:
        camera: Its number, from 0, or its device file on Linux.
        selection: How many frames, and how they are received.

    Raises:
        BddsegError: there is no such camera.
    """

    def __init__(self, camera: str, selection: Selection) -> None:
        super().__init__(f"Camera {camera}", self._receive, selection, reconnects=True)
        self._number = int(camera.removeprefix("/dev/video"))
        if not selection.live.wait_s and not self._exists():
            found = ", ".join(sorted(map(str, Path("/dev").glob("video*"))))
            raise BddsegError(
                f"There is no camera {camera}: /dev/video{self._number} does not exist.",
                f"Cameras: {found or 'none'}. --wait SECONDS waits for one.",
            )

    @classmethod
    def accepts(cls, source: str) -> bool:
        """Return whether it is a number that is no file, or a video device."""
        if _DEVICE.fullmatch(source):
            return True
        return bool(_NUMBER.fullmatch(source)) and not Path(source).exists()

    @classmethod
    def open(cls, source: str, selection: Selection, *, exclude: Path | None = None) -> Self:
        """Return the source; see `Source.open`."""
        del exclude
        return cls(source, selection)

    def _exists(self) -> bool:
        return sys.platform != "linux" or Path(f"/dev/video{self._number}").exists()

    def _receive(self) -> Iterator[Grab]:
        # OpenCV writes a warning of its own about a camera that is not there.
        if not self._exists():
            raise ValueError(f"/dev/video{self._number} does not exist")
        yield from receive_capture(cv2.VideoCapture(self._number))


def receive_capture(capture: cv2.VideoCapture) -> Iterator[Grab]:
    """Yield the frames of an opened capture as they come, until there are no more; release it.

    Raises:
        ValueError: it could not be opened.
    """
    try:
        if not capture.isOpened():
            raise ValueError("OpenCV cannot open it")
        # Where the driver allows it, no frame waits in a queue.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        while True:
            is_there, bgr = capture.read()
            if not is_there:
                return
            yield partial(_to_rgb, bgr)
    finally:
        capture.release()


def _to_rgb(bgr: cv2.typing.MatLike) -> Image:
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype("uint8", copy=False)
