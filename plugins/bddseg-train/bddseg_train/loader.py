"""Batches of training samples, made by worker processes."""

import os
import signal
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.context import BaseContext
from threading import Thread
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from bddseg.data.labeled_frames import LabeledFrame
from bddseg.errors import BddsegError
from bddseg.specs import Preprocessing
from bddseg.tasks.task import IGNORE_INDEX, Task
from bddseg.types import SizeHW
from bddseg_train.transforms import Sample, Transform


class Batch(NamedTuple):
    """Training samples of one size.

    Attributes:
        images: RGB, (N, 3, H, W), uint8, channels last in memory; padded at the right and below.
        sizes_hw: The part of each that is image, (N, 2), int64.
        labels: Class ids, (N, H, W), uint8; 255 is ignored, and the padding.
        positions: Position of each in the training set, (N,), int64.
    """

    images: Tensor
    sizes_hw: Tensor
    labels: Tensor
    positions: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device; from pinned memory, it is copied while the CPU goes on."""
        return Batch(*(each.to(device, non_blocking=True) for each in self))


class TrainingSet(Dataset[Sample]):
    """Frames in random order without end: each epoch has all of them, in an order of its own.

    A sample depends on the seed and its position alone, whatever process makes it.

    Args:
        frames: Frames with ground truth.
        task: Task of the labels.
        transform: From a frame to an input.
        crop_hw: Size of the inputs, in pixels; smaller ones are padded.
        seed: Seed of the order and of the transforms, 0 or more.
    """

    def __init__(
        self,
        frames: Sequence[LabeledFrame],
        task: Task,
        transform: Transform,
        crop_hw: SizeHW,
        seed: int,
    ) -> None:
        self.crop_hw = crop_hw
        self._frames = frames
        self._task = task
        self._transform = transform
        self._seed = seed
        self._order: tuple[int, npt.NDArray[np.int64]] | None = None

    def get_frame(self, position: int) -> LabeledFrame:
        """Return the frame at a position: 0, 1, 2 and so on without end."""
        epoch, index = divmod(position, len(self._frames))
        if self._order is None or self._order[0] != epoch:
            rng = np.random.default_rng((self._seed, epoch))
            self._order = epoch, rng.permutation(len(self._frames))
        return self._frames[int(self._order[1][index])]

    def __getitem__(self, position: int) -> Sample:
        """Return the sample at a position, at most `crop_hw` large.

        Raises:
            BddsegError: Its image or labels cannot be read, their sizes differ, or the transforms
                make a larger image than `crop_hw`.
        """
        frame = self.get_frame(position)
        sample = Sample(frame.read_image(), frame.read_labels(self._task))
        height, width = sample.image.shape[:2]
        if sample.size_hw != (height, width):
            raise BddsegError(
                f"{frame.image} has {width}x{height} pixels, and its labels, "
                f"{frame.labels.origin}, have {sample.size_hw[1]}x{sample.size_hw[0]}.",
                "Give labels of the size of the images, or remove both.",
            )
        sample = self._transform(sample, np.random.default_rng((self._seed, position)))
        height, width = sample.size_hw
        if height > self.crop_hw[0] or width > self.crop_hw[1]:
            raise BddsegError(
                f"The transforms make an image of {width}x{height} pixels of {frame.image}, and "
                f"crop_hw is {list(self.crop_hw)}.",
                'Add the transform "crop", or change crop_hw.',
            )
        return sample


def make_loader(
    dataset: TrainingSet,
    positions: Sampler[int] | Iterable[int],
    *,
    batch_size: int,
    num_workers: int,
    pin_memory: bool = False,
) -> "_Loader":
    """Return a loader of batches.

    It leaves torch's random state alone. Iterating it raises BddsegError for a frame that cannot be
    read, with the file's name. Its iterator ends the workers when it ends, by an error too, and
    when it is closed. Workers are started by a process of its own without threads, so a script that
    uses it needs `if __name__ == "__main__"`.

    Args:
        dataset: The training set.
        positions: Positions of the samples, in order; may be without end.
        batch_size: Number of samples in a batch.
        num_workers: Number of processes that make batches; with 0 it is this process.
        pin_memory: Copy batches into pinned memory, for a GPU.
    """
    return _Loader(
        cast(Dataset[Batch], _Batches(dataset)),
        batch_size=None,
        sampler=BatchSampler(cast(Sampler[int], positions), batch_size, drop_last=False),
        collate_fn=_keep,
        num_workers=num_workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),
        worker_init_fn=_start_worker if num_workers else None,
        multiprocessing_context=_get_context() if num_workers else None,
    )


def normalize(batch: Batch, spec: Preprocessing) -> Tensor:
    """Return a batch's images as the network's input, (N, 3, H, W), float32, on its device.

    The padding is 0, as in mmsegmentation, which pads after this step.
    """
    images = batch.images.flip(1) if spec.channel_order == "BGR" else batch.images
    mean, factor = _get_constants(spec, images.device)
    inputs = (images.float() - mean) * factor
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device) < batch.sizes_hw[:, :1]
    columns = torch.arange(width, device=images.device) < batch.sizes_hw[:, 1:]
    return inputs * (rows[:, None, :, None] & columns[:, None, None, :])


def _get_context() -> BaseContext:
    context = get_context("forkserver")
    # Imported once, for all workers: it takes seconds.
    context.set_forkserver_preload([__name__])
    return context


# A copy to a GPU waits for the GPU: once is enough.
@lru_cache(maxsize=8)
def _get_constants(spec: Preprocessing, device: torch.device) -> tuple[Tensor, Tensor]:
    mean = torch.tensor(spec.mean, dtype=torch.float32, device=device)
    std = torch.tensor(spec.std, dtype=torch.float64)
    factor = (spec.scale / std).to(device=device, dtype=torch.float32)
    return mean.view(3, 1, 1), factor.view(3, 1, 1)


class _Batches(Dataset[Batch | BddsegError]):
    """Batches by their positions; errors are returned, so that they get out of a worker."""

    def __init__(self, dataset: TrainingSet) -> None:
        self._dataset = dataset

    def __getitem__(self, positions: list[int]) -> Batch | BddsegError:
        try:
            samples = [self._dataset[position] for position in positions]
        except BddsegError as error:
            return BddsegError(error.message, error.hint)
        return _collate(samples, positions, self._dataset.crop_hw)


class _Loader(DataLoader[Batch]):
    """A loader that raises the errors that its workers return, and ends them at once.

    torch ends them as soon as nothing refers to its iterator. Of one that is left to the garbage
    collector, the queues are closed first, and torch waits five seconds for each worker.
    """

    def __iter__(self) -> Generator[Batch, None, None]:  # type: ignore[override]
        batches = cast(Iterator[Batch | BddsegError], super().__iter__())
        try:
            for batch in batches:
                if isinstance(batch, BddsegError):
                    raise batch
                yield batch
        except Exception as error:
            # Its frames refer to the iterator; what failed in a worker is in its text.
            error.with_traceback(None)
            if not _is_of_killed_worker(error):
                raise
            cause = str(error) or type(error).__name__
            raise BddsegError(
                f"A worker process that reads frames has ended ({cause}).",
                "Its memory may be exhausted: use fewer workers, or smaller batches.",
            ) from error
        finally:
            del batches


def _is_of_killed_worker(error: Exception) -> bool:
    """Return whether torch reports a worker that was killed, or the pipe to it does."""
    if isinstance(error, RuntimeError):
        return str(error).startswith("DataLoader worker (pid")
    return isinstance(error, EOFError | ConnectionError)


def _keep(batch: Any) -> Any:
    return batch


def _collate(samples: Sequence[Sample], positions: Sequence[int], crop_hw: SizeHW) -> Batch:
    images = np.zeros((len(samples), *crop_hw, 3), np.uint8)
    labels = np.full((len(samples), *crop_hw), IGNORE_INDEX, np.uint8)
    for image, label_map, sample in zip(images, labels, samples, strict=True):
        height, width = sample.size_hw
        image[:height, :width] = sample.image
        label_map[:height, :width] = sample.labels
    return Batch(
        torch.from_numpy(images).permute(0, 3, 1, 2),
        torch.tensor([sample.size_hw for sample in samples]),
        torch.from_numpy(labels),
        torch.tensor(positions),
    )


def _start_worker(_: int) -> None:
    # The workers use all cores together.
    cv2.setNumThreads(0)
    # Ctrl-C reaches all processes of a terminal: the main process decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """End this worker once the main process has ended, even if it was killed.

    torch looks at the process that started the worker, which lives on.
    """
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
