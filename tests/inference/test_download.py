"""Labels are copied from a GPU on a stream of their own; whoever waits, waits for that copy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from bddseg.inference.download import Download


class Stream:
    """A stream that notes what is asked of it, as do its events."""

    calls: list[str]

    def __init__(self, device: object) -> None:
        Stream.calls = [f"stream on {device}"]

    def wait_stream(self, other: object) -> None:
        self.calls.append(f"wait for {other}")


class Event:
    def __init__(self, *, blocking: bool) -> None:
        Stream.calls.append(f"event, blocking {blocking}")

    def record(self, stream: Stream) -> None:
        stream.calls.append("record")

    def synchronize(self) -> None:
        Stream.calls.append("synchronize")


class GpuLabels(Tensor):
    """Says that it is on a GPU."""

    device = torch.device("cuda:1")

    def record_stream(self, stream: Any) -> None:
        stream.calls.append("keep memory")


@contextmanager
def use(stream: Stream) -> Iterator[None]:
    stream.calls.append("copy")
    yield
    stream.calls.append("copied")


def test_labels_on_a_cpu_are_there_already() -> None:
    labels = torch.ones(2, 3, 4, dtype=torch.uint8)
    assert Download(labels).wait() is labels


def test_labels_of_a_gpu_are_copied_on_a_stream_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = torch.empty

    def empty(*size: Any, pin_memory: bool, **options: Any) -> Tensor:
        assert pin_memory
        return plain(*size, **options)

    monkeypatch.setattr("torch.cuda.Stream", Stream)
    monkeypatch.setattr("torch.cuda.Event", Event)
    monkeypatch.setattr("torch.cuda.stream", use)
    monkeypatch.setattr("torch.cuda.current_stream", lambda device: f"the network on {device}")
    monkeypatch.setattr("torch.empty", empty)
    labels = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4)
    download = Download(labels.as_subclass(GpuLabels))
    assert Stream.calls == [
        "stream on cuda:1",
        "wait for the network on cuda:1",
        "copy",
        "copied",
        "keep memory",
        "event, blocking True",
        "record",
    ]
    assert torch.equal(download.wait(), labels)
    assert Stream.calls[-1] == "synchronize"
