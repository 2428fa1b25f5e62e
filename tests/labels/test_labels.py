"""Label files of every encoding: recognised, and turned into masks."""

import json

import numpy as np
import pytest
from PIL import Image

from bddseg.data.masks import read_mask, write_mask
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.demo.scenes import render_scene
from bddseg.labels.encodings import Encoding, recognize_ids
from bddseg.tasks import get_task
from bddseg.vis.colorize import encode_colormap

TASK = get_task("drivable")
LEGACY = np.array([1, 2, 0], np.uint8)
SEEDS = (2, 4, 100, 105)


@pytest.fixture(scope="module")
def scenes():
    return {f"scene{seed}": render_scene(seed).labels for seed in SEEDS}


def write_current(path, labels):
    write_mask(path, labels)


def write_legacy(path, labels):
    write_mask(path, LEGACY[labels])


def write_palette(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_colormap(labels, TASK))


def write_rgb(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(TASK.palette, np.uint8).reshape(256, 3)[labels]).save(path)


def write_rgba(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([labels] * 4, axis=2)).save(path)


WRITERS = {
    "current": write_current,
    "legacy": write_legacy,
    "palette": write_palette,
    "rgb": write_rgb,
}


def write_all(folder, scenes, encoding):
    for name, labels in scenes.items():
        WRITERS[encoding](folder / "sub" / f"{name}.png", labels)
    return folder


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("current", "current"), ("legacy", "legacy"), ("palette", "color"), ("rgb", "color")],
)
def test_each_encoding_is_recognised(scenes, tmp_path, run, encoding, expected):
    folder = write_all(tmp_path / "labels", scenes, encoding)
    code, out, _ = run("labels", "check", folder, "--json")
    content = json.loads(out)
    assert (content["encoding"], content["confidence"], content["telling"]) == (expected, 1, 4)
    assert code == (0 if expected == "current" else 1)


@pytest.mark.parametrize("encoding", ["current", "legacy", "palette", "rgb"])
@pytest.mark.parametrize("kept", [(0, 2), (1, 2)])
def test_masks_without_one_of_the_classes_are_recognised_too(scenes, tmp_path, run, encoding, kept):
    drivable, background = kept
    merged = {
        name: np.where(labels == 2, background, drivable).astype(np.uint8)
        for name, labels in scenes.items()
    }
    folder = write_all(tmp_path / "labels", merged, encoding)
    expected = {"palette": "color", "rgb": "color"}.get(encoding, encoding)
    assert json.loads(run("labels", "check", folder, "--json")[1])["encoding"] == expected


def test_the_command_to_run_next_makes_masks(scenes, tmp_path, run):
    for encoding in ("legacy", "palette", "rgb"):
        folder = write_all(tmp_path / encoding, scenes, encoding)
        code, _, err = run("labels", "check", folder)
        assert code == 1
        assert f"bddseg labels convert {folder} -o OUT -t drivable" in err
        out = tmp_path / f"{encoding}-masks"
        code, text, _ = run("labels", "convert", folder, "-o", out)
        assert code == 0
        assert text.startswith("4 label maps written")
        for name, labels in scenes.items():
            assert np.array_equal(read_mask(out / "sub" / f"{name}.png"), labels)


@pytest.mark.parametrize("target", ["legacy", "color"])
def test_converting_there_and_back_changes_nothing(scenes, tmp_path, run, target):
    folder = write_all(tmp_path / "labels", scenes, "current")
    first = folder / "sub" / f"scene{SEEDS[0]}.png"
    labels = read_mask(first).copy()
    labels[:3, :5] = 255
    write_mask(first, labels)
    there, back = tmp_path / "there", tmp_path / "back"
    assert run("labels", "convert", folder, "-o", there, "--to", target)[0] == 0
    assert run("labels", "convert", there, "-o", back, "--from", target)[0] == 0
    for path in folder.rglob("*.png"):
        again = read_mask(back / path.relative_to(folder))
        # In the task's colours, unknown is black, as the background is.
        expected = read_mask(path)
        if target == "color":
            expected = np.where(expected == 255, 2, expected)
        assert np.array_equal(again, expected)


@pytest.mark.parametrize(
    "labels",
    [np.full((72, 128), value, np.uint8) for value in (0, 1, 2, 255)]
    + [np.random.default_rng(0).integers(0, 3, (72, 128)).astype(np.uint8)],
    ids=["all 0", "all 1", "all 2", "all 255", "noise"],
)
def test_what_nobody_could_know_is_unsure(tmp_path, run, labels):
    write_mask(tmp_path / "labels" / "a.png", labels)
    code, out, err = run("labels", "check", tmp_path / "labels")
    assert code == 1
    assert "encoding   unsure" in out
    assert "Nobody could tell" in err
    code, _, err = run("labels", "convert", tmp_path / "labels", "-o", tmp_path / "out")
    assert code == 1
    assert "is not plain: unsure" in err


def test_files_that_do_not_tell_follow_those_that_do(scenes, tmp_path, run):
    folder = write_all(tmp_path / "labels", scenes, "current")
    write_mask(folder / "dark.png", np.full((720, 1280), 2, np.uint8))
    content = json.loads(run("labels", "check", folder, "--json")[1])
    assert (content["encoding"], content["telling"]) == ("current", 4)
    assert run("labels", "check", folder)[0] == 0


def test_unknown_pixels_are_mentioned(scenes, tmp_path, run):
    labels = scenes["scene2"].copy()
    labels[-50:] = 255
    write_mask(tmp_path / "a.png", labels)
    code, out, _ = run("labels", "check", tmp_path)
    assert code == 0
    assert "255 means unknown" in out


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path, labels: write_mask(path, labels + 5), "it has id 7, and drivable has 0 to 2"),
        (write_rgba, "it is bitmask"),
        (lambda path, labels: path.write_bytes(b"no image"), "cannot be read"),
        (lambda path, labels: Image.new("RGB", (8, 8), (1, 2, 3)).save(path), "colour (1, 2, 3)"),
        (write_legacy, "it is legacy"),
    ],
    ids=["ids", "bitmask", "broken", "colours", "mixed"],
)
def test_what_is_off_is_named(scenes, tmp_path, run, write, said):
    folder = write_all(tmp_path / "labels", scenes, "current")
    write(folder / "odd.png", scenes["scene2"])
    code, _, err = run("labels", "check", folder)
    assert code == 1
    assert f"{folder / 'odd.png'}: " in err
    assert said in err


def test_bitmasks_are_recognised(scenes, tmp_path, run):
    write_rgba(tmp_path / "a.png", scenes["scene2"])
    assert "encoding   bitmask" in run("labels", "check", tmp_path)[1]


def test_a_colour_of_no_class_is_named_and_the_others_are_converted(scenes, tmp_path, run):
    folder = write_all(tmp_path / "labels", scenes, "rgb")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "odd.png")
    out = tmp_path / "out"
    code, text, err = run("labels", "convert", folder, "-o", out, "--from", "color")
    assert code == 1
    assert "odd.png: it has the colour (1, 2, 3)" in err
    assert text.startswith("4 label maps written")


def test_a_folder_is_not_converted_into_itself(scenes, tmp_path, run):
    folder = write_all(tmp_path / "labels", scenes, "legacy")
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    assert run("labels", "convert", folder, "-o", folder)[0] == 1
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before


def test_run_length_encoded_json_becomes_masks(scenes, tmp_path, run):
    frames = [encode_frame(f"{name}.jpg", labels, TASK) for name, labels in scenes.items()]
    file, out = tmp_path / "drivable.json", tmp_path / "out"
    write_scalabel(file, frames)
    assert run("labels", "convert", file, "-o", out)[0] == 0
    for name, labels in scenes.items():
        assert np.array_equal(read_mask(out / f"{name}.png"), labels)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ('{"a": 1}', "holds no list of frames"),
        ('[{"labels": []}]', "missing required field `name` - at `$[0]`"),
        ('[{"name": "x", "labels": [{"category": "car"}]}]', "is of drivable; they are car."),
    ],
)
def test_json_that_is_wrong_is_named(tmp_path, run, content, said):
    file = tmp_path / "rle.json"
    file.write_text(content)
    code, _, err = run("labels", "convert", file, "-o", tmp_path / "out")
    assert code == 1
    assert said in err
    assert "rle.json" in err


def test_masks_become_run_length_encoded_json_and_come_back(scenes, tmp_path, run):
    unknown = scenes["scene2"].copy()
    unknown[:9, :9] = 255
    folder = write_all(tmp_path / "labels", {**scenes, "unknown": unknown}, "current")
    file, back = tmp_path / "drivable.json", tmp_path / "back"
    assert run("labels", "convert", folder, "-o", file, "--to", "rle")[0] == 0
    assert run("labels", "convert", file, "-o", back)[0] == 0
    for name, labels in scenes.items():
        assert np.array_equal(read_mask(back / f"{name}.png"), labels)
    # What no label covers is background where the task has one.
    assert np.array_equal(read_mask(back / "unknown.png"), np.where(unknown == 255, 2, unknown))
    ids = [label["id"] for frame in json.loads(file.read_text()) for label in frame["labels"]]
    assert ids == [str(number + 1) for number in range(len(ids))]


@pytest.mark.parametrize("way", ["masks in two folders", "frames of two kinds"])
def test_two_label_maps_never_become_one(scenes, tmp_path, run, way):
    folder = write_all(tmp_path / "labels", scenes, "current")
    if way == "masks in two folders":
        write_all(tmp_path / "labels" / "again", scenes, "current")
        command = (folder, "-o", tmp_path / "o.json", "--to", "rle")
    else:
        frames = [encode_frame(f"a.{kind}", scenes["scene2"], TASK) for kind in ("jpg", "png")]
        write_scalabel(tmp_path / "frames.json", frames)
        command = (tmp_path / "frames.json", "-o", tmp_path / "o")
    code, _, err = run("labels", "convert", *command)
    assert code == 1
    assert "2 label maps that would be named" in err
    assert not [*tmp_path.glob("o*/*"), *tmp_path.glob("o.json")]


@pytest.mark.parametrize(("target", "out"), [("rle", "folder"), ("current", "file.json")])
def test_outputs_of_the_wrong_kind_are_refused(scenes, tmp_path, run, target, out):
    folder = write_all(tmp_path / "labels", scenes, "current")
    code, _, err = run("labels", "convert", folder, "-o", tmp_path / out, "--to", target)
    assert code == 1
    assert f"{target} is written as" in err
    assert not (tmp_path / out).exists()


TRIANGLE = {"vertices": [[100, 700], [600, 300], [1200, 700]], "types": "LLL", "closed": True}


@pytest.mark.parametrize(
    ("task", "category", "blank"), [("drivable", "alternative", 2), ("sem_seg", "sidewalk", 255)]
)
def test_polygons_become_the_masks_of_the_official_tool(tmp_path, run, task, category, blank):
    to_mask = pytest.importorskip("bdd100k.label.to_mask", reason="needs the bdd100k extra")
    frames = [
        {"name": "a.jpg", "url": None, "labels": [{"id": "1", "category": category}]},
        {"name": "b.jpg", "url": None, "labels": []},
    ]
    frames[0]["labels"][0]["poly2d"] = [TRIANGLE]
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(frames))
    code, out, _ = run("labels", "convert", file, "-o", tmp_path / "out", "-t", task)
    assert code == 0
    assert "2 label maps" in out
    mask = read_mask(tmp_path / "out" / "a.png")
    assert set(np.unique(mask)) == {1, blank}
    assert mask[600, 600] == 1
    assert mask[100, 100] == blank
    assert abs(int((mask == 1).sum()) - 1100 * 400 // 2) < 1500
    assert (read_mask(tmp_path / "out" / "b.png") == blank).all()
    assert to_mask
    # And the evaluator says which command to run.
    code, _, err = run("eval", "-g", file, "-r", tmp_path / "out", "-t", task)
    assert code == 1
    assert f"bddseg labels convert {file} -o OUT -t {task}" in err


def test_tasks_without_background_have_one_encoding():
    labels = np.zeros((9, 9), np.uint8)
    assert recognize_ids(labels, get_task("sem_seg")) == (Encoding.CURRENT, "")
