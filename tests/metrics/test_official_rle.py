"""Our official score of run-length encoded masks against the official evaluator's."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metrics.test_official import assert_equal

from bddseg.data.masks import write_mask
from bddseg.data.rle import encode_rle
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import evaluate
from bddseg.tasks import get_task

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    official = pytest.importorskip(
        "bdd100k.eval.run", reason="needs the bdd100k extra", exc_type=ImportError
    )
    from bdd100k.common.utils import load_bdd100k_config
    from scalabel.label.typing import ImageSize

CATEGORIES = {
    "drivable": ["direct", "alternative", "background", "car"],
    "sem_seg": [*get_task("sem_seg").classes[:4], "sky", "lane"],
}


def make_label(category, mask):
    size = list(mask.shape)
    return {"id": "1", "category": category, "rle": {"counts": encode_rle(mask), "size": size}}


@st.composite
def cases(draw, task):
    """Truth and result of a few frames of one size; regions overlap, and not all are of the task.

    The official evaluator takes its size from a configuration, so that frames may lack labels.
    """
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def draw_labels(kinds):
        shares = draw(st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), max_size=5))
        return [make_label(draw(st.sampled_from(kinds)), rng.random(size) < s) for s in shares]

    kinds = CATEGORIES[task]
    anchor = [make_label(kinds[0], rng.random(size) < 0.9)]
    truth, result = [], []
    for number in range(draw(st.integers(1, 4))):
        # The first frame has both, and a class of the task, so that there is something to score.
        first = anchor if number == 0 else []
        fate = "both" if number == 0 else draw(st.sampled_from(["both", "missing", "surplus"]))
        name = f"f{number}.jpg"
        if fate != "surplus":
            truth.append({"name": name, "url": None, "labels": first + draw_labels(kinds)})
        if fate != "missing":
            result.append({"name": name, "url": None, "labels": first + draw_labels(kinds)})
    if draw(st.booleans()):
        result[0]["labels"] = None
        # Results that hold nothing of the task at all are refused by ours.
        result.append({"name": "last.jpg", "url": None, "labels": anchor})
    return size, truth, result[::-1]


def run_official(truth, result, task, size):
    config = load_bdd100k_config(task)
    config.scalabel.imageSize = ImageSize(height=size[0], width=size[1])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        frames = official._load_frames(str(truth), str(result), config, nproc=1)
        return dict(official.run_rle(config, task, *frames, nproc=1))


def write(frames, folder, *, split):
    """One file, a document in a file, or a folder of files."""
    folder.mkdir(parents=True)
    if split == "folder":
        for number, frame in enumerate(frames):
            (folder / f"{number}.json").write_text(json.dumps([frame]))
        return folder
    content = frames if split == "list" else {"frames": frames, "config": None}
    file = folder / "frames.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("task", ["drivable", "sem_seg"])
def test_every_number_equals_the_official_one(task, tmp_path_factory):
    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(task), st.sampled_from(["list", "document", "folder"]))
    def check(case, split):
        size, truth, result = case
        root = tmp_path_factory.mktemp("case")
        truth = write(truth, root / "truth", split=split)
        result = write(result, root / "result", split=split)
        ours = evaluate(truth, result, get_task(task)).score.to_official()
        assert_equal(ours, run_official(truth, result, task, size))

    check()


def test_the_command_writes_the_official_file(tmp_path, run):
    rng = np.random.default_rng(0)
    paths = []
    for name in ("truth", "result"):
        labels = rng.integers(0, 3, (3, 72, 128), np.uint8).repeat(10, 1).repeat(10, 2)
        frames = [
            encode_frame(f"f{number}.jpg", each, get_task("drivable"))
            for number, each in enumerate(labels)
        ]
        paths.append(tmp_path / f"{name}.json")
        write_scalabel(paths[-1], frames)
        for number, each in enumerate(labels):
            write_mask(tmp_path / name / f"f{number}.png", each)
    command = [sys.executable, "-W", "ignore", "-m", "bdd100k.eval.run", "-t", "drivable"]
    command += ["-g", str(paths[0]), "-r", str(paths[1]), "--nproc", "1"]
    # The official tool reads frames without a url as incomplete.
    for path in paths:
        frames = json.loads(path.read_text())
        path.write_text(json.dumps([{**frame, "url": None} for frame in frames]))
    subprocess.run(
        [*command, "--out-file", tmp_path / "official.json"], check=True, capture_output=True
    )
    expected = json.loads((tmp_path / "official.json").read_text())
    masks = [tmp_path / "truth", tmp_path / "result"]
    # Masks and run lengths say the same, and can be mixed.
    for truth, result in (paths, masks, (masks[0], paths[1]), (paths[0], masks[1])):
        out = tmp_path / "ours.json"
        assert run("eval", "-g", truth, "-r", result, "--out-file", out)[0] == 0
        assert_equal(json.loads(out.read_text()), expected)


def test_a_background_that_was_labelled_is_no_class(tmp_path):
    """And what lies under it stays what it is, as in the official code."""
    mask = np.ones((4, 4), bool)
    frame = {"name": "a", "labels": [make_label("direct", mask), make_label("background", mask)]}
    file = tmp_path / "a.json"
    file.write_text(json.dumps([frame]))
    score = evaluate(file, file, get_task("drivable")).score
    assert score.iou["direct"] == 100


def test_a_frame_without_labels_is_background_of_its_partners_size(tmp_path):
    (tmp_path / "truth.json").write_text('[{"name": "a", "labels": []}]')
    frame = {"name": "a", "labels": [make_label("direct", np.ones((4, 5), bool))]}
    (tmp_path / "result.json").write_text(json.dumps([frame]))
    counts = evaluate(
        tmp_path / "truth.json", tmp_path / "result.json", get_task("drivable")
    ).counts
    assert counts[2, 0] == counts.sum() == 20


def wrong_size(frame):
    frame["labels"][0]["rle"]["size"] = [4, 6]


def two_sizes(frame):
    frame["labels"].append(make_label("direct", np.ones((2, 2), bool)))


def other_task(frame):
    frame["labels"][0]["category"] = "car"


def polygons(frame):
    del frame["labels"][0]["rle"]
    frame["labels"][0]["poly2d"] = [{"vertices": [[0, 0]], "types": "L", "closed": True}]


def no_counts(frame):
    del frame["labels"][0]["rle"]["counts"]


def another_truth_size(frame):
    frame["labels"] = [make_label("direct", np.ones((5, 5), bool))]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (wrong_size, "frame a.jpg: direct: its runs cover 20 pixels, and its size is 6x4"),
        (two_sizes, "frame a.jpg: its labels have different sizes: 2x2 and 5x4"),
        (other_task, "No label in"),
        (polygons, "bddseg labels convert"),
        (no_counts, "missing required field `counts` - at `$[0].labels[0].rle`"),
        (another_truth_size, "frame a.jpg is 5x5, but its truth"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, run, spoil, said):
    frame = {"name": "a.jpg", "labels": [make_label("direct", np.ones((4, 5), bool))]}
    (tmp_path / "truth.json").write_text(json.dumps([frame]))
    spoil(frame)
    file = tmp_path / "result.json"
    file.write_text(json.dumps([frame]))
    code, _, err = run("eval", "-g", tmp_path / "truth.json", "-r", file)
    assert code == 1
    assert said in err
    assert "result.json" in err


def test_two_frames_of_one_name_are_named(tmp_path):
    mask = np.ones((4, 5), bool)
    frames = [
        {"name": f"a.{kind}", "labels": [make_label("direct", mask)]} for kind in ("jpg", "png")
    ]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(frames))
    with pytest.raises(BddsegError, match=r"frame a\.jpg and .* frame a\.png have the same name"):
        evaluate(file, file, get_task("drivable"))
