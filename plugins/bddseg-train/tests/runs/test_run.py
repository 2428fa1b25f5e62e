"""Whole runs: real frames on disk, real processes, and what is left in the folder."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from bddseg_train.checkpoint import TrainingState
from bddseg_train.folder import RunFolder
from bddseg_train.log import read_log
from bddseg_train.options import TrainOptions
from bddseg_train.recipe import (
    Data,
    Evaluation,
    Loss,
    Optimizer,
    Recipe,
    find_recipe,
    format_recipe,
)
from bddseg_train.record import TrainingRecord
from bddseg_train.run import run_training
from bddseg_train.view import SilentView
from safetensors.torch import load_file
from torch import Tensor
from torch._inductor import config

import bddseg
from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg.io.lock import lock_folder
from bddseg.models.losses import CrossEntropy

SIZE_HW = (48, 80)
OPTIONS = TrainOptions(device="cpu", num_workers=0, num_threads=1)


def change(recipe: Recipe, **values: Any) -> Recipe:
    return msgspec.structs.replace(recipe, **values)


def read_losses(out: Path) -> list[float]:
    return [line["loss"] for line in read_log(out / "metrics.jsonl")]


def test_a_run_leaves_a_model_that_infer_takes(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    record = run_training(recipe, tmp_path / "out", OPTIONS)
    assert record.status == "finished" and record.step == 6
    model = bddseg.load_model(record.model, device="cpu")
    assert model(data / "val" / "images" / "100.jpg").labels.shape == SIZE_HW
    found = {each.name for each in (tmp_path / "out").iterdir()}
    assert found == {
        "MODEL_CARD.md",
        "checkpoints",
        "examples",
        "metrics.jsonl",
        "model.safetensors",
        "model.toml",
        "recipe.toml",
        "training.json",
    }
    assert (tmp_path / "out" / "examples" / "000006" / "100.jpg").is_file()
    lines = read_log(tmp_path / "out" / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(lines[2]["scores"]) == {"weights", "average"}
    best = record.best
    assert best and best.chosen_by == "standard_miou_without_background"
    assert lines[best.step - 1]["scores"][best.weights] == best.scores
    assert best.score == max(
        scores[best.chosen_by] for line in lines for scores in line.get("scores", {}).values()
    )


def test_the_card_says_which_weights_were_chosen_by_what(recipe: Recipe, tmp_path: Path) -> None:
    recipe = change(recipe, evaluation=Evaluation(interval=3, limit=3, examples=0))
    record = run_training(recipe, tmp_path / "out", OPTIONS)
    assert record.best
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "On 3 validation frames. The weights were chosen on the same frames" in card
    named = "highest `standard_miou_without_background`. On other frames, expect lower scores."
    assert f"the {record.best.origin} had the {named}" in card
    assert f"| standard_miou_without_background | {record.best.score:.2f} |" in card


def test_training_learns(recipe: Recipe, tmp_path: Path) -> None:
    evaluation = Evaluation(interval=20, examples=0)
    longer = change(recipe, iterations=60, ema_decay=None, evaluation=evaluation)
    record = run_training(longer, tmp_path / "out", OPTIONS)
    losses = read_losses(tmp_path / "out")
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert record.best and record.best.score > 20
    lines = [line for line in read_log(tmp_path / "out" / "metrics.jsonl") if "scores" in line]
    scores = {line["step"]: line["scores"]["weights"][record.best.chosen_by] for line in lines}
    assert scores[record.best.step] == record.best.score == max(scores.values())
    assert len({*scores.values()}) > 1


def test_without_validation_frames_the_last_weights_are_the_model(
    recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    alone = change(recipe, data=Data(root=str(data / "train")), ema_decay=None)
    record = run_training(alone, tmp_path / "out", OPTIONS)
    assert record.best is None
    assert "Not scored" in (tmp_path / "out" / "MODEL_CARD.md").read_text()
    state = torch.load(tmp_path / "out" / "checkpoints" / "last.pt", weights_only=True)
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(weights[name], each) for name, each in state["network"].items())


def test_passes_see_the_samples_of_the_whole_batch(recipe: Recipe, tmp_path: Path) -> None:
    halves = TrainOptions(device="cpu", num_workers=0, num_threads=1, images_per_step=2)
    run_training(change(recipe, iterations=1), tmp_path / "halves", halves)
    run_training(change(recipe, iterations=1), tmp_path / "whole", OPTIONS)
    # Batch norms see other groups of images, so that the losses are only similar.
    (half,), (whole,) = read_losses(tmp_path / "halves"), read_losses(tmp_path / "whole")
    assert half == pytest.approx(whole, rel=0.1)
    assert half != whole


class NotingView(SilentView):
    """Keeps the messages of a run."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_run_says_before_its_first_step_what_it_starts_and_what_is_unusual(
    recipe: Recipe, tmp_path: Path
) -> None:
    view = NotingView()
    small = ({"name": "resize", "size_hw": [16, 27]},)
    recipe = change(recipe, iterations=1, transforms=small, evaluation=Evaluation(examples=0))
    options = dataclasses.replace(OPTIONS, num_workers=1)
    run_training(recipe, tmp_path / "out", options, view=view)
    *_, scale, random, workers = view.notes
    assert "trained at about 0.34 of the size" in scale and "(16x27, 48x80)" in scale
    assert random == "All weights are random at the start."
    assert workers.startswith("Starting 1 process to read frames")


def test_a_batch_that_cannot_be_divided_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    options = TrainOptions(device="cpu", num_workers=0, images_per_step=3)
    with pytest.raises(BddsegError, match="batch of 4 images cannot be divided into passes of 3"):
        run_training(recipe, tmp_path / "out", options)


def test_a_run_that_is_told_to_stop_goes_on_exactly(recipe: Recipe, tmp_path: Path) -> None:
    whole = run_training(recipe, tmp_path / "whole", OPTIONS)
    asked = iter([False, False, False, False, True])
    stopped = run_training(recipe, tmp_path / "out", OPTIONS, should_stop=lambda: next(asked))
    assert (stopped.status, stopped.step) == ("interrupted", 5)
    finished = run_training(recipe, tmp_path / "out", OPTIONS)
    assert (finished.status, finished.best) == ("finished", whole.best)
    assert read_losses(tmp_path / "out") == read_losses(tmp_path / "whole")
    assert_same_weights(tmp_path / "out", tmp_path / "whole")


def assert_same_weights(first: Path, second: Path) -> None:
    states = [
        torch.load(out / "checkpoints" / "last.pt", weights_only=True) for out in (first, second)
    ]
    for part in ("network", "average"):
        one, other = (state[part] for state in states)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    files = [(out / "model.safetensors").read_bytes() for out in (first, second)]
    assert files[0] == files[1]


@contextmanager
def start(recipe: Path, out: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run in a process, which is killed at the end of the block at the latest."""
    command = [sys.executable, "-m", "bddseg", "train", str(recipe), "-o", str(out)]
    options = ["--device", "cpu", "--workers", "1", "--threads", "1", "-q"]
    with (
        get_errors(out).open("ab") as file,
        subprocess.Popen(
            [*command, *options],
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=os.environ | variables,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def get_errors(out: Path) -> Path:
    return out.with_suffix(".txt")


def wait_for_step(process: subprocess.Popen[bytes], out: Path, step: int) -> None:
    deadline = time.monotonic() + 250
    while time.monotonic() < deadline and process.poll() is None:
        lines = read_log(out / "metrics.jsonl")
        if lines and lines[-1]["step"] >= step:
            return
        time.sleep(0.02)
    raise AssertionError((process.poll(), get_errors(out).read_text()))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_three_times_ends_in_the_same_weights(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe = change(recipe, iterations=24)
    file = tmp_path / "recipe.toml"
    file.write_text(format_recipe(recipe))
    run_training(recipe, tmp_path / "whole", OPTIONS)
    for step in (4, 10, 17):
        with start(file, tmp_path / "out") as process:
            wait_for_step(process, tmp_path / "out", step)
        assert process.returncode == -signal.SIGKILL
    with start(file, tmp_path / "out") as process:
        assert process.wait(250) == 0, get_errors(tmp_path / "out").read_text()
    assert read_losses(tmp_path / "out") == read_losses(tmp_path / "whole")
    assert_same_weights(tmp_path / "out", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_saves_the_run_and_says_how_to_go_on(
    recipe: Recipe, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    file = tmp_path / "recipe.toml"
    longer = change(recipe, iterations=2000, evaluation=Evaluation(interval=2000))
    file.write_text(format_recipe(longer))
    with start(file, tmp_path / "out") as process:
        wait_for_step(process, tmp_path / "out", 2)
        process.send_signal(number)
        assert process.wait(250) == code
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["status"] == "interrupted" and record["step"] >= 2
    state = torch.load(tmp_path / "out" / "checkpoints" / "last.pt", weights_only=True)
    assert state["step"] == record["step"]


def run_two_steps(recipe: Recipe, out: Path) -> Path:
    """Interrupt a run after its second step, and return its last checkpoint."""
    asked = iter([False, True])
    run_training(recipe, out, OPTIONS, should_stop=lambda: next(asked))
    return out / "checkpoints" / "last.pt"


def test_a_loss_that_is_not_finite_names_the_frames_and_keeps_the_checkpoint(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = run_two_steps(recipe, tmp_path / "out")
    before = last.read_bytes()

    def overflow(_: CrossEntropy, logits: Tensor, labels: Tensor) -> Tensor:
        return (logits.sum() + labels.sum()) * float("inf")

    monkeypatch.setattr(CrossEntropy, "__call__", overflow)
    with pytest.raises(BddsegError, match=r"not a finite number in step 3.*images/\d{3}.jpg"):
        run_training(recipe, tmp_path / "out", OPTIONS)
    assert last.read_bytes() == before
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["status"] == "failed" and "finite" in record["error"]


@pytest.mark.timeout(120)
def test_an_image_that_is_cut_off_ends_the_run_and_its_workers(
    recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    others = {process.pid for process in multiprocessing.active_children()}
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    image = copy / "train" / "images" / "003.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    recipe = change(recipe, data=Data(root=str(copy)), ema_decay=None)
    options = TrainOptions(device="cpu", num_workers=2, num_threads=1)
    with pytest.raises(BddsegError, match=r"images/003.jpg cannot be read"):
        run_training(recipe, tmp_path / "out", options)
    assert {process.pid for process in multiprocessing.active_children()} == others
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["status"] == "failed" and "003.jpg" in record["error"]


def test_weights_that_are_not_finite_are_reported_by_the_evaluation(
    recipe: Recipe, tmp_path: Path
) -> None:
    # The loss of the step is finite: what it leads to is not.
    optimizer = Optimizer(lr=1e35)
    recipe = change(recipe, optimizer=optimizer, evaluation=Evaluation(interval=1))
    with pytest.raises(BddsegError, match=r"diverged: .* output for .*val/images/100\.jpg is not"):
        run_training(recipe, tmp_path / "out", OPTIONS)
    assert (
        "lower learning rate"
        in json.loads((tmp_path / "out" / "training.json").read_text())["hint"]
    )
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_without_a_compiler_compiling_is_an_error_before_the_first_step(
    recipe: Recipe, tmp_path: Path
) -> None:
    without = config.patch({"cpp.cxx": (None, "no-such-compiler")})
    with without, pytest.raises(BddsegError, match=r"needs a C\+\+ compiler"):
        run_training(recipe, tmp_path / "out", dataclasses.replace(OPTIONS, compile=True))
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_numbers_are_written_for_tensorboard(recipe: Recipe, tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="comes with the tensorboard extra",
    )
    recipe = change(recipe, iterations=2, evaluation=Evaluation(interval=2, examples=0))
    run_training(recipe, tmp_path / "out", dataclasses.replace(OPTIONS, tensorboard=True))
    events = reader.EventAccumulator(str(tmp_path / "out" / "tensorboard")).Reload()
    losses = [event.value for event in events.Scalars("loss")]
    assert losses == pytest.approx(read_losses(tmp_path / "out"), rel=1e-6)
    assert "scores/weights/official_miou" in events.Tags()["scalars"]


def test_tensorboard_that_is_not_installed_is_an_error_before_the_first_step(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BddsegError, match=r"not installed.*bddseg-train\[tensorboard\]"):
        run_training(recipe, tmp_path / "out", dataclasses.replace(OPTIONS, tensorboard=True))
    assert read_losses(tmp_path / "out") == []


PLUGIN = """
from typing import Annotated

import msgspec
import numpy as np
from bddseg_train.transforms import Sample


class Brighten:
    def __init__(self, crop_hw: tuple[int, int], step: Annotated[int, msgspec.Meta(ge=0)]) -> None:
        self.step = step

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        step = int(rng.integers(0, self.step + 1))
        image = np.clip(sample.image.astype(int) + step, 0, 255).astype(np.uint8)
        return Sample(image, sample.labels)


class Constant:
    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, logits, labels):
        return logits.square().mean() * 0 + self.value
"""
POINTS = """[bddseg.transforms]
brighten = brighten_module:Brighten
[bddseg.losses]
constant = brighten_module:Constant
"""


@pytest.mark.slow
def test_a_transform_and_a_loss_of_a_plugin_are_used(recipe: Recipe, tmp_path: Path) -> None:
    plugin, file = tmp_path / "plugin", tmp_path / "recipe.toml"
    metadata = plugin / "brighten-1.0.dist-info"
    metadata.mkdir(parents=True)
    (plugin / "brighten_module.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: brighten\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(POINTS)
    transforms = ({"name": "brighten", "step": 9}, {"name": "crop"})
    loss = Loss(name="constant", options={"value": 1.5})
    recipe = change(recipe, iterations=2, transforms=transforms, loss=loss)
    file.write_text(format_recipe(recipe))
    with start(file, tmp_path / "out", PYTHONPATH=str(plugin)) as process:
        assert process.wait(250) == 0, get_errors(tmp_path / "out").read_text()
    assert read_losses(tmp_path / "out") == [1.5, 1.5]


def test_a_folder_of_another_recipe_is_refused_and_overwritten_on_request(
    recipe: Recipe, tmp_path: Path
) -> None:
    short = change(recipe, iterations=1, evaluation=Evaluation(examples=0))
    run_training(short, tmp_path / "out", OPTIONS)
    other = change(short, optimizer=Optimizer(lr=0.02))
    with pytest.raises(BddsegError, match=r"another recipe: optimizer.lr is 0.01 there and 0.02"):
        run_training(other, tmp_path / "out", OPTIONS)
    options = TrainOptions(device="cpu", num_workers=0, num_threads=1, overwrite=True)
    assert run_training(other, tmp_path / "out", options).step == 1


def test_a_start_that_failed_does_not_bind_the_folder_to_its_recipe(
    recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    recipe = change(recipe, iterations=1, evaluation=Evaluation(examples=0))
    torch.save({"state_dict": torch.nn.Conv2d(3, 4, 1).state_dict()}, tmp_path / "other.pth")
    with pytest.raises(BddsegError, match="another architecture"):
        run_training(change(recipe, init=str(tmp_path / "other.pth")), out, OPTIONS)
    # What a process that was killed in its first steps leaves, and a file of the user's.
    (out / "checkpoints").mkdir()
    (out / "checkpoints" / ".bddseg-1").touch()
    (out / "metrics.jsonl").write_text('{"step": 7, "loss": 3.0}\n')
    (out / "notes.txt").write_text("mine")
    assert run_training(recipe, out, OPTIONS).step == 1
    assert len(read_losses(out)) == 1
    assert (out / "notes.txt").read_text() == "mine"


def test_a_start_that_failed_does_not_let_two_runs_into_the_folder(
    recipe: Recipe, tmp_path: Path
) -> None:
    RunFolder(tmp_path).start(recipe, overwrite=False)
    with lock_folder(tmp_path), pytest.raises(BddsegError, match="Another run is writing to"):
        run_training(change(recipe, init="x"), tmp_path, OPTIONS)
    assert find_recipe(tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize(
    "kept", ["checkpoints/last.pt", "checkpoints/damaged.pt", "model.safetensors"]
)
def test_a_folder_with_weights_keeps_them_whatever_they_are(
    recipe: Recipe, tmp_path: Path, kept: str
) -> None:
    RunFolder(tmp_path).start(recipe, overwrite=False)
    write_atomically(tmp_path / kept, b"weights")
    with pytest.raises(BddsegError, match="holds a run of another recipe: seed is 0 there"):
        run_training(change(recipe, seed=1), tmp_path, OPTIONS)
    assert (tmp_path / kept).read_bytes() == b"weights"


def test_a_finished_run_says_how_to_train_longer(recipe: Recipe, tmp_path: Path) -> None:
    RunFolder(tmp_path).start(recipe, overwrite=False)
    write_atomically(tmp_path / "model.safetensors", b"weights")
    words = rf"another folder: --init {tmp_path}/model\.safetensors -o OTHER"
    with pytest.raises(BddsegError, match=words):
        run_training(change(recipe, iterations=12), tmp_path, OPTIONS)


def test_a_crop_larger_than_the_frames_is_an_error_before_the_first_step(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe = change(recipe, transforms=({"name": "crop"},), crop_hw=(64, 64))
    with pytest.raises(BddsegError, match=r"crop_hw \[64, 64\] is larger than the frames"):
        run_training(recipe, tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_weights_of_another_architecture_are_an_error_before_the_first_step(
    recipe: Recipe, tmp_path: Path
) -> None:
    torch.save({"state_dict": torch.nn.Conv2d(3, 4, 1).state_dict()}, tmp_path / "other.pth")
    recipe = change(recipe, init=str(tmp_path / "other.pth"))
    with pytest.raises(BddsegError, match=r"other\.pth contains weights of another architecture"):
        run_training(recipe, tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_a_frozen_part_keeps_its_initial_weights(recipe: Recipe, tmp_path: Path) -> None:
    part = "backbone.layer1"
    start = run_training(change(recipe, iterations=1), tmp_path / "start", OPTIONS)
    init = str(tmp_path / "start" / "model.safetensors")
    frozen = change(recipe, init=init, frozen=(part,), ema_decay=None)
    assert start.best
    run_training(frozen, tmp_path / "out", OPTIONS)
    before, after = load_file(init), load_file(tmp_path / "out" / "model.safetensors")
    same = {name for name, each in after.items() if torch.equal(each, before[name])}
    assert same == {name for name in before if name.startswith(f"{part}.")}


def test_a_frozen_part_that_does_not_exist_is_an_error_before_the_first_step(
    recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(BddsegError, match="frozen: the network has no part 'bakbone'"):
        run_training(change(recipe, frozen=("bakbone",)), tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_a_folder_of_other_files_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BddsegError, match="holds files that are not of a training run"):
        run_training(recipe, tmp_path, OPTIONS)
    options = TrainOptions(device="cpu", num_workers=0, overwrite=True)
    with pytest.raises(BddsegError, match="holds files that are not of a training run"):
        run_training(recipe, tmp_path, options)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_other_frames_than_before_are_refused(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    recipe = change(recipe, data=Data(root=str(copy)), iterations=4)
    asked = iter([True])
    run_training(recipe, tmp_path / "out", OPTIONS, should_stop=lambda: next(asked))
    (copy / "train" / "images" / "003.jpg").unlink()
    with pytest.raises(BddsegError, match="was trained on other frames than there are now"):
        run_training(recipe, tmp_path / "out", OPTIONS)


def test_too_little_space_for_checkpoints_is_an_error_before_the_first_step(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(BddsegError, match="has 1 MB free, and checkpoints need"):
        run_training(recipe, tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_too_little_space_to_go_on_is_an_error_before_the_first_step(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter([True])
    run_training(recipe, tmp_path / "out", OPTIONS, should_stop=lambda: next(asked))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 10))
    with pytest.raises(BddsegError, match="has 0 MB free, and checkpoints need"):
        run_training(recipe, tmp_path / "out", OPTIONS)
    assert len(read_losses(tmp_path / "out")) == 1


def test_a_full_disk_keeps_the_last_checkpoint(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = run_two_steps(recipe, tmp_path / "out")
    before = last.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(BddsegError, match="No space left on device"):
        run_training(recipe, tmp_path / "out", OPTIONS)
    assert last.read_bytes() == before


def test_a_damaged_checkpoint_is_named(recipe: Recipe, tmp_path: Path) -> None:
    asked = iter([True])
    run_training(recipe, tmp_path / "out", OPTIONS, should_stop=lambda: next(asked))
    last = tmp_path / "out" / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(BddsegError, match=r"last.pt cannot be read as a checkpoint"):
        run_training(recipe, tmp_path / "out", OPTIONS)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    def make(width: int) -> TrainingState:
        network = torch.nn.Linear(width, 2)
        return TrainingState(
            network=network,
            optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
            average=None,
        )

    make(3).save(tmp_path / "last.pt")
    with pytest.raises(BddsegError, match="checkpoint of another network"):
        make(4).load(tmp_path / "last.pt")


def test_bf16_is_close_to_fp32(recipe: Recipe, tmp_path: Path) -> None:
    options = TrainOptions(device="cpu", num_workers=0, num_threads=1, precision="bf16")
    recipe = change(recipe, iterations=2, evaluation=Evaluation(examples=0))
    run_training(recipe, tmp_path / "bf16", options)
    run_training(recipe, tmp_path / "fp32", OPTIONS)
    bf16, fp32 = read_losses(tmp_path / "bf16"), read_losses(tmp_path / "fp32")
    assert bf16 == pytest.approx(fp32, rel=0.05)
    assert bf16 != fp32


def test_records_are_plain_data() -> None:
    record = TrainingRecord.fail(BddsegError("A problem.", "A step."), 5)
    assert (record.status, record.error, record.hint) == ("failed", "A problem.", "A step.")
