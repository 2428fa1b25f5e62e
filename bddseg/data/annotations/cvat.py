"""XML of the annotation tool CVAT: "CVAT for images 1.1".

Definition: https://docs.cvat.ai/docs/other/xml_format. The runs of a mask go along the rows of its
box, the first one outside of the mask. Labels have to exist in CVAT's task, under the same names.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from bddseg.data.annotations.annotation_format import (
    AnnotationFormat,
    format_color,
    list_regions,
)
from bddseg.data.annotations.coco import find_box
from bddseg.data.annotations.polygons import trace_polygons
from bddseg.data.rle import count_runs
from bddseg.errors import BddsegError
from bddseg.io.atomic import open_atomically
from bddseg.types import BinaryMask, LabelMap

# Characters that XML 1.0 cannot have in any form.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class CvatFormat(AnnotationFormat[bytes]):
    """Writes CVAT's XML."""

    def encode(self, number: int, name: str, labels: LabelMap) -> bytes:
        """Return the element of an image.

        Raises:
            BddsegError: XML cannot have a character of the name.
        """
        if _NO_XML.search(name):
            raise BddsegError(f"XML cannot have the name {name!r}.", "Rename the file.")
        height, width = labels.shape
        image = _make_element(
            "image", id=number - 1, name=self.make_image_name(name), width=width, height=height
        )
        for class_id, mask in list_regions(labels, self.task):
            label = self.task.classes[class_id]
            image.extend(
                _make_element(kind, label=label, source="auto", occluded=0, z_order=0, **shape)
                for kind, shape in self._list_shapes(mask)
            )
        ET.indent(image, level=1)
        return _to_bytes(image)

    def write(self, path: Path, frames: Iterable[bytes]) -> None:
        """Write a file; see `AnnotationFormat.write`."""
        meta = ET.Element("meta")
        labels = ET.SubElement(ET.SubElement(meta, "task"), "labels")
        for class_id, name in enumerate(self.task.foreground):
            label = ET.SubElement(labels, "label")
            ET.SubElement(label, "name").text = name
            ET.SubElement(label, "color").text = format_color(self.task, class_id)
            ET.SubElement(label, "type").text = "mask" if self.tolerance is None else "polygon"
            ET.SubElement(label, "attributes")
        ET.indent(meta, level=1)
        with open_atomically(path) as file:
            file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
            file.write(b"  <version>1.1</version>\n" + _to_bytes(meta))
            file.writelines(frames)
            file.write(b"</annotations>\n")

    def _list_shapes(self, mask: BinaryMask) -> Iterable[tuple[str, dict[str, str | int]]]:
        if self.tolerance is None:
            left, top, width, height = find_box(mask)
            runs = count_runs(mask[top : top + height, left : left + width].ravel())
            box = {"left": left, "top": top, "width": width, "height": height}
            yield "mask", {"rle": ", ".join(map(str, runs.tolist())), **box}
            return
        for polygon in trace_polygons(mask, self.tolerance):
            yield "polygon", {"points": ";".join(f"{x},{y}" for x, y in polygon.tolist())}


def _to_bytes(element: ET.Element) -> bytes:
    text: str = ET.tostring(element, "unicode")
    return f"  {text}\n".encode()


def _make_element(kind: str, **attributes: str | int) -> ET.Element:
    return ET.Element(kind, {name: str(value) for name, value in attributes.items()})
