"""`bddseg labels convert --to coco|cvat|labelstudio|cityscapes`: read back, it is the same."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from label_files import Scenes, draw_scenes, write_scenes
from support import Run

from bddseg.data.mask import read_mask, write_mask
from bddseg.types import LabelMap

NAMES = {"coco": "a.json", "labelstudio": "a.json", "cvat": "a.xml"}


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    scenes = draw_scenes()
    ignored = scenes["scene1"].copy()
    ignored[300:310], ignored[600:620, 600:700] = 255, 2
    return {**scenes, "scene1": ignored, "empty": np.full((72, 128), 2, np.uint8)}


def convert(run: Run, folder: Path, scenes: Scenes, target: str, *options: object) -> Path:
    masks, out = write_scenes(folder / "masks", scenes, "current"), folder / NAMES[target]
    code, text, err = run("labels", "convert", masks, "-o", out, "--to", target, *options)
    assert (code, text) == (0, f"5 label maps written to {out}, converted from current.\n"), err
    return out


def fill(labels: LabelMap) -> LabelMap:
    """Return a label map with ignored pixels as background: neither has regions."""
    return np.where(labels == 255, 2, labels).astype(np.uint8)


@pytest.mark.parametrize("tolerance", [[], ["--tolerance", "0"]])
def test_pycocotools_reads_the_same_masks_from_coco(
    scenes: Scenes, tmp_path: Path, run: Run, tolerance: list[str]
) -> None:
    coco_api = pytest.importorskip("pycocotools.coco", reason="needs the bdd100k extra")
    coco = coco_api.COCO(str(convert(run, tmp_path, scenes, "coco", *tolerance)))
    categories = {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())}
    assert categories == {1: "direct", 2: "alternative"}
    assert coco.cats[1]["color"] == [219, 94, 86]
    assert len(set(coco.getAnnIds())) == len(coco.dataset["annotations"]) == 8
    for image in coco.loadImgs(coco.getImgIds()):
        expected = fill(scenes[Path(image["file_name"]).stem])
        assert image["file_name"].startswith("sub/")
        labels = np.full((image["height"], image["width"]), 2, np.uint8)
        for each in coco.loadAnns(coco.getAnnIds(image["id"])):
            mask = coco.annToMask(each).astype(bool)
            labels[mask] = each["category_id"] - 1
            rows, columns = np.nonzero(mask)
            left, top = columns.min(), rows.min()
            box = [left, top, columns.max() - left + 1, rows.max() - top + 1]
            assert (each["area"], each["bbox"], each["iscrowd"]) == (mask.sum(), box, 0)
        assert np.array_equal(labels, expected)


def test_cvat_has_masks_by_row_in_boxes(scenes: Scenes, tmp_path: Path, run: Run) -> None:
    root = ET.parse(convert(run, tmp_path, scenes, "cvat")).getroot()
    assert root.findtext("version") == "1.1"
    labels = [
        (each.findtext("name"), each.findtext("color"))
        for each in root.iterfind("meta/task/labels/label")
    ]
    assert labels == [("direct", "#db5e56"), ("alternative", "#56d3db")]
    images = root.findall("image")
    assert [image.get("id") for image in images] == list("01234")
    for image in images:
        size_hw = (int(image.attrib["height"]), int(image.attrib["width"]))
        found = np.full(size_hw, 2, np.uint8)
        for mask in image.iterfind("mask"):
            left, top, width, height = (
                int(mask.attrib[name]) for name in ("left", "top", "width", "height")
            )
            runs = [int(run) for run in mask.attrib["rle"].split(",")]
            inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
            class_id = ["direct", "alternative"].index(mask.attrib["label"])
            found[top : top + height, left : left + width][inside] = class_id
        assert np.array_equal(found, fill(scenes[Path(image.attrib["name"]).stem]))


def test_cvat_and_label_studio_have_the_same_polygons(
    scenes: Scenes, tmp_path: Path, run: Run
) -> None:
    options = ("--tolerance", 2, "--image-name", "https://x.example/{name}.png")
    root = ET.parse(convert(run, tmp_path, scenes, "cvat", *options)).getroot()
    masks, file = tmp_path / "masks", tmp_path / "tasks.json"
    code = run("labels", "convert", masks, "-o", file, "--to", "labelstudio", *options)[0]
    assert code == 0
    images, tasks = root.findall("image"), json.loads(file.read_text())
    assert sum(len(image) for image in images) >= 8
    for image, task in zip(images, tasks, strict=True):
        assert image.get("name") == task["data"]["image"]
        assert task["data"]["image"].startswith("https://x.example/sub/")
        size = np.array([int(image.attrib["width"]), int(image.attrib["height"])])
        results: list[dict[str, Any]] = task["predictions"][0]["result"]
        for polygon, result in zip(image, results, strict=True):
            points = [pair.split(",") for pair in polygon.attrib["points"].split(";")]
            assert result["value"]["polygonlabels"] == [polygon.attrib["label"]]
            percent = np.array(result["value"]["points"])
            assert np.allclose(percent * size / 100, np.array(points, float), atol=1e-9)
            assert [result["original_width"], result["original_height"]] == size.tolist()
    assert "<PolygonLabels" in file.with_suffix(".xml").read_text()


def test_label_studio_gets_tasks_and_the_interface_that_they_refer_to(
    scenes: Scenes, tmp_path: Path, run: Run
) -> None:
    odd = {f"{name} ä&b": labels for name, labels in scenes.items()}
    file = convert(run, tmp_path, odd, "labelstudio")
    tasks, view = json.loads(file.read_text()), ET.parse(file.with_suffix(".xml")).getroot()
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=sub/empty%20%C3%A4%26b.jpg"
    assert tasks[0]["predictions"][0]["result"] == []
    labels = view.find("BrushLabels")
    assert labels is not None
    assert [each.attrib for each in labels] == [
        {"value": "direct", "background": "#db5e56"},
        {"value": "alternative", "background": "#56d3db"},
    ]
    results = [each for task in tasks for each in task["predictions"][0]["result"]]
    assert len(results) == 8
    for each in results:
        assert (each["from_name"], each["to_name"]) == (labels.get("name"), labels.get("toName"))
        assert (each["type"], each["value"]["format"]) == ("brushlabels", "rle")


def test_masks_become_ids_of_cityscapes(scenes: Scenes, tmp_path: Path, run: Run) -> None:
    masks, out = write_scenes(tmp_path / "masks", scenes, "current"), tmp_path / "out"
    assert run("labels", "convert", masks, "-o", out, "--to", "cityscapes-train")[0] == 0
    expected = np.where(scenes["scene1"] < 2, 0, 255)
    assert np.array_equal(read_mask(out / "sub" / "scene1.png"), expected)


@pytest.mark.parametrize("target", sorted(NAMES))
def test_no_file_is_replaced_without_overwrite(
    scenes: Scenes, tmp_path: Path, run: Run, target: str
) -> None:
    out = convert(run, tmp_path, scenes, target)
    # The labeling interface, too.
    existing = out.with_suffix(".xml")
    out.unlink()
    existing.write_text("mine")
    other = existing if target != "coco" else out
    other.write_text("mine")
    command = ("labels", "convert", tmp_path / "masks", "-o", out, "--to", target)
    code, _, err = run(*command)
    assert (code, other.read_text()) == (1, "mine")
    assert f"{other.name} exists already" in err
    assert run(*command, "--overwrite")[0] == 0
    assert other.read_text() != "mine"


def test_a_mask_that_cannot_be_read_is_left_out(scenes: Scenes, tmp_path: Path, run: Run) -> None:
    masks, out = write_scenes(tmp_path / "masks", scenes, "current"), tmp_path / "a.json"
    write_mask(masks / "odd.png", np.full((8, 8), 9, np.uint8))
    command = ("labels", "convert", masks, "-o", out, "--to", "coco", "--from", "current")
    code, text, err = run(*command)
    assert (code, text[:16]) == (1, "5 label maps wri")
    assert "odd.png has id 9" in err
    assert len(json.loads(out.read_text())["images"]) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--to", "cvat", "-o", "a.json"],
            "the output for --to cvat is a file with the suffix .xml",
        ),
        (["--to", "cityscapes", "-o", "a.xml"], "the output for --to cityscapes is a folder"),
        (["--to", "rle", "-o", "a.json", "--tolerance", "1"], "It is for --to coco, cvat"),
        (["--to", "coco", "-o", "a.json", "--tolerance", "-1"], "--tolerance"),
        (["--to", "coco", "-o", "a.json", "--image-name", "x.jpg"], "is the same for all frames"),
    ],
)
def test_what_does_not_fit_is_refused(
    scenes: Scenes,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    masks = write_scenes(tmp_path / "masks", scenes, "current")
    code, _, err = run("labels", "convert", masks, *options)
    assert code != 0
    assert message in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("target", ["coco", "labelstudio", "cvat", "cityscapes"])
def test_formats_that_are_only_written_are_named_when_they_are_given(
    scenes: Scenes, tmp_path: Path, run: Run, target: str
) -> None:
    masks = write_scenes(tmp_path / "masks", {"a": scenes["scene2"]}, "current")
    written = tmp_path / NAMES.get(target, "ids")
    assert run("labels", "convert", masks, "-o", written, "--to", target)[0] == 0
    code, _, err = run("labels", "convert", written, "-o", tmp_path / "out")
    assert (code, str(written) in err) == (1, True)
    assert err.endswith(
        "The formats of COCO, CVAT, Label Studio and Cityscapes are written, and not read.\n"
    )
