"""The images of a frame that the viewer shows: the frame, and layers to lay over it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from bddseg.data.image import encode_jpeg, read_image
from bddseg.data.label_set import LabelMapRef
from bddseg.data.probability import read_probability
from bddseg.errors import BddsegError
from bddseg.io.png import encode_png
from bddseg.report.frames import ReportFrame
from bddseg.tasks.task import Task
from bddseg.types import Color, Image, LabelMap, SizeHW
from bddseg.vis.error_map import COLORS, LEGEND, TRUE_POSITIVE, classify_pixels, overlay_outcome
from bddseg.vis.overlay import list_legend, overlay_labels

Kind = Literal["frame", "truth", "mask", "errors", "changes", "confidence"]

THUMBNAIL = "thumbnail"
_THUMBNAIL_WIDTH = 320
_QUALITY = 80
# Of pixels without errors, next to the errors' 255.
_CORRECT_OPACITY = 110
# What stands for a frame without an image.
_NO_IMAGE: Color = (52, 56, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An image of each frame.

    Attributes:
        key: Part of its file's name.
        kind: What it shows.
        label: What the viewer calls it.
        result: Index of the result that it belongs to.
    """

    key: str
    kind: Kind
    label: str
    result: int = 0

    @property
    def suffix(self) -> str:
        """Suffix of its files: what is laid over a frame is PNG with transparency."""
        return "jpg" if self.kind in ("frame", "confidence") else "png"


def name_results(number: int) -> list[str]:
    """Return the letters that results are called by: A, B and so on."""
    return [chr(ord("A") + index) for index in range(number)]


def list_layers(frames: Sequence[ReportFrame]) -> list[Layer]:
    """Return the layers that at least one frame has, in the order of the viewer."""
    letters = name_results(len(frames[0].predictions))
    has_truth = frames[0].ground_truth is not None
    everything = range(len(letters))
    confident = [i for i in everything if any(frame.probabilities[i] for frame in frames)]
    kinds: list[tuple[Kind, str, Sequence[int]]] = [
        ("mask", "Prediction", everything),
        ("errors", "Errors", everything if has_truth else ()),
        ("changes", "Changes A to", everything[1:]),
        ("confidence", "Confidence", confident),
    ]
    layers = [Layer(key="frame", kind="frame", label="Frame")]
    if has_truth:
        layers.append(Layer(key="truth", kind="truth", label="Ground truth"))
    return layers + [
        Layer(
            key=f"{kind}-{letters[index]}",
            kind=kind,
            label=f"{label} {letters[index]}",
            result=index,
        )
        for kind, label, indices in kinds
        for index in indices
    ]


def list_legends(task: Task) -> dict[str, list[tuple[Color, str]]]:
    """Return the colors of each kind of layer, with their meaning."""
    classes = [(color or (0, 0, 0), text) for color, text in list_legend(task)]
    changes = {1: "same class", 2: "only in A", 3: "only in the other", 4: "another class"}
    return {
        "truth": classes,
        "mask": classes,
        "errors": [(COLORS[kind], text.partition(":")[0]) for kind, text in LEGEND.items()],
        "changes": [(COLORS[kind], text) for kind, text in changes.items()],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameImages:
    """The images of a frame.

    Attributes:
        images: Bytes of each file, by the layer's key, with `THUMBNAIL`.
        note: Why the frame's own image is missing, or that masks were resized; or "".
    """

    images: dict[str, bytes]
    note: str = ""


def draw_frame(frame: ReportFrame, layers: Sequence[Layer], task: Task, width: int) -> FrameImages:
    """Return the images of a frame: those layers that it has.

    Args:
        frame: The frame. One that cannot be read is shown without its image, and noted.
        layers: All layers.
        task: Task of the masks.
        width: Width of the images in pixels, at most; they are as wide as the frame otherwise.

    Raises:
        BddsegError: a mask cannot be read.
    """
    image, note = None, ""
    if frame.image is not None:
        try:
            image = read_image(frame.image)
        except BddsegError as error:
            note = error.message
    masks = [_read(ref) for ref in (frame.ground_truth, *frame.predictions)]
    sizes = [each.shape[:2] for each in (image, *masks) if each is not None]
    size_hw = _fit(sizes[0] if sizes else task.frame_size_hw or (9, 16), width)
    if image is not None and len(set(sizes)) > 1:
        note = f"{frame.name}: the frame and its masks differ in size; masks were resized."
    resized = [None if each is None else _resize(each, size_hw) for each in masks]
    images = dict(_draw_layers(frame, layers, resized, size_hw, task))
    if image is not None:
        image = _shrink(image, size_hw)
        images["frame"] = encode_jpeg(image, quality=_QUALITY)
    images[THUMBNAIL] = _draw_thumbnail(image, resized, size_hw, task)
    return FrameImages(images=images, note=note)


def _draw_layers(
    frame: ReportFrame,
    layers: Sequence[Layer],
    masks: Sequence[LabelMap | None],
    size_hw: SizeHW,
    task: Task,
) -> Iterator[tuple[str, bytes]]:
    """Yield the layers but the frame's image.

    Args:
        frame: The frame.
        layers: All layers.
        masks: Its ground truth and its masks in each result, of one size.
        size_hw: That size.
        task: Task of the masks.
    """
    truth, *predictions = masks
    for layer in layers:
        mask = predictions[layer.result]
        path = frame.probabilities[layer.result]
        if layer.kind == "truth" and truth is not None:
            yield layer.key, _encode_mask(truth, task)
        elif layer.kind == "mask" and mask is not None:
            yield layer.key, _encode_mask(mask, task)
        elif layer.kind == "errors" and truth is not None and mask is not None:
            yield layer.key, _encode_outcome(classify_pixels(truth, mask, task))
        elif layer.kind == "changes" and predictions[0] is not None and mask is not None:
            yield layer.key, _encode_outcome(classify_pixels(predictions[0], mask, task))
        elif layer.kind == "confidence" and path is not None:
            levels = _shrink((read_probability(path) >> 8).astype(np.uint8), size_hw)
            colored = cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS)
            rgb = cv2.cvtColor(colored, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
            yield layer.key, encode_jpeg(rgb, quality=_QUALITY)


def _draw_thumbnail(
    image: Image | None, masks: Sequence[LabelMap | None], size_hw: SizeHW, task: Task
) -> bytes:
    """Return a small image of the first mask: its errors or, without ground truth, its classes."""
    size_hw = _fit(size_hw, _THUMBNAIL_WIDTH)
    small = (
        np.full((*size_hw, 3), _NO_IMAGE, np.uint8) if image is None else _shrink(image, size_hw)
    )
    truth, *predictions = (None if mask is None else _resize(mask, size_hw) for mask in masks)
    mask = next((mask for mask in predictions if mask is not None), None)
    if truth is not None and mask is not None:
        small = overlay_outcome(small, classify_pixels(truth, mask, task))
    elif (labels := truth if mask is None else mask) is not None:
        small = overlay_labels(small, labels, task)
    return encode_jpeg(small, quality=_QUALITY)


def _encode_mask(labels: LabelMap, task: Task) -> bytes:
    """Return labels as a PNG in the task's colors, in which black is transparent."""
    opacity = [255 if any(task.palette[3 * index : 3 * index + 3]) else 0 for index in range(256)]
    return encode_png(labels, task.palette, opacity)


def _encode_outcome(outcome: LabelMap) -> bytes:
    palette = [0] * 768
    for kind, color in COLORS.items():
        palette[3 * kind : 3 * kind + 3] = color
    opacity = [0, *(_CORRECT_OPACITY if kind == TRUE_POSITIVE else 255 for kind in COLORS)]
    return encode_png(outcome, palette, opacity)


def _read(ref: LabelMapRef | None) -> LabelMap | None:
    return ref.read() if ref else None


def _fit(size_hw: SizeHW, width: int) -> SizeHW:
    """Return a size with its aspect ratio and at most this width."""
    scale = min(1.0, width / size_hw[1])
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))


def _resize(labels: LabelMap, size_hw: SizeHW) -> LabelMap:
    if labels.shape == size_hw:
        return labels
    resized = cv2.resize(labels, size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.uint8, copy=False)


def _shrink(image: Image, size_hw: SizeHW) -> Image:
    if image.shape[:2] == size_hw:
        return image
    resized = cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False)
