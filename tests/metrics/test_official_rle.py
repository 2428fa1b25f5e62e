"""Our official score of run-length encoded masks against the official evaluator's."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metrics.helpers import assert_equal
from support import Run

from bddseg.data.mask import write_mask
from bddseg.data.rle import encode_rle
from bddseg.data.scalabel import encode_frame, write_scalabel
from bddseg.errors import BddsegError
from bddseg.metrics.evaluate import evaluate
from bddseg.metrics.official import format_official
from bddseg.tasks.task import get_task
from bddseg.types import BinaryMask, SizeHW

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


JsonFrame = dict[str, Any]
Case = tuple[SizeHW, list[JsonFrame], list[JsonFrame]]


def make_label(category: str, mask: BinaryMask) -> dict[str, Any]:
    size = list(mask.shape)
    return {"id": "1", "category": category, "rle": {"counts": encode_rle(mask), "size": size}}


@st.composite
def cases(draw: st.DrawFn, task: str) -> Case:
    """Ground truth and predictions of a few frames of one size.

    Regions overlap, and not all are of the task. The official evaluator reads the size from a
    configuration, so that frames may have no labels.
    """
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def draw_labels(categories: list[str]) -> list[dict[str, Any]]:
        shares = draw(st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), max_size=5))
        return [
            make_label(draw(st.sampled_from(categories)), rng.random(size) < share)
            for share in shares
        ]

    categories = CATEGORIES[task]
    anchor = [make_label(categories[0], rng.random(size) < 0.9)]
    ground_truth: list[JsonFrame] = []
    predictions: list[JsonFrame] = []
    for number in range(draw(st.integers(1, 4))):
        # The first frame has both, and a class of the task, so that there is something to score.
        first = anchor if number == 0 else []
        written = (
            draw(st.sampled_from(["both", "ground truth", "prediction"])) if number else "both"
        )
        name = f"f{number}.jpg"
        if written != "prediction":
            labels = first + draw_labels(categories)
            ground_truth.append({"name": name, "url": None, "labels": labels})
        if written != "ground truth":
            labels = first + draw_labels(categories)
            predictions.append({"name": name, "url": None, "labels": labels})
    if draw(st.booleans()):
        predictions[0]["labels"] = None
        # Ours refuses predictions without any label of the task.
        predictions.append({"name": "last.jpg", "url": None, "labels": anchor})
    return size, ground_truth, predictions[::-1]


def run_official(ground_truth: Path, predictions: Path, task: str, size: SizeHW) -> dict[str, Any]:
    config = load_bdd100k_config(task)
    config.scalabel.imageSize = ImageSize(height=size[0], width=size[1])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        frames = official._load_frames(str(ground_truth), str(predictions), config, nproc=1)
        return dict(official.run_rle(config, task, *frames, nproc=1))


def write(frames: list[JsonFrame], folder: Path, *, split: str) -> Path:
    """Write one file with a list, one with a document, or a folder of files."""
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
def test_every_number_of_json_equals_the_official_one(
    task: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases(task), st.sampled_from(["list", "document", "folder"]))
    def check(case: Case, split: str) -> None:
        size, true_frames, predicted_frames = case
        root = tmp_path_factory.mktemp("case")
        ground_truth = write(true_frames, root / "ground_truth", split=split)
        predictions = write(predicted_frames, root / "predictions", split=split)
        ours = format_official(evaluate(ground_truth, predictions, task=task)["official"])
        assert_equal(ours, run_official(ground_truth, predictions, task, size))

    check()


def test_the_command_writes_the_official_file_for_json(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    paths = []
    for name in ("ground_truth", "predictions"):
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
    # The official tool requires a url.
    for path in paths:
        frames = json.loads(path.read_text())
        path.write_text(json.dumps([{**frame, "url": None} for frame in frames]))
    subprocess.run(
        [*command, "--out-file", tmp_path / "official.json"], check=True, capture_output=True
    )
    expected = json.loads((tmp_path / "official.json").read_text())
    masks = [tmp_path / "ground_truth", tmp_path / "predictions"]
    # Masks and JSON have the same content, and can be mixed.
    for ground_truth, predictions in (paths, masks, (masks[0], paths[1]), (paths[0], masks[1])):
        out = tmp_path / "ours.json"
        ours = ("eval", "-g", ground_truth, "-r", predictions, "--out-file", out)
        assert run(*ours, "--overwrite")[0] == 0
        assert_equal(json.loads(out.read_text()), expected)


def test_a_label_of_the_background_is_ignored(tmp_path: Path) -> None:
    """Pixels below it keep their class, as in the official code."""
    mask = np.ones((4, 4), bool)
    frame = {"name": "a", "labels": [make_label("direct", mask), make_label("background", mask)]}
    file = tmp_path / "a.json"
    file.write_text(json.dumps([frame]))
    assert evaluate(file, file)["official"]["classes"]["direct"]["iou"] == 100


def test_a_frame_without_labels_is_background_with_the_size_of_the_other(tmp_path: Path) -> None:
    (tmp_path / "ground_truth.json").write_text('[{"name": "a", "labels": []}]')
    frame = {"name": "a", "labels": [make_label("direct", np.ones((4, 5), bool))]}
    (tmp_path / "predictions.json").write_text(json.dumps([frame]))
    counts = evaluate(tmp_path / "ground_truth.json", tmp_path / "predictions.json").confusion
    assert counts[2, 0] == counts.sum() == 20


def wrong_size(frame: JsonFrame) -> None:
    frame["labels"][0]["rle"]["size"] = [4, 6]


def two_sizes(frame: JsonFrame) -> None:
    frame["labels"].append(make_label("direct", np.ones((2, 2), bool)))


def other_task(frame: JsonFrame) -> None:
    frame["labels"][0]["category"] = "car"


def polygons(frame: JsonFrame) -> None:
    del frame["labels"][0]["rle"]
    frame["labels"][0]["poly2d"] = [{"vertices": [[0, 0]], "types": "L", "closed": True}]


def no_counts(frame: JsonFrame) -> None:
    del frame["labels"][0]["rle"]["counts"]


def another_size(frame: JsonFrame) -> None:
    frame["labels"] = [make_label("direct", np.ones((5, 5), bool))]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (wrong_size, "frame a.jpg: direct: its runs cover 20 pixels, and its size is 6x4"),
        (two_sizes, "frame a.jpg: its labels have different sizes: 2x2 and 5x4"),
        (other_task, "has no label of"),
        (polygons, "bddseg labels convert"),
        (no_counts, "missing required field `counts` - at `$[0].labels[0].rle`"),
        (another_size, "frame a.jpg is 5x5, but its ground truth"),
    ],
)
def test_an_error_in_a_file_is_described(
    tmp_path: Path, run: Run, damage: Callable[[JsonFrame], None], message: str
) -> None:
    frame = {"name": "a.jpg", "labels": [make_label("direct", np.ones((4, 5), bool))]}
    (tmp_path / "ground_truth.json").write_text(json.dumps([frame]))
    damage(frame)
    file = tmp_path / "predictions.json"
    file.write_text(json.dumps([frame]))
    code, _, err = run("eval", "-g", tmp_path / "ground_truth.json", "-r", file)
    assert code == 1
    assert message in err
    assert "predictions.json" in err


def test_two_frames_of_one_name_are_an_error(tmp_path: Path) -> None:
    mask = np.ones((4, 5), bool)
    frames = [
        {"name": f"a.{kind}", "labels": [make_label("direct", mask)]} for kind in ("jpg", "png")
    ]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(frames))
    with pytest.raises(BddsegError, match=r"frame a\.jpg and .* frame a\.png have the same name"):
        evaluate(file, file)
