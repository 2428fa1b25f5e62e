"""Class ids on their way from a GPU to the host."""

import torch
from torch import Tensor


class Download:
    """The labels of a batch, copied to the host while the device goes on with the next one.

    On a CUDA GPU it is one copy into page-locked memory, on a stream of its own: whoever waits does
    so for this batch, and not for what was launched after it. It was never run on a GPU.

    Args:
        labels: Class ids (N, H, W), uint8, on any device.
    """

    def __init__(self, labels: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._labels = labels
        if labels.device.type != "cuda":
            return
        stream = torch.cuda.Stream(labels.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(labels.device))
        self._labels = torch.empty(labels.shape, dtype=labels.dtype, pin_memory=True)
        with torch.cuda.stream(stream):
            self._labels.copy_(labels, non_blocking=True)
        # Its memory must not be used for something else before it is copied.
        labels.record_stream(stream)
        # Threads that wait sleep: they would take cores from those that decode.
        self._event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._event.record(stream)

    def wait(self) -> Tensor:
        """Return the labels when they are there; for any number of threads."""
        if self._event is not None:
            self._event.synchronize()
        return self._labels
