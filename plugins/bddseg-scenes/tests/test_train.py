"""`bddseg scenes train`, and the weights of the model `demo`, which it made."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bddseg_scenes.scenes import render_scene
from bddseg_scenes.train import FIRST_SEED, SceneDataset, score_scenes, train_demo
from safetensors.torch import load_file
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.data.preprocess import preprocess
from bddseg.demo import IMAGES
from bddseg.inference.predictor import load_model
from bddseg.zoo.catalog import find_entry

HELD_OUT = range(2000, 2012)


def test_scenes_of_other_seeds_score_90_and_more() -> None:
    assert score_scenes(load_model("demo", device="cpu"), HELD_OUT)["mean"]["iou"] >= 90


def test_training_does_not_use_scenes_that_are_scored() -> None:
    demo = [int(path.stem.removeprefix("scene-")) for path in IMAGES.iterdir()]
    assert max(*HELD_OUT, *demo, 1099) < FIRST_SEED


def test_inputs_are_preprocessed_as_in_inference() -> None:
    spec = find_entry("demo").preprocessing
    image, labels = SceneDataset(spec, 1)[0]
    scene = render_scene(FIRST_SEED, spec.size_hw)
    assert np.array_equal(image.numpy(), preprocess(scene.frame, spec))
    assert np.array_equal(labels.numpy(), scene.labels)
    assert labels.dtype == torch.int64


def test_training_saves_weights_in_half_precision_that_load(tmp_path: Path) -> None:
    out, notes = tmp_path / "weights.safetensors", list[str]()
    predictor = train_demo(
        out, steps=2, batch_size=2, learning_rate=1e-3, num_workers=0, show=notes.append
    )
    assert {t.dtype for t in load_file(out).values() if t.is_floating_point()} == {torch.float16}
    assert [note.split(",")[0] for note in notes] == ["Step 2 of 2"]
    labels = predictor(render_scene(0, (90, 160)).frame).labels
    assert labels.shape == (90, 160)


def test_the_command_prints_the_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score_few(predictor: object, seeds: range) -> object:
        return score_scenes(predictor, seeds[:2])  # type: ignore[arg-type]

    monkeypatch.setattr("bddseg_scenes.train.score_scenes", score_few)
    out = tmp_path / "weights.safetensors"
    arguments = ["scenes", "train", "-o", str(out), "--steps", "2", "--batch-size", "2"]
    result = CliRunner().invoke(app, [*arguments, "--workers", "0", "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["weights"] == str(out)
    assert set(document["iou"]) == {"direct", "alternative"}
