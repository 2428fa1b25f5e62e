import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import deque
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bddseg_train.loader import Batch, TrainingSet, make_loader, normalize
from bddseg_train.transforms import Sample, build_transforms
from torch import Tensor

from bddseg.data.image import write_jpeg
from bddseg.data.labeled_frames import LabeledFrame, open_labeled_frames
from bddseg.data.mask import write_mask
from bddseg.errors import BddsegError
from bddseg.specs import Preprocessing
from bddseg.tasks.task import get_task

TASK = get_task("drivable")
NUM_FRAMES = 5
SIZE_HW, CROP_HW = (48, 80), (32, 64)
# Larger and smaller than the crop.
RECIPE: list[dict[str, Any]] = [
    {"name": "resize", "size_hw": list(SIZE_HW), "ratio_range": [0.5, 1.5]},
    {"name": "crop", "max_class_share": 0.75},
    {"name": "flip"},
    {"name": "color_jitter"},
]
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    for number in range(NUM_FRAMES):
        pixels = rng.integers(0, 256, (*SIZE_HW, 3), np.uint8)
        write_jpeg(folder / "images" / f"{number}.jpg", pixels)
        labels = np.full(SIZE_HW, 2, np.uint8)
        labels[20:] = rng.integers(0, 3, (28, SIZE_HW[1]))
        write_mask(folder / "masks" / f"{number}.png", labels)
    return folder


def open_set(
    folder: Path, *, seed: int = 0, transforms: list[dict[str, Any]] = RECIPE
) -> TrainingSet:
    frames = open_labeled_frames(str(folder / "images"), str(folder / "masks"), TASK)
    return TrainingSet(frames, TASK, build_transforms(transforms, CROP_HW), CROP_HW, seed)


def load(dataset: TrainingSet, positions: range, num_workers: int = 0) -> list[Batch]:
    return list(make_loader(dataset, positions, batch_size=2, num_workers=num_workers))


def assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for name, mine, theirs in zip(Batch._fields, one, other, strict=True):
            assert torch.equal(mine, theirs), name


def test_each_epoch_has_all_frames_in_an_order_of_its_own(folder: Path) -> None:
    dataset = open_set(folder)
    names = [dataset.get_frame(position).name for position in range(4 * NUM_FRAMES)]
    epochs = [tuple(names[i : i + NUM_FRAMES]) for i in range(0, len(names), NUM_FRAMES)]
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert len(set(epochs)) > 1


def test_a_sample_depends_on_the_seed_and_its_position_alone(folder: Path) -> None:
    first, second = open_set(folder), open_set(folder)
    for position in (13, 2, 7):
        second[position]
    np.testing.assert_array_equal(first[7].image, second[7].image)
    np.testing.assert_array_equal(first[7].labels, second[7].labels)
    # The same frame in the next epoch, and with another seed.
    names = [first.get_frame(position).name for position in range(2 * NUM_FRAMES)]
    again = names.index(names[0], NUM_FRAMES)
    assert not np.array_equal(first[0].image, first[again].image)
    assert not np.array_equal(first[7].image, open_set(folder, seed=1)[7].image)


def test_workers_give_the_batches_of_this_process(folder: Path) -> None:
    dataset = open_set(folder)
    alone = load(dataset, range(3, 12))
    assert [batch.positions.tolist() for batch in alone] == [[3, 4], [5, 6], [7, 8], [9, 10], [11]]
    assert_equal(alone, load(dataset, range(3, 12), num_workers=2))


def test_ranks_share_the_batches_of_one_process(folder: Path) -> None:
    dataset = open_set(folder)
    whole = load(dataset, range(8))
    ranks = [
        list(make_loader(dataset, range(r, 8, 2), batch_size=1, num_workers=0)) for r in (0, 1)
    ]
    split = [batch for pair in zip(*ranks, strict=True) for batch in pair]
    assert torch.equal(
        torch.cat([batch.images for batch in split]), torch.cat([batch.images for batch in whole])
    )


def test_positions_can_be_without_end(folder: Path) -> None:
    loader = make_loader(open_set(folder), count(100), batch_size=3, num_workers=0)
    batches = list(islice(loader, 2))
    assert [batch.positions.tolist() for batch in batches] == [[100, 101, 102], [103, 104, 105]]


def test_a_batch_is_padded_at_the_right_and_below(folder: Path) -> None:
    dataset = open_set(folder)
    batches = load(dataset, range(20))
    assert {batch.images.dtype for batch in batches} == {torch.uint8}
    sizes = set()
    for batch in batches:
        assert batch.images.shape == (2, 3, *CROP_HW)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        for image, (height, width), labels, position in zip(*batch, strict=True):
            sample = dataset[int(position)]
            assert sample.size_hw == (height, width)
            sizes.add(sample.size_hw)
            inside = image[:, :height, :width].permute(1, 2, 0)
            np.testing.assert_array_equal(inside.numpy(), sample.image)
            np.testing.assert_array_equal(labels[:height, :width].numpy(), sample.labels)
            assert (labels[height:] == 255).all()
            assert (labels[:, width:] == 255).all()
    assert CROP_HW in sizes
    assert len(sizes) > 1


def test_a_loader_leaves_the_random_state_of_torch_alone(folder: Path) -> None:
    state = torch.get_rng_state()
    load(open_set(folder), range(4))
    assert torch.equal(torch.get_rng_state(), state)


def make_spec(**values: Any) -> Preprocessing:
    return Preprocessing(size_hw=CROP_HW, mean=MEAN, std=STD, **values)


def make_batch(image: Tensor) -> Batch:
    """Return a batch of one image (h, w, 3), uint8, padded to (h + 2, w + 14)."""
    height, width = image.shape[:2]
    images = torch.full((1, 3, height + 2, width + 14), 9, dtype=torch.uint8)
    images[0, :, :height, :width] = image.permute(2, 0, 1)
    labels = torch.zeros((1, height + 2, width + 14), dtype=torch.uint8)
    return Batch(images, torch.tensor([[height, width]]), labels, torch.tensor([0]))


def test_normalized_images_and_their_padding_equal_those_of_mmsegmentation() -> None:
    golden = np.load(Path(__file__).parent / "golden" / "transforms.npz")
    image, expected = golden["case0-9_jitter_image"], golden["case0-9_inputs"]
    found = normalize(make_batch(torch.from_numpy(image)), make_spec())
    assert found.dtype == torch.float32
    assert (expected[46:] == 0).all()
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-6)


def test_normalizing_reorders_channels_and_scales() -> None:
    image = torch.tensor([[[10, 20, 30]]], dtype=torch.uint8)
    spec = Preprocessing(
        size_hw=(32, 32), mean=(1, 2, 3), std=(1, 2, 4), scale=2, channel_order="BGR"
    )
    found = normalize(make_batch(image), spec)[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([58.0, 18.0, 3.5]))


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A folder whose last image is cut off."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        for path in (folder / name).iterdir():
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "images" / f"{NUM_FRAMES - 1}.jpg"
    path.write_bytes(path.read_bytes()[:100])
    return tmp_path


@pytest.mark.timeout(120)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_damaged_image_is_named_in_this_process_and_workers_end_at_once(
    damaged: Path, num_workers: int
) -> None:
    others, dataset = list_processes(), open_set(damaged)
    start = next(number for number in count() if dataset.get_frame(number).name != "4")
    loader = make_loader(dataset, count(start), batch_size=1, num_workers=num_workers)
    batches = iter(loader)
    next(batches)
    assert len(list_processes() - others) == num_workers
    began_s = time.monotonic()
    with pytest.raises(BddsegError, match=r"images/4.jpg cannot be read") as caught:
        list(batches)
    # The error still refers to the frames that it came through.
    assert list_processes() == others
    # Those that torch has to end by force take five seconds each.
    assert time.monotonic() - began_s < 5
    assert "Traceback" not in str(caught.value)
    assert caught.value.hint


def list_processes() -> set[int]:
    """Return the ids of the worker processes of this process."""
    return {process.pid for process in multiprocessing.active_children() if process.pid}


@pytest.mark.timeout(120)
def test_workers_end_when_the_iterator_is_closed(folder: Path) -> None:
    others = list_processes()
    batches = iter(make_loader(open_set(folder), count(), batch_size=2, num_workers=2))
    next(batches)
    batches.close()
    assert list_processes() == others


def fail(sample: Sample, rng: np.random.Generator) -> Sample:
    del sample, rng
    raise RuntimeError("a mistake in a transform")


@pytest.mark.timeout(120)
def test_a_mistake_in_a_transform_is_shown_with_its_place(folder: Path) -> None:
    others = list_processes()
    frames = open_labeled_frames(str(folder / "images"), str(folder / "masks"), TASK)
    dataset = TrainingSet(frames, TASK, fail, CROP_HW, 0)
    with pytest.raises(RuntimeError, match=r"a mistake in a transform") as caught:
        load(dataset, range(4), num_workers=1)
    assert "in fail" in str(caught.value)
    assert list_processes() == others


def test_labels_of_another_size_and_task_are_named(folder: Path, tmp_path: Path) -> None:
    frame = open_set(folder).get_frame(0)
    path = tmp_path / "mask.png"
    labels = type(frame.labels)("mask", path)  # type: ignore[arg-type, call-arg]
    other = LabeledFrame(name="0", image=frame.image, labels=labels)
    dataset = TrainingSet([other], TASK, build_transforms(RECIPE, CROP_HW), CROP_HW, 0)
    write_mask(path, np.zeros((24, 40), np.uint8))
    with pytest.raises(BddsegError, match=r".jpg has 80x48 pixels, .*mask.png, have 40x24"):
        dataset[0]
    write_mask(path, np.full(SIZE_HW, 7, np.uint8))
    with pytest.raises(BddsegError, match=r"mask.png has id 7, and the ids of drivable are 0 to 2"):
        dataset[0]


def test_transforms_that_make_larger_images_than_the_crop_are_an_error(folder: Path) -> None:
    dataset = open_set(folder, transforms=[{"name": "flip"}])
    with pytest.raises(BddsegError, match=r'80x48 pixels .* crop_hw is \[32, 64\]. .*"crop"'):
        dataset[0]


SCRIPT = """
import multiprocessing, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_loader import make_loader, open_set

if __name__ == "__main__":
    loader = make_loader(open_set(Path({folder!r})), range(10**9), batch_size=2, num_workers=2)
    batches = iter(loader)
    next(batches)
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    while True:
        next(batches)
        time.sleep(0.05)
"""


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.timeout(120)
def test_workers_end_with_the_main_process_even_if_it_is_killed(
    folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "load.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder)))
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    workers = [int(text) for text in process.stdout.readline().split()]
    assert len(workers) == 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, workers))


@pytest.mark.timeout(120)
def test_a_killed_worker_is_an_error_of_the_main_process_and_the_others_end(folder: Path) -> None:
    others = list_processes()
    batches = iter(make_loader(open_set(folder), count(), batch_size=2, num_workers=2))
    next(batches)
    os.kill(min(list_processes() - others), signal.SIGKILL)
    with pytest.raises(BddsegError, match=r"worker process that reads frames has ended .* fewer"):
        deque(batches, maxlen=0)
    assert list_processes() == others
