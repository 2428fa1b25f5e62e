"""COCO's JSON: one region for each class of a frame, as in COCO-Stuff.

The format is "Stuff Segmentation" of https://cocodataset.org/#format-data: that of object
detection, with `iscrowd` 0. pycocotools, Detectron2, FiftyOne (`COCODetectionDataset`) and CVAT
("COCO 1.0") read it. COCO's panoptic format adds nothing here: without instances, its PNG files
are our masks.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from bddseg.data.annotations.annotation_format import AnnotationFormat, list_regions
from bddseg.data.annotations.polygons import trace_polygons
from bddseg.data.rle import encode_rle
from bddseg.data.scalabel import Rle
from bddseg.io.atomic import open_atomically
from bddseg.types import BinaryMask, LabelMap


class CocoImage(msgspec.Struct):
    """An image; the size is in pixels."""

    id: int
    file_name: str
    width: int
    height: int


class CocoAnnotation(msgspec.Struct):
    """A region: its area in pixels, its box as (x, y, width, height)."""

    id: int
    image_id: int
    category_id: int
    segmentation: Rle | list[list[int]]
    area: int
    bbox: tuple[int, int, int, int]
    iscrowd: int = 0


class CocoCategory(msgspec.Struct):
    """A class; its id is the class id plus 1, because 0 is reserved."""

    id: int
    name: str
    color: tuple[int, int, int]
    supercategory: str
    isthing: int = 0


# An image, and its annotations as JSON.
CocoFrame = tuple[CocoImage, list[bytes]]


class CocoFormat(AnnotationFormat[CocoFrame]):
    """Writes COCO's JSON."""

    def encode(self, number: int, name: str, labels: LabelMap) -> CocoFrame:
        """Return the image and its annotations."""
        height, width = labels.shape
        # The encoding runs along columns: they are made contiguous once for all classes.
        columns = labels if self.tolerance is not None else np.asfortranarray(labels)
        annotations = [
            CocoAnnotation(
                id=(number - 1) * self.task.num_classes + class_id + 1,
                image_id=number,
                category_id=class_id + 1,
                segmentation=self._encode_mask(mask),
                area=int(np.count_nonzero(mask)),
                bbox=find_box(mask),
            )
            for class_id, mask in list_regions(columns, self.task)
        ]
        image = CocoImage(number, self.make_image_name(name), width, height)
        return image, [msgspec.json.encode(each) for each in annotations]

    def write(self, path: Path, frames: Iterable[CocoFrame]) -> None:
        """Write a file; see `AnnotationFormat.write`."""
        images, separator = [], b"\n"
        with open_atomically(path) as file:
            file.write(b'{"annotations":[')
            for image, annotations in frames:
                images.append(image)
                for each in annotations:
                    file.write(separator + each)
                    separator = b",\n"
            file.write(b'],\n"images":' + msgspec.json.encode(images))
            file.write(b',\n"categories":' + msgspec.json.encode(self._list_categories()) + b"}\n")

    def _encode_mask(self, mask: BinaryMask) -> Rle | list[list[int]]:
        if self.tolerance is None:
            height, width = mask.shape
            return Rle(encode_rle(mask), (height, width))
        return [each.ravel().tolist() for each in trace_polygons(mask, self.tolerance)]

    def _list_categories(self) -> list[CocoCategory]:
        return [
            CocoCategory(class_id + 1, name, self.task.colors[class_id], self.task.name)
            for class_id, name in enumerate(self.task.foreground)
        ]


def find_box(mask: BinaryMask) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what is True in a mask that is not empty."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1
