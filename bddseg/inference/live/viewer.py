"""What shows the predictions of a run while it goes on."""

from typing import Protocol

from bddseg.inference.prediction import Prediction


class Viewer(Protocol):
    """Shows overlays; all calls come from the main thread."""

    @property
    def is_closed(self) -> bool:
        """Whether the user closed it, which ends the run."""
        ...

    def show(self, prediction: Prediction) -> None:
        """Show a prediction, which holds its image, in place of the one before; do not wait."""
        ...

    def close(self) -> None:
        """Release what it holds; do nothing the second time."""
        ...
