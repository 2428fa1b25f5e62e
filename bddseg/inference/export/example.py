"""The example beside an exported file: runs it without bddseg, and gives the same labels."""

from bddseg.inference.export.formats import Format
from bddseg.specs import Preprocessing


def write_example(
    form: Format, preprocessing: Preprocessing, *, labels: bool, align_corners: bool
) -> str:
    """Return the code of a program that runs an exported file on one frame.

    Args:
        form: The file's format.
        preprocessing: That of the model; only the parts that it needs are in the code.
        labels: The file returns class ids instead of logits.
        align_corners: How its logits are interpolated.
    """
    if preprocessing.pad_value is not None:
        place = _LETTERBOX
    else:
        place = _FIT if preprocessing.keep_ratio else _STRETCH
    parts = {
        "REQUIREMENTS": form.requirements,
        "IMPORT": f"import {form.requirements.partition(' ')[0]}",
        "OPEN": form.example,
        "PLACE": place,
        "BGR_TO_INPUT": "frame[..., ::-1]" if preprocessing.channel_order == "RGB" else "frame",
        "PIXELS": "image" if preprocessing.round_pixels else "image.astype(np.float32)",
        "FIND_LABELS": _LABELS if labels else _LOGITS_CORNERS if align_corners else _LOGITS,
        "ENLARGE": _ENLARGE if align_corners and not labels else "",
    }
    text = _PROGRAM
    for name, code in parts.items():
        text = text.replace(f"<{name}>", code)
    return text


_PROGRAM = '''\
"""Run this model on a frame, without bddseg: python example.py FRAME MASK.png [TASK]

Needs numpy, opencv-python-headless and <REQUIREMENTS>.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
<IMPORT>

FOLDER = Path(__file__).resolve().parent
MODEL = json.loads((FOLDER / "model.json").read_text())
<OPEN>


def preprocess(frame):
    """BGR (H, W, 3), uint8 -> input (1, 3, h, w), float32; the rows and columns of the frame."""
    spec = MODEL["preprocessing"]
    height, width = frame.shape[:2]
    <PLACE>
    image = np.ascontiguousarray(<BGR_TO_INPUT>)
    image = cv2.resize(<PIXELS>, (w, h), interpolation=cv2.INTER_LINEAR)
    full = np.full((*input_hw, 3), spec["pad_value"] or 0, np.float32)
    top, left = (input_hw[0] - h) // 2, (input_hw[1] - w) // 2
    rows, columns = slice(top, top + h), slice(left, left + w)
    full[rows, columns] = image
    mean, std = np.float32(spec["mean"]), np.float32(spec["std"])
    full = (full - mean) * (np.float32(spec["scale"]) / std)
    return np.ascontiguousarray(full.transpose(2, 0, 1)[None]), rows, columns
<ENLARGE>

def segment(frame, task):
    """BGR (H, W, 3), uint8 -> class ids (H, W), uint8."""
    height, width = frame.shape[:2]
    inputs, rows, columns = preprocess(frame)
    number = [output["name"] for output in MODEL["outputs"]].index(task)
<FIND_LABELS>


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    frame = cv2.imread(sys.argv[1])
    if frame is None:
        sys.exit(f"{sys.argv[1]} cannot be read as an image.")
    task = sys.argv[3] if len(sys.argv) > 3 else MODEL["outputs"][0]["name"]
    if not cv2.imwrite(sys.argv[2], segment(frame, task)):
        sys.exit(f"{sys.argv[2]} cannot be written.")
'''
_STRETCH = """\
h, w = input_hw = spec["size_hw"]"""
_LETTERBOX = """\
input_hw = spec["size_hw"]
    ratio = min(input_hw[0] / height, input_hw[1] / width)
    h, w = (max(int(edge * ratio + 0.5), 1) for edge in (height, width))"""
_FIT = """\
bounds, edges = sorted(spec["size_hw"]), sorted((height, width))
    ratio = min(bounds[1] / edges[1], bounds[0] / edges[0])
    h, w = input_hw = [max(int(edge * ratio + 0.5), 1) for edge in (height, width)]"""
_CHECK = """\
    logits = run(inputs)[number][0][:, rows, columns]
    if not np.isfinite(logits.sum()):
        sys.exit("The logits are not finite numbers.")
"""
_LOGITS = f"""{_CHECK}\
    logits = logits.transpose(1, 2, 0)
    logits = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    return logits.argmax(axis=2).astype(np.uint8)"""
_LOGITS_CORNERS = f"""{_CHECK}\
    return enlarge(logits, (height, width)).argmax(axis=0).astype(np.uint8)"""
_LABELS = """\
    labels = run(inputs)[number][0][rows, columns]
    if labels[0, 0] == 255:
        sys.exit("The logits are not finite numbers.")
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)"""
_ENLARGE = '''

def enlarge(maps, size_hw):
    """Interpolate (K, h, w) bilinearly to (K, *size_hw); the corners keep their values."""
    for axis, size in ((1, size_hw[0]), (2, size_hw[1])):
        position = np.linspace(0, maps.shape[axis] - 1, size)
        low = np.clip(position.astype(int), 0, max(maps.shape[axis] - 2, 0))
        high = np.minimum(low + 1, maps.shape[axis] - 1)
        share = (position - low).astype(np.float32).reshape((-1, 1) if axis == 1 else -1)
        maps = maps.take(low, axis) * (1 - share) + maps.take(high, axis) * share
    return maps
'''
