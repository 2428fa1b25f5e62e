"""Exported folders: run without bddseg, they give the labels that bddseg gives."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
import torch
from support import read_demo_frame, write_tiny_model

import bddseg
from bddseg.data.image import write_jpeg
from bddseg.data.mask import read_mask
from bddseg.errors import BddsegError
from bddseg.inference.export.graph import FullSizeNetwork, to_onnx, trace
from bddseg.inference.export.parity import ExportedRuntime
from bddseg.inference.export.spec import Exported, FrameParity, Parity
from bddseg.inference.sliding_window import compute_logits
from bddseg.specs import Entry, SlidingWindow
from bddseg.testing.seeded_weights import make_seeded_images
from bddseg.types import Image, LabelMap
from bddseg.zoo.catalog import read_entry

# Runs a program as on a machine without bddseg.
_WITHOUT = """
import runpy, sys
sys.modules["bddseg"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Preprocessing of each kind: the changes of the entry's, and keywords of `export`.
_CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "stretch": ({"keep_ratio": False, "channel_order": "BGR", "scale": 1 / 255}, {}),
    "letterbox": ({"pad_value": 114.0, "round_pixels": True, "size_hw": (64, 64)}, {}),
    "aligned": ({}, {"align_corners": True}),
    "openvino": ({}, {"to": "openvino"}),
    "pt2 of any size": ({}, {"to": "pt2", "size": "dynamic"}),
    "labels": ({}, {"to": "pt2", "with_argmax": True}),
}


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """A small model whose masks hold several classes."""
    return read_entry(write_tiny_model(tmp_path_factory.mktemp("tiny"), spread=True))


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frame") / "street.jpg"
    write_jpeg(path, np.ascontiguousarray(read_demo_frame(2).frame[::4, ::4]))
    return path


def change(entry: Entry, preprocessing: dict[str, Any], align_corners: bool = False) -> Entry:
    changed = msgspec.structs.replace(entry.preprocessing, **preprocessing)
    options = entry.options | {"align_corners": align_corners}
    return msgspec.structs.replace(entry, preprocessing=changed, options=options)


def run_example(folder: Path, frame: Path) -> LabelMap:
    mask = folder / "mask.png"
    command = [sys.executable, "-c", _WITHOUT, *map(str, (folder / "example.py", frame, mask))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return read_mask(mask)


@pytest.mark.parametrize("case", _CASES)
def test_the_example_gives_our_labels_without_bddseg(
    entry: Entry, frame: Path, tmp_path: Path, case: str
) -> None:
    preprocessing, options = _CASES[case]
    keywords = dict(options)
    changed = change(entry, preprocessing, keywords.pop("align_corners", False))
    exported = bddseg.export(changed, tmp_path, frames=frame, **keywords)
    assert exported.parity.equal >= 0.999
    expected = bddseg.load_model(changed)(frame).labels
    assert len(np.unique(expected)) > 1
    labels = run_example(tmp_path, frame)
    if "with_argmax" in keywords:
        # These are enlarged, where ours come from logits that are.
        (row,) = exported.parity.frames
        assert (labels == expected).mean() == pytest.approx(row.equal_at_frame_size)
    else:
        assert (labels == expected).mean() >= 0.999


def test_the_example_says_what_it_takes(entry: Entry, frame: Path, tmp_path: Path) -> None:
    bddseg.export(entry, tmp_path, frames=frame)
    command = [sys.executable, str(tmp_path / "example.py"), str(frame)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "python example.py FRAME MASK.png" in done.stderr
    assert "Traceback" not in done.stderr


def test_infer_runs_the_exported_entry(entry: Entry, frame: Path, tmp_path: Path) -> None:
    mapped = msgspec.structs.replace(entry, class_map=(2, 0, 1))
    bddseg.export(mapped, tmp_path, frames=frame)
    expected = bddseg.load_model(mapped)(frame).labels
    np.testing.assert_array_equal(
        bddseg.load_model(tmp_path / "entry.toml")(frame).labels, expected
    )


def test_the_description_says_what_the_file_takes_and_returns(
    entry: Entry, frame: Path, tmp_path: Path
) -> None:
    exported = bddseg.export(entry, tmp_path, frames=frame, size=(48, 80))
    content = json.loads((tmp_path / "model.json").read_text())
    session = onnxruntime.InferenceSession(tmp_path / content["file"])
    (inputs,), (output,) = session.get_inputs(), session.get_outputs()
    assert (inputs.name, inputs.shape) == (content["input"]["name"], [1, 3, 48, 80])
    assert content["input"]["shape"] == inputs.shape
    assert output.name == content["outputs"][0]["name"] == "drivable"
    assert [each["name"] for each in content["outputs"][0]["classes"]] == [
        "direct",
        "alternative",
        "background",
    ]
    assert content["weights"]["license"] == "not stated by the publisher"
    assert exported.size_hw == (48, 80)
    assert content["files"] == list(exported.files)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(exported.files)


def test_crops_are_part_of_the_graph(entry: Entry) -> None:
    window = SlidingWindow(crop_hw=(64, 64), stride_hw=(48, 40))
    images = make_seeded_images(64, 150)
    model = bddseg.load_model(entry)
    network = model.runtime.network  # type: ignore[attr-defined]
    program = trace(FullSizeNetwork(network, {"drivable": ()}, window=window).eval(), (64, 150))
    session = onnxruntime.InferenceSession(to_onnx(program, ["drivable"]))
    (found,) = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        expected = compute_logits(model.runtime, images, window)["drivable"]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4 * float(expected.std()))


def test_labels_of_logits_that_are_not_finite_are_255(entry: Entry) -> None:
    network = bddseg.load_model(entry).runtime.network  # type: ignore[attr-defined]
    module = FullSizeNetwork(network, {"drivable": ()}, labels=True).eval()
    session = onnxruntime.InferenceSession(to_onnx(trace(module, (64, 96)), ["drivable"]))
    images = make_seeded_images(64, 96).numpy()
    assert session.run(None, {"images": images})[0].max() <= 2
    images[0, 0, 5, 5] = np.nan
    assert (session.run(None, {"images": images})[0] == 255).all()


@pytest.mark.parametrize(
    ("changes", "keywords", "message"),
    [
        ({"runtime": "onnx", "architecture": ""}, {}, "is in a file already"),
        (
            {"sliding_window": SlidingWindow(crop_hw=(64, 64), stride_hw=(48, 48))},
            {"size": "dynamic"},
            "runs on crops",
        ),
        ({}, {"to": "tflite"}, "no export format named 'tflite'"),
        ({}, {"tasks": ["sem_seg"]}, "does not predict the task 'sem_seg'"),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(
    entry: Entry,
    frame: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    keywords: dict[str, Any],
    message: str,
) -> None:
    wrong = msgspec.structs.replace(entry, **changes)
    with pytest.raises(BddsegError, match=message):
        bddseg.export(wrong, tmp_path / "out", frames=frame, **keywords)
    assert not list((tmp_path / "out").glob("*"))


def test_labels_that_differ_are_an_error_that_names_the_share(tmp_path: Path) -> None:
    row = FrameParity(
        name="a", task="drivable", equal=0.98764, equal_at_frame_size=0.9, max_difference=None
    )
    parity = Parity(
        frames=(row,), other_sizes={}, num_classes_seen=2, torch_ms=1.0, exported_ms=1.0
    )
    exported = Exported(out=tmp_path, files=("model.onnx",), size_hw=None, parity=parity)
    with pytest.raises(BddsegError, match=r"Only 98\.764%.*--min-equal 98\.7") as caught:
        exported.check(0.999)
    assert "parity.json" in caught.value.message
    exported.check(0.987)


def test_a_size_that_a_file_cannot_do_is_an_error_that_names_it() -> None:
    def fail(_images: Image) -> list[Image]:
        raise RuntimeError("indices out of bounds\nand more")

    def round_up(_images: Image) -> list[Image]:
        return [np.zeros((1, 3, 8, 8), np.uint8)]

    for run, message in ((fail, "indices out of bounds"), (round_up, r"the shape \[1, 3, 8, 8\]")):
        graph = ExportedRuntime(run, ["drivable"], align_corners=False)
        with pytest.raises(BddsegError, match=rf"input of 3x5 pixels .*{message} Export"):
            graph.infer(torch.zeros(1, 3, 3, 5))
