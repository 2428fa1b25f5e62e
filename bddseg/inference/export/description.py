"""What an exported file takes and returns: `model.json`, and the entry for `bddseg infer`."""

from importlib.metadata import version
from typing import Any

import msgspec

from bddseg.inference.export.formats import Format
from bddseg.inference.export.graph import INPUT_NAME
from bddseg.inference.export.spec import ExportSpec
from bddseg.inference.run import describe_weights, list_versions
from bddseg.specs import Entry
from bddseg.tasks.task import get_task
from bddseg.types import SizeHW


def make_entry(spec: ExportSpec, size_hw: SizeHW, *, align_corners: bool) -> Entry:
    """Return the entry of the exported file, whose graph has the class maps and the crops."""
    original = spec.entry
    tasks = spec.tasks or (original.task,)
    preprocessing = original.preprocessing
    if not spec.is_dynamic:
        fixed: dict[str, Any] = {"size_hw": size_hw}
        if not preprocessing.has_fixed_size:
            # Around frames of another aspect ratio: the nearest grey level to the mean.
            fixed["pad_value"] = float(round(sum(preprocessing.mean) / 3))
        preprocessing = msgspec.structs.replace(preprocessing, **fixed)
    return msgspec.structs.replace(
        original,
        name=f"{original.short_name}_{spec.to}",
        task=tasks[0],
        extra_tasks=tasks[1:],
        runtime="onnx",
        architecture="",
        options={"outputs": {task: task for task in tasks}, "align_corners": align_corners},
        class_map=(),
        extra_class_maps={},
        preprocessing=preprocessing,
        sliding_window=None,
    )


def describe(
    spec: ExportSpec, form: Format, entry: Entry, size_hw: SizeHW | None, align_corners: bool
) -> dict[str, Any]:
    """Return the content of `model.json`."""
    weights = describe_weights(spec.weights)
    return {
        "model": spec.entry.name,
        "title": spec.entry.title,
        "format": spec.to,
        "file": form.files[0],
        "precision": spec.precision,
        "input": _describe_input(size_hw),
        "preprocessing": _describe_preprocessing(entry),
        "outputs": _describe_outputs(entry, labels=spec.with_argmax, align_corners=align_corners),
        # What `bddseg infer` does with labels afterwards, and neither file nor example does.
        "not_included": msgspec.to_builtins(entry.postprocessing),
        "weights": {
            "sha256": weights["sha256"],
            "size_bytes": weights["size_bytes"],
            "license": entry.license or "not stated by the publisher",
        },
        "versions": list_versions() | {name: version(name) for name in form.packages},
    }


def _describe_input(size_hw: SizeHW | None) -> dict[str, Any]:
    """Return the description of the file's input; of any size without `size_hw`."""
    return {
        "name": INPUT_NAME,
        "layout": "NCHW",
        "type": "float32",
        "shape": [1, 3, *(size_hw or ("height", "width"))],
    }


def _describe_preprocessing(entry: Entry) -> dict[str, Any]:
    """Return the description of what turns a frame into the file's input."""
    spec = entry.preprocessing
    if spec.pad_value is not None:
        resize = "letterbox: keep the aspect ratio, in the middle of size_hw, pad_value around it"
    elif spec.keep_ratio:
        resize = "fit: keep the aspect ratio, the edges within size_hw, sorted by length"
    else:
        resize = "stretch to size_hw"
    return {
        "channel_order": spec.channel_order,
        "pixels": "0 to 255",
        "resize": resize,
        "size_hw": list(spec.size_hw),
        "interpolation": "bilinear, not antialiased, half-pixel centers, as cv2.INTER_LINEAR",
        "interpolate_as": "uint8" if spec.round_pixels else "float32",
        "pad_value": spec.pad_value,
        "normalize": "(pixel - mean) / std * scale",
        "mean": list(spec.mean),
        "std": list(spec.std),
        "scale": spec.scale,
    }


def _describe_outputs(entry: Entry, *, labels: bool, align_corners: bool) -> list[dict[str, Any]]:
    """Return the description of each of the file's outputs."""
    outputs = []
    for name in (entry.task, *entry.extra_tasks):
        task = get_task(name)
        classes = [
            {"id": number, "name": each, "color_rgb": list(task.colors[number])}
            for number, each in enumerate(task.classes)
        ]
        how = (
            {"kind": "labels", "layout": "NHW", "type": "uint8", "not_finite": 255}
            if labels
            else {
                "kind": "logits",
                "layout": "NCHW",
                "type": "float32",
                "interpolation": "bilinear, to the frame's size, before argmax",
                "align_corners": align_corners,
            }
        )
        outputs.append({"name": name, **how, "size": "as the input", "classes": classes})
    return outputs
