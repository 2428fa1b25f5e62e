"""The cache of exported graphs: ONNX files, each with a JSON file that says what it is.

It is the folder `graphs` of the cache. The name of a graph contains a key of all that it depends
on, so that a graph of other weights or another version is never used in its place. Those that were
not used for longest are deleted where all together become too large.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from bddseg.io.atomic import write_atomically
from bddseg.types import SizeHW
from bddseg.zoo.cache import get_cache_folder

LIMIT_BYTES = 4 * 10**9
# Folder of what TensorRT builds of them, in the same folder.
ENGINES = "tensorrt"


class Comparison(msgspec.Struct, frozen=True):
    """A graph in OpenVINO, compared with torch on the first image.

    Attributes:
        parity: Share of pixels whose labels are torch's.
        speedup: Torch's time over OpenVINO's.
    """

    parity: float
    speedup: float


class GraphInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an exported graph is: the JSON beside it.

    Attributes:
        model: Name of the entry.
        size_hw: Size of its input.
        sha256: SHA-256 of the file.
        size_bytes: Size of the file.
        align_corners: How its network's logits are interpolated.
        comparisons: Those with torch, by version of OpenVINO, processor and precision.
        failure: Why it could not be exported: then there is no file.
    """

    model: str
    size_hw: SizeHW
    sha256: str
    size_bytes: int
    align_corners: bool
    comparisons: dict[str, Comparison] = {}
    failure: str = ""


class CachedGraph(NamedTuple):
    """A graph in the cache.

    Attributes:
        path: Path of the file.
        size_bytes: Size of the file.
        used_s: When it was used last, in seconds since 1970.
    """

    path: Path
    size_bytes: int
    used_s: float


def get_folder() -> Path:
    """Return the folder of exported graphs, whether it is there or not."""
    return get_cache_folder() / "graphs"


def get_path(prefix: str, size_hw: SizeHW) -> Path:
    """Return the path of a graph, whether it is there or not."""
    return get_folder() / f"{prefix}{size_hw[0]}x{size_hw[1]}.onnx"


def read_graph(path: Path) -> bytes | None:
    """Return a graph, and note that it was used; None if it is missing or damaged."""
    info = read_info(path)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if info is None or hashlib.sha256(content).hexdigest() != info.sha256:
        return None
    with suppress(OSError):
        os.utime(path)
    return content


def read_info(path: Path) -> GraphInfo | None:
    """Return what a graph is; None if that is missing or damaged."""
    try:
        return msgspec.json.decode(_get_info_path(path).read_bytes(), type=GraphInfo)
    except (OSError, UnicodeError, msgspec.DecodeError):
        return None


def store_graph(path: Path, content: bytes, info: GraphInfo) -> None:
    """Write a graph, then delete those unused for longest until all fit into the limit.

    Raises:
        BddsegError: it cannot be written.
    """
    # Without the old description: a new file never has that of another.
    _get_info_path(path).unlink(missing_ok=True)
    write_atomically(path, content)
    write_info(path, info)
    # The newest first.
    total = 0
    for graph in sorted(list_graphs(), key=lambda graph: -graph.used_s):
        total += graph.size_bytes
        if total > LIMIT_BYTES and graph.path != path:
            remove_graph(graph.path)


def write_info(path: Path, info: GraphInfo) -> None:
    """Write what a graph is.

    Raises:
        BddsegError: it cannot be written.
    """
    write_atomically(_get_info_path(path), msgspec.json.format(msgspec.json.encode(info)) + b"\n")


def list_graphs(prefix: str = "") -> Iterator[CachedGraph]:
    """Yield the cached graphs whose names begin so, by name."""
    for path in sorted(get_folder().glob("*.onnx")):
        # Another process may be deleting it.
        with suppress(OSError):
            stat = path.stat()
            if path.name.startswith(prefix):
                yield CachedGraph(path, stat.st_size, stat.st_mtime)


def list_failures() -> list[Path]:
    """Return the paths that graphs would have that could not be exported."""
    paths = [path.with_suffix(".onnx") for path in sorted(get_folder().glob("*.json"))]
    return [path for path in paths if (info := read_info(path)) and info.failure]


def remove_graph(path: Path) -> None:
    """Delete a graph, what describes it, and the lock of a process that was killed."""
    for each in (_get_info_path(path), path, path.with_suffix(".lock")):
        each.unlink(missing_ok=True)


def _get_info_path(path: Path) -> Path:
    return path.with_suffix(".json")
