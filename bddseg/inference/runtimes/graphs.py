"""Graphs for the runtimes that run ONNX: a user's own file, or exported for each size of input."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.export.graph import export_onnx
from bddseg.inference.runtimes import graph_cache
from bddseg.inference.runtimes.graph_cache import GraphInfo
from bddseg.io.lock import wait_for_lock
from bddseg.models.build import ARCHITECTURES
from bddseg.models.load import load_network
from bddseg.models.network import Network
from bddseg.models.winograd import export_winograd
from bddseg.specs import Entry
from bddseg.types import SizeHW

_VERSIONED = ("torch", "onnx", "onnxscript")
# Code that a graph depends on, in folders of the package.
_OWN_CODE = ("models", "inference/export")


class ExportedGraphs:
    """The graphs of an entry's network: each is exported on first use and cached on disk.

    Their logits have the size of the input and the network's order of classes.

    Args:
        entry: The model, with an architecture.
        weights: Its checkpoint file.
        winograd: Compute wide 3x3 convolutions as `WinogradConv2d` does, in float32.

    Attributes:
        align_corners: How logits are to be interpolated.
        tasks: Names of the tasks, which are those of the outputs.

    Raises:
        BddsegError: the weights do not fit.
    """

    def __init__(self, entry: Entry, weights: Path, *, winograd: bool = False) -> None:
        self.tasks = (entry.task, *entry.extra_tasks)
        self._entry = entry
        self._weights = weights
        self._winograd = winograd
        # Loaded only where a graph has to be exported; what was exported before did fit.
        self._network: Network | None = None
        try:
            self._prefix = _make_prefix(entry, weights, winograd)
        except OSError:
            # This says what is wrong with the file.
            self._load()
            raise
        self.align_corners = self._find_align_corners()

    def get_path(self, size_hw: SizeHW) -> Path:
        """Return where the graph for a size is cached, whether it is there or not."""
        return graph_cache.get_path(self._prefix, size_hw)

    def read(self, size_hw: SizeHW) -> bytes:
        """Return the graph for images of a size, an ONNX file for one image at a time.

        Of several processes that want it at the same time, one exports it and the others wait.

        Raises:
            BddsegError: the network cannot be exported, or cannot take images of that size.
        """
        path = self.get_path(size_hw)
        if content := graph_cache.read_graph(path):
            return content
        with wait_for_lock(path.with_suffix(".lock")):
            # Another process may have exported it meanwhile.
            return graph_cache.read_graph(path) or self._export(path, size_hw)

    def _export(self, path: Path, size_hw: SizeHW) -> bytes:
        network = self._network or self._load()
        self._check_outputs(network, size_hw)
        with export_winograd() if self._winograd else nullcontext():
            content = export_onnx(network, size_hw, dict.fromkeys(self.tasks, ()))
        self._network = None
        info = GraphInfo(
            model=self._entry.name,
            size_hw=size_hw,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            align_corners=self.align_corners,
        )
        try:
            graph_cache.store_graph(path, content, info)
        except (BddsegError, OSError) as error:
            # The next run exports it again.
            warnings.warn(f"A graph was not cached: {error}", BddsegWarning, stacklevel=2)
        return content

    def _find_align_corners(self) -> bool:
        for graph in graph_cache.list_graphs(self._prefix):
            if info := graph_cache.read_info(graph.path):
                return info.align_corners
        self._network = self._load()
        return self._network.align_corners

    def _load(self) -> Network:
        return cast(Network, load_network(self._entry, self._weights))

    def _check_outputs(self, network: Network, size_hw: SizeHW) -> None:
        """Check that the network has an output for each task, without computing one."""
        if len(self.tasks) == 1:
            return
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            outputs = network(torch.zeros(1, 3, *size_hw))
        names = [*outputs] if isinstance(outputs, Mapping) else [self._entry.task]
        if missing := [task for task in self.tasks if task not in names]:
            raise BddsegError(
                f"The network of {self._entry.name} has no output '{missing[0]}', but "
                f"{', '.join(names)}.",
                "Correct task and extra_tasks in its entry.",
            )


def _make_prefix(entry: Entry, weights: Path, winograd: bool) -> str:
    """Return what the names of all graphs of a network with its weights begin with.

    The key in it is of the weights' content, `winograd`, all of the entry that builds the network,
    the code of networks and of the export, and the versions of what exports it.
    """
    ARCHITECTURES.load(entry.architecture)
    with weights.open("rb") as file:
        weights_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    package = ARCHITECTURES.get_package(entry.architecture)
    tasks = (entry.task, *entry.extra_tasks)
    parts = {
        "architecture": entry.architecture,
        "options": entry.options,
        "classes": [(task, len(entry.get_class_map(task))) for task in tasks],
        "weights": weights_sha256,
        "winograd": winograd,
        "versions": [_get_version(name) for name in ("bddseg", package, *_VERSIONED)],
        "code": _hash_code(ARCHITECTURES.get_module(entry.architecture)),
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{entry.short_name}_{key[:16]}_"


def _get_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise BddsegError(
            f"Exporting a network needs {package}.", "Install it: pip install 'bddseg[onnx]'."
        ) from error


def _hash_code(module: str) -> str:
    """Return a hash of the code of networks, of exporting them, and beside an architecture."""
    package = Path(__file__).parents[2]
    folders = {package / name for name in _OWN_CODE}
    spec = find_spec(module)
    if spec and spec.origin:
        folders.add(Path(spec.origin).parent)
    digest = hashlib.sha256()
    for path in sorted({path for folder in folders for path in folder.rglob("*.py")}):
        digest.update(path.read_bytes())
    return digest.hexdigest()
