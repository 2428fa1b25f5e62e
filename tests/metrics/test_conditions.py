"""Scores by weather, scene and time of day."""

import json
from pathlib import Path

import pytest
from metrics.helpers import write_masks

from bddseg.errors import BddsegError
from bddseg.metrics.conditions import read_attributes, score_conditions
from bddseg.metrics.evaluate import evaluate
from bddseg.metrics.evaluation import Evaluation

ROWS = 10
# Attributes of each frame, and the number of its 10 foreground rows that are predicted wrongly.
FRAMES = {
    "a/0": ({"weather": "clear", "scene": "highway"}, 0),
    "a/1": ({"weather": "rainy", "scene": "highway"}, 4),
    "b/2": ({"weather": "clear", "scene": "highway"}, 2),
    "b/3": ({"scene": "tunnel"}, 1),
}


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    labels = [[2]] * ROWS + [[0]] * ROWS
    predictions = {
        name: [[2]] * (ROWS + wrong) + [[0]] * (ROWS - wrong) for name, (_, wrong) in FRAMES.items()
    }
    return evaluate(
        *write_masks(tmp_path, ground_truth=dict.fromkeys(FRAMES, labels), predictions=predictions)
    )


def write_labels(path: Path, names: list[str]) -> Path:
    frames = [
        {"name": name, "attributes": attributes}
        for name, (attributes, _) in zip(names, FRAMES.values(), strict=True)
    ]
    path.write_text(json.dumps(frames))
    return path


@pytest.mark.parametrize("names", [[f"{name}.jpg" for name in FRAMES], list("0123")])
def test_each_value_is_scored_from_its_own_frames_worst_first(
    tmp_path: Path, evaluation: Evaluation, names: list[str]
) -> None:
    attributes = read_attributes(write_labels(tmp_path / "labels.json", names))
    results = score_conditions(evaluation, attributes, ["weather", "scene"])
    assert [(row["attribute"], row["value"], row["frames"]) for row in results] == [
        ("weather", "rainy", 1),
        ("weather", "clear", 2),
        ("weather", "undefined", 1),
        ("scene", "highway", 3),
        ("scene", "tunnel", 1),
    ]
    mious = [row["standard_miou_without_background"] for row in results]
    assert mious == pytest.approx([60, 90, 90, 80, 90])
    assert results[0]["official_miou"] == pytest.approx(60)


def test_an_attribute_that_no_frame_has_is_named(tmp_path: Path, evaluation: Evaluation) -> None:
    attributes = read_attributes(write_labels(tmp_path / "labels.json", list("0123")))
    with pytest.raises(BddsegError, match=r"attribute 'wether'.* The file has: scene, weather"):
        score_conditions(evaluation, attributes, ["wether"])


@pytest.mark.parametrize("content", ['[{"no": "name"}]', "[1]", "{", '"text"'])
def test_a_file_in_another_format_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(BddsegError, match=r"labels\.json cannot be read as labels of frames"):
        read_attributes(path)
