"""`bddseg demo`, with the weights that come with the package."""

import json

import numpy as np
import pytest

from bddseg.data.frames import read_frame
from bddseg.data.masks import read_mask
from bddseg.demo.tour import ENTRY, SEEDS
from bddseg.demo.train import FIRST_SEED, score_scenes
from bddseg.engine.model import load_model
from bddseg.zoo.download import get_weights
from bddseg.zoo.entry import read_entry

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def entry():
    return read_entry(ENTRY)


def test_the_demo_scores_what_it_promises_and_shows_where_to_look(run, tmp_path):
    code, out, err = run("demo", "-o", tmp_path)
    assert code == 0
    assert "rendered scenes" in err
    assert "Synthetic scenes" in out
    mean, plain = (line.split() for line in out.splitlines() if line.startswith("mean"))
    assert 90 < float(plain[1]) < float(mean[1])
    assert float(mean[1]) >= 90
    for folder in ("frames", "truth", "masks", "colormaps", "overlays"):
        files = [path for path in (tmp_path / folder).iterdir() if path.suffix != ".json"]
        assert len(files) == len(SEEDS)
    assert read_frame(tmp_path / "overlays.jpg").shape == (4 * 270, 2 * 480, 3)


def test_the_commands_that_the_demo_prints_give_its_files(run, tmp_path):
    _, out, _ = run("demo", "-o", tmp_path / "demo")
    lines = [line.split() for line in out.splitlines() if line.startswith("  bddseg ")]
    again = tmp_path / "again"
    commands = {words[1]: words[1:] for words in lines}
    infer = commands["infer"]
    infer[infer.index("-o") + 1] = str(again)
    assert run(*infer)[0] == 0
    for mask in (tmp_path / "demo" / "masks").glob("*.png"):
        assert np.array_equal(read_mask(again / mask.name), read_mask(mask))
    code, scores, _ = run(*commands["eval"], "--json")
    assert code == 0
    assert json.loads(scores)["official"]["IoU"][1]["AVERAGE"] >= 90


def test_scenes_that_training_never_saw_score_90_and_more(entry):
    seeds = range(2000, 2012)
    assert max([*seeds, *SEEDS]) < FIRST_SEED
    assert score_scenes(load_model(entry), seeds).mean_iou >= 90


def test_the_weights_are_small(entry):
    assert get_weights(entry).stat().st_size < 4 * MEGABYTE
