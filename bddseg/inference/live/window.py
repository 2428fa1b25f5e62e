"""Overlays in a window of OpenCV, where its build has one."""

import os
import sys

import cv2

from bddseg.errors import BddsegError
from bddseg.inference.prediction import Prediction

_TITLE = "bddseg (q closes)"
_CLOSING_KEYS = (ord("q"), 27)  # 27 is Esc


class Window:
    """A window that shows the overlays of a run.

    Raises:
        BddsegError: this build of OpenCV has no windows, or there is no display.
    """

    def __init__(self) -> None:
        self._is_closed = False
        # With no display, Qt ends the process.
        if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
            raise BddsegError(
                "--show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set.",
                "Watch in a browser: --stream http://127.0.0.1:8080",
            )
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise BddsegError(
                "--show needs an OpenCV with windows, and the one that is installed has none.",
                "pip uninstall opencv-python-headless && pip install opencv-python; or watch in a "
                "browser: --stream http://127.0.0.1:8080",
            ) from error

    @property
    def is_closed(self) -> bool:
        """Whether the user closed it, by its button, q or Esc."""
        return self._is_closed

    def show(self, prediction: Prediction) -> None:
        """Show the overlay of a prediction, unless the window is closed."""
        # `imshow` would open it again.
        if cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self._is_closed = True
            return
        cv2.imshow(_TITLE, cv2.cvtColor(prediction.overlay(), cv2.COLOR_RGB2BGR))
        self._is_closed = cv2.waitKey(1) & 0xFF in _CLOSING_KEYS

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()
