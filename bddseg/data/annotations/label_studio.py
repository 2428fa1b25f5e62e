"""Tasks of the annotation tool Label Studio, with regions as predictions, which users correct.

Definitions: https://labelstud.io/guide/predictions, https://labelstud.io/tags/brushlabels and
https://labelstud.io/tags/polygonlabels. Label Studio's own package has an encoder of masks, and
requires 20 other packages.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec
import numpy as np

from bddseg.data.annotations.annotation_format import (
    AnnotationFormat,
    format_color,
    list_regions,
)
from bddseg.data.annotations.polygons import trace_polygons
from bddseg.data.rle import count_runs
from bddseg.io.atomic import open_atomically, write_atomically
from bddseg.types import BinaryMask, LabelMap

# Names in the labeling interface, which results refer to.
_LABELS, _IMAGE = "label", "image"
# Of the format of masks: bits of a value, and the numbers of bits that a length can have, of which
# the last one is used.
_VALUE_BITS, _LENGTH_BITS = 8, (3, 4, 8, 16)
_MAX_LENGTH = 1 << _LENGTH_BITS[-1]


class LabelStudioFormat(AnnotationFormat[bytes]):
    """Writes tasks as JSON, and beside them the labeling interface as XML.

    Images are named as Label Studio's local storage does; `image_name` can be a URL.
    """

    image_name = "/data/local-files/?d={name}.jpg"

    @property
    def _kind(self) -> str:
        return "brush" if self.tolerance is None else "polygon"

    def encode(self, number: int, name: str, labels: LabelMap) -> bytes:
        """Return the task of an image."""
        del number
        height, width = labels.shape
        frame = {"original_width": width, "original_height": height, "image_rotation": 0}
        names = {"from_name": _LABELS, "to_name": _IMAGE, "type": f"{self._kind}labels"}
        results: list[dict[str, Any]] = []
        for class_id, mask in list_regions(labels, self.task):
            label = {f"{self._kind}labels": [self.task.classes[class_id]]}
            results += [
                {"id": f"{class_id}-{index}", **names, **frame, "value": {**shape, **label}}
                for index, shape in enumerate(self._list_shapes(mask))
            ]
        data = {"image": self.make_image_name(quote(name.encode(errors="surrogateescape")))}
        predictions = [{"model_version": "bddseg", "result": results}]
        return msgspec.json.encode({"data": data, "predictions": predictions})

    def write(self, path: Path, frames: Iterable[bytes]) -> None:
        """Write both files; see `AnnotationFormat.write`."""
        with open_atomically(path) as file:
            separator = b"[\n"
            for frame in frames:
                file.write(separator + frame)
                separator = b",\n"
            file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")
        write_atomically(path.with_suffix(".xml"), self._make_interface())

    def list_files(self, path: Path) -> list[Path]:
        """Return the file of tasks and that of the labeling interface."""
        return [path, path.with_suffix(".xml")]

    def _list_shapes(self, mask: BinaryMask) -> Iterable[dict[str, Any]]:
        if self.tolerance is None:
            yield {"format": "rle", "rle": encode_brush(mask)}
            return
        height, width = mask.shape
        for polygon in trace_polygons(mask, self.tolerance):
            percent = polygon * 100 / np.array([width, height])
            yield {"points": percent.tolist(), "closed": True}

    def _make_interface(self) -> bytes:
        view = ET.Element("View")
        ET.SubElement(view, "Image", name=_IMAGE, value="$image")
        tag = f"{self._kind.title()}Labels"
        labels = ET.SubElement(view, tag, name=_LABELS, toName=_IMAGE)
        for class_id, name in enumerate(self.task.foreground):
            ET.SubElement(labels, "Label", value=name, background=format_color(self.task, class_id))
        ET.indent(view)
        text: str = ET.tostring(view, "unicode")
        return f"{text}\n".encode()


def encode_brush(mask: BinaryMask) -> list[int]:
    """Return a mask, (H, W), bool, as bytes of Label Studio's format of brushes.

    The mask becomes an image of four channels, 0 or 255, whose values are encoded as by the package
    rle-pack of https://thi.ng/umbrella: their number in 32 bits, the bits of a value less 1 in 5,
    the bits of each of four lengths less 1 in 4; then for each run a bit 1, which of the lengths in
    2 bits, the length less 1, and the value.
    """
    runs = 4 * count_runs(mask.ravel())
    # Runs that are longer than a length can be are split.
    parts = -(-runs // _MAX_LENGTH)
    values = np.repeat(np.arange(runs.size) % 2 * 255, parts)
    lengths = np.full(parts.sum(), _MAX_LENGTH)
    lengths[np.cumsum(parts)[parts > 0] - 1] = (runs[parts > 0] - 1) % _MAX_LENGTH + 1
    header = [_to_bits(4 * mask.size, 32), _to_bits(_VALUE_BITS - 1, 5)]
    header += [_to_bits(each - 1, 4) for each in _LENGTH_BITS]
    words = 0b111 << _LENGTH_BITS[-1] | lengths - 1
    body = _to_bits(words << _VALUE_BITS | values, 3 + _LENGTH_BITS[-1] + _VALUE_BITS)
    encoded: list[int] = np.packbits(np.concatenate([*header, body])).tolist()
    return encoded


def _to_bits(numbers: Any, count: int) -> Any:
    """Return the lowest bits of integers, from the highest to the lowest, (N * count,), uint8."""
    shifts = np.arange(count - 1, -1, -1)
    return (np.atleast_1d(numbers)[:, None] >> shifts & 1).astype(np.uint8).ravel()
