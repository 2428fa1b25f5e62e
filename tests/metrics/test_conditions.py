"""Scores by weather, scene and time of day."""

import json

import numpy as np
import pytest

from bddseg.data.masks import write_mask


@pytest.fixture
def folders(tmp_path):
    frames = []
    for number, (weather, wrong) in enumerate(
        (("clear", 0), ("rainy", 4), ("clear", 2), (None, 1))
    ):
        truth = np.full((20, 30), 2, np.uint8)
        truth[10:] = 0
        result = truth.copy()
        result[10 : 10 + wrong] = 2
        write_mask(tmp_path / "truth" / f"{number}.png", truth)
        write_mask(tmp_path / "result" / f"{number}.png", result)
        attributes = {"weather": weather, "scene": "highway"} if weather else {"scene": "tunnel"}
        frames.append({"name": f"{number}.jpg", "attributes": attributes})
    (tmp_path / "labels.json").write_text(json.dumps(frames))
    return tmp_path


def score(folders, run, *options):
    folder = ("-g", folders / "truth", "-r", folders / "result")
    return run("eval", *folder, "--attributes", folders / "labels.json", *options)


def test_each_value_is_scored_from_its_own_frames_worst_first(folders, run):
    out = score(folders, run, "--by", "weather,scene", "--json")[1]
    rows = [(row["attribute"], row["value"], row["frames"]) for row in json.loads(out)["by"]]
    assert rows == [
        ("weather", "rainy", 1),
        ("weather", "clear", 2),
        ("weather", "undefined", 1),
        ("scene", "highway", 3),
        ("scene", "tunnel", 1),
    ]
    miou = [row["miou"] for row in json.loads(out)["by"]]
    assert miou == pytest.approx([60, 90, 90, 80, 90])


def test_the_table_has_a_row_for_each_condition(folders, run):
    code, out, _ = score(folders, run, "--by", "weather")
    assert code == 0
    assert "By condition" in out
    assert any(
        line.split() == ["weather", "rainy", "1", "60.00", "60.00"] for line in out.splitlines()
    )


def test_an_attribute_that_no_frame_has_is_named(folders, run):
    code, _, err = score(folders, run, "--by", "wether")
    assert code == 1
    assert "No frame has the attribute 'wether'" in err
    assert "scene, weather" in err


def test_a_file_of_another_format_is_named(folders, run):
    (folders / "labels.json").write_text('[{"no": "name"}]')
    code, _, err = score(folders, run, "--by", "weather")
    assert code == 1
    assert "labels.json cannot be read as labels of frames" in err


def test_by_needs_attributes(folders, run):
    assert score(folders, run)[0] == 2
