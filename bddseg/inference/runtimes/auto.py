"""Choosing between OpenVINO and torch: the faster one, where labels are the same."""

import platform
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import msgspec
from torch import Tensor, get_num_threads

from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.postprocess import apply_class_map, argmax, mark_not_finite
from bddseg.inference.runtimes import graph_cache
from bddseg.inference.runtimes.graph_cache import Comparison, GraphInfo
from bddseg.inference.runtimes.graphs import ExportedGraphs
from bddseg.inference.runtimes.openvino import OpenVinoRuntime, describe_processor
from bddseg.inference.runtimes.runtime import Runtime
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.models.layers import get_size, resize
from bddseg.progress import pluralize
from bddseg.specs import Entry, Precision
from bddseg.types import SizeHW

# Share of the pixels of the first images whose labels have to be torch's.
MIN_PARITY = 0.999
# Runs of each runtime that are timed, after one that is not.
_TIMED_RUNS = 2
_PROCESSORS = ("x86_64", "amd64")


class AutoRuntime(Runtime):
    """OpenVINO on an Intel or AMD CPU where it is installed and faster than torch, else torch.

    On the first images that it gets, labels and times are compared with torch's. The result is kept
    beside the graph, so that the other runtime is not needed again. Where fewer labels than
    `MIN_PARITY` are equal, or OpenVINO cannot run the network, it warns and uses torch.

    Args:
        entry: The model.
        load_torch: Loads the network for torch.
        openvino: The network in OpenVINO; None to use torch in any case.

    Attributes:
        chosen: Name of the runtime that it uses; empty before the first images.
        speedup: Torch's time over OpenVINO's, where that decided.
    """

    is_thread_safe = True

    def __init__(
        self, entry: Entry, load_torch: Callable[[], Runtime], openvino: OpenVinoRuntime | None
    ) -> None:
        self._entry = entry
        self._load_torch = load_torch
        self._lock = threading.Lock()
        self.speedup: float | None = None
        self._openvino = openvino
        self._runtime: Runtime
        self._use("" if openvino else "torch", openvino or load_torch())

    @classmethod
    def list_devices(cls) -> list[str]:
        """Return the devices of torch."""
        return TorchRuntime.list_devices()

    @classmethod
    def load(cls, entry: Entry, weights: Path, *, device: str, precision: Precision) -> Self:
        """Return an entry's network, ready to run.

        Raises:
            BddsegError: as torch; or the entry's network is in its file.
        """
        if not entry.architecture:
            raise BddsegError(
                f"The network of {entry.name} is in its file, and torch cannot run it.",
                "Leave --runtime out.",
            )
        load = partial(TorchRuntime.load, entry, weights, device=device, precision=precision)
        if not _is_for_openvino(device):
            return cls(entry, load, None)
        try:
            openvino = OpenVinoRuntime.load(entry, weights, device=device, precision=precision)
        except BddsegError as error:
            # What is wrong with the weights is torch's own error.
            runtime = cls(entry, load, None)
            _warn(str(error))
            return runtime
        return cls(entry, load, openvino)

    def infer(self, images: Tensor) -> Mapping[str, Tensor]:
        """Images (N, 3, H, W), float32 -> logits (N, K, h, w) of each task."""
        with self._lock:
            if not self.chosen:
                self._choose(images)
        return self._runtime.infer(images)

    def in_float32(self) -> Runtime:
        """Return the same network computing in float32."""
        return self._runtime.in_float32()

    def measure_batch_size(self, infer_one: Callable[[], object], limit: int) -> int:
        """Return how many images fit into memory at a time."""
        return self._runtime.measure_batch_size(infer_one, limit)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Return whether an allocation failed."""
        return self._runtime.is_out_of_memory(error)

    def _use(self, name: str, runtime: Runtime) -> None:
        self.chosen = name
        self._runtime = runtime
        self.device = runtime.device
        self.align_corners = runtime.align_corners

    def _choose(self, images: Tensor) -> None:
        openvino = self._openvino
        self._openvino = None
        assert openvino is not None
        try:
            comparison = self._find_comparison(openvino, images)
        except BddsegError as error:
            _warn(str(error))
        else:
            if comparison.parity < MIN_PARITY:
                _warn(
                    f"With OpenVINO, {100 * comparison.parity:.2f} % of the first image's pixels "
                    f"have the label that they have with torch, less than {100 * MIN_PARITY:.1f} %."
                )
            else:
                self.speedup = comparison.speedup
                if self.speedup > 1:
                    self._use("openvino", openvino)
                    return
        self._use("torch", self._load_torch())

    def _find_comparison(self, openvino: OpenVinoRuntime, images: Tensor) -> Comparison:
        """Return how OpenVINO compares with torch: as it is known, or measured.

        Raises:
            BddsegError: OpenVINO cannot run the network, or an earlier export of it failed.
        """
        assert openvino.graphs is not None
        path = openvino.graphs.get_path(get_size(images))
        threads = pluralize(get_num_threads(), "thread")
        key = f"{describe_processor()}, {threads}, {openvino.precision}"
        info = graph_cache.read_info(path)
        if info and info.failure:
            raise BddsegError(
                f"In an earlier run: {info.failure}",
                "To try it again: bddseg cache clear --all",
            )
        if info and key in info.comparisons:
            return info.comparisons[key]
        self._export(openvino.graphs, path, get_size(images))
        comparison = self._measure(openvino, self._load_torch(), images)
        if info := graph_cache.read_info(path):
            comparisons = info.comparisons | {key: comparison}
            graph_cache.write_info(path, msgspec.structs.replace(info, comparisons=comparisons))
        return comparison

    def _export(self, graphs: ExportedGraphs, path: Path, size_hw: SizeHW) -> None:
        """Export the graph, or note beside the others why that is impossible."""
        try:
            graphs.read(size_hw)
        except BddsegError as error:
            info = GraphInfo(
                model=self._entry.name,
                size_hw=size_hw,
                sha256="",
                size_bytes=0,
                align_corners=graphs.align_corners,
                failure=error.message,
            )
            with suppress(BddsegError, OSError):
                graph_cache.write_info(path, info)
            raise

    def _measure(self, openvino: Runtime, torch: Runtime, images: Tensor) -> Comparison:
        found, expected = openvino.infer(images), torch.infer(images)
        times: dict[Runtime, list[float]] = {openvino: [], torch: []}
        for _ in range(_TIMED_RUNS):
            for runtime, seconds in times.items():
                start = time.perf_counter()
                runtime.infer(images)
                seconds.append(time.perf_counter() - start)
        speedup = min(times[torch]) / min(times[openvino])
        return Comparison(self._compare(found, expected, images), speedup)

    def _compare(
        self, found: Mapping[str, Tensor], expected: Mapping[str, Tensor], images: Tensor
    ) -> float:
        """Return the smallest share of equal labels of a task."""

        def label(task: str, logits: Tensor) -> Tensor:
            mapped = apply_class_map(logits, self._entry.get_class_map(task))
            full = resize(mapped.float(), get_size(images), align_corners=self.align_corners)
            return mark_not_finite(argmax(full), full)

        return min(
            (label(task, found[task]) == label(task, logits)).double().mean().item()
            for task, logits in expected.items()
            if task in found
        )


def _is_for_openvino(device: str) -> bool:
    return (
        device in ("auto", "cpu")
        and platform.machine().lower() in _PROCESSORS
        and TorchRuntime.list_devices() == ["cpu"]
        and find_spec("openvino") is not None
    )


def _warn(reason: str) -> None:
    text = f"{reason} The runtime torch is used."
    warnings.warn(text, BddsegWarning, stacklevel=4)
