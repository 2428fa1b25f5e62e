"""A model ready to use: images in, predictions out."""

import logging
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import torch
from torch import Tensor

from bddseg.data.preprocess import get_image_area, preprocess
from bddseg.data.regions import postprocess
from bddseg.data.sources.live import IterableSource
from bddseg.data.sources.source import FrameRef, OpenSource, Selection, open_source, read_all
from bddseg.errors import BddsegError, BddsegWarning
from bddseg.inference.images import ImageLike, Inputs, preprocess_on_device, to_image
from bddseg.inference.postprocess import apply_class_map, mark_not_finite
from bddseg.inference.prediction import Prediction
from bddseg.inference.resize_argmax import resize_argmax
from bddseg.inference.runtimes.runtime import RUNTIMES, Compilable, Runtime
from bddseg.inference.sliding_window import compute_logits
from bddseg.inference.smoothing import Smoother, make_thumbnail
from bddseg.inference.threads import set_num_threads
from bddseg.models.layers import resize
from bddseg.specs import Entry, Precision
from bddseg.tasks.task import IGNORE_INDEX, Task, get_task
from bddseg.types import Image, SizeHW
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights

_log = logging.getLogger(__name__)

# Test-time augmentation as in the reference: these multiples of the test size, plain and flipped.
_TTA_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


class Predictor:
    """A model: an entry's network with its weights, on a device.

    Calling it turns an image into a `Prediction`, and a list of images into a list. It keeps no
    state between calls, and threads may share it. `prepare`, `compute_logits`, `argmax` and
    `finish` are the steps of that call.

    Args:
        entry: The model.
        runtime: Executes its network.
        tasks: Names of the tasks to predict, among the entry's; without, its main task. Calls
            return the first one.
        tta: Average over six scales and their mirror images.
    """

    def __init__(
        self, entry: Entry, runtime: Runtime, *, tasks: Sequence[str] = (), tta: bool = False
    ) -> None:
        offered = (entry.task, *entry.extra_tasks)
        for task in tasks:
            if task not in offered:
                raise BddsegError(
                    f"{entry.name} does not predict the task '{task}'.",
                    f"Tasks: {', '.join(offered)}.",
                )
        self.entry = entry
        self.tasks = tuple(map(get_task, tasks or (entry.task,)))
        self.runtime = runtime
        self.tta = tta
        self._scales = _TTA_SCALES if tta else (1.0,)

    def __repr__(self) -> str:
        return (
            f"Predictor({self.entry.short_name}: {self.entry.title}, task {self.task.name} "
            f"({', '.join(self.classes)}), on {self.device})"
        )

    @property
    def task(self) -> Task:
        """The first task, of which calls return predictions."""
        return self.tasks[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, by id."""
        return self.task.classes

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self.runtime.device

    @overload
    def __call__(self, image: ImageLike, *, bgr: bool = False) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, image: Sequence[ImageLike], *, bgr: bool = False) -> list[Prediction]: ...

    def __call__(
        self, image: ImageLike | Sequence[ImageLike], *, bgr: bool = False
    ) -> Prediction | list[Prediction]:
        """Return the prediction for an image, or a list of them for a sequence of images.

        Args:
            image: A path, a PIL image, or an array, uint8: RGB (H, W, 3), RGBA (H, W, 4) or grey
                (H, W). Several may differ in size.
            bgr: Arrays of three channels are BGR, as OpenCV reads them.

        Raises:
            BddsegError: a file cannot be read, an array is not of these shapes, or the network's
                output is not finite.
        """
        if isinstance(image, Sequence) and not isinstance(image, str):
            return self._predict_all([to_image(each, bgr=bgr) for each in image])
        return self._predict_all([to_image(image, bgr=bgr)])[0]

    def stream(
        self,
        source: str | Path | Iterable[ImageLike],
        *,
        selection: Selection | None = None,
        bgr: bool = False,
        smooth: float = 1.0,
        drop: bool = False,
    ) -> Iterator[Prediction]:
        """Yield a prediction for each frame of a source, one at a time, in constant memory.

        Of a live source (the URL of a stream, a camera, standard input), it is the newest frame
        each time; those before are dropped. `Prediction.time` is when it came, and `latency_ms`
        how long ago that was.

        Args:
            source: Anything that `bddseg infer` takes (an image, a folder, a glob pattern, a list
                file, a video, a folder of videos, a live source, a source of a plugin), or an
                iterable of images, such as a generator.
            selection: Which frames of a file source, and how those of a live one are received: see
                `LiveOptions` in `bddseg.data.sources.source`.
            bgr: Arrays of three channels are BGR.
            smooth: Weight of the newest frame in an average of logits over time, which starts again
                at scene cuts; with 1, each frame is for itself.
            drop: Of an iterable: a thread reads it at its own pace, and its newest image is used.

        Raises:
            BddsegError: the source has no frames, one cannot be read, or a live one stopped sending
                frames; with smoothing, frames of a folder or an iterable differ in size, or are not
                in the order of their numbers.
        """
        smoother = None if smooth == 1 else Smoother(self, smooth)
        if not isinstance(source, str | Path):
            if not isinstance(source, Iterable):
                raise BddsegError(
                    f"A source cannot be of type {type(source).__name__}.",
                    "Give a path, or an iterable of images.",
                )
            if not drop:
                for number, item in enumerate(source):
                    converted = to_image(item, bgr=bgr)
                    yield next(self.predict_tasks(converted, f"{number:06}", smoother))
                return
            grabs = (partial(to_image, item, bgr=bgr) for item in source)
            opened: OpenSource = IterableSource(lambda: grabs, selection or Selection())
        else:
            opened = open_source(str(source), selection)
        for ref, image in read_all(opened):
            if isinstance(image, BddsegError):
                raise image
            yield next(self.predict_frame(ref, image, smoother))

    def prepare(self, image: Image) -> Inputs:
        """Return an image, RGB (H, W, 3) uint8, as `compute_logits` takes it."""
        size_hw = (image.shape[0], image.shape[1])
        if self.device.type == "cuda":
            # torch takes neither negative strides nor arrays that cannot be written to.
            pixels = torch.from_numpy(np.require(image, requirements=("C", "W")))
            return Inputs((pixels.pin_memory(),), size_hw)
        spec = self.entry.preprocessing
        arrays = (preprocess(image, spec, scale=scale) for scale in self._scales)
        return Inputs(tuple(torch.from_numpy(array) for array in arrays), size_hw)

    def compute_logits(self, batch: Sequence[Inputs]) -> list[Tensor]:
        """Return each task's logits (N, K, h, w), float32, on the device, of images of one `shape`.

        They are in the task's order of classes, at the size that the image has in the network's
        input. With test-time augmentation they are log-probabilities at the images' own size.
        """
        with torch.inference_mode():
            inputs, size_hw = self._stack(batch), batch[0].size_hw
            return self._average(inputs, size_hw) if self.tta else self._run(inputs[0], size_hw)

    def argmax(self, logits: Tensor, size_hw: SizeHW) -> Tensor:
        """Return the class ids (N, H, W), uint8, on the device, at the images' own size.

        As in the reference, logits are interpolated twice: to the size of the input, by
        `compute_logits`, then to the image's. An image whose logits are not all finite has
        `IGNORE_INDEX` everywhere: no class would be right, and no other wait for the device is
        needed to know it.
        """
        with torch.inference_mode():
            align_corners = self.runtime.align_corners
            labels = resize_argmax(logits, size_hw, align_corners=align_corners)
            return mark_not_finite(labels, logits)

    def finish(
        self,
        inputs: Inputs,
        labels: Tensor,
        logits: Tensor | None,
        *,
        task: Task | None = None,
        image: Image | None = None,
        name: str = "",
    ) -> Prediction:
        """Return the prediction of one image and task; wait for the device.

        If its logits are not finite, as half precision overflows, it is run again in float32.

        Args:
            inputs: What `prepare` returned.
            labels: Its class ids (H, W), as `argmax` returned them.
            logits: Its logits (K, h, w), if the prediction is to keep them.
            task: Which of the tasks; without, the first one.
            image: The image, if the prediction is to keep it.
            name: Name of the frame.

        Raises:
            BddsegError: the logits are not finite in float32 either.
        """
        task = task or self.task
        label_map = labels.numpy(force=True)
        if label_map[0, 0] == IGNORE_INDEX:
            exact = self.in_float32([task])
            (again,) = exact.compute_logits([inputs])
            label_map = exact.argmax(again, inputs.size_hw)[0].numpy(force=True)
            logits = None if logits is None else again[0]
        if label_map[0, 0] == IGNORE_INDEX:
            raise BddsegError(
                f"The logits of {name or 'an image'} are not finite numbers, in float32 too.",
                f"Check the weights and the preprocessing of {self.entry.short_name}.",
            )
        return Prediction(
            labels=postprocess(label_map, self.entry.get_postprocessing(task.name), task),
            task=task,
            name=name,
            image=image,
            raw_logits=logits,
            align_corners=self.runtime.align_corners,
        )

    def predict_tasks(
        self, image: Image, name: str = "", smoother: Smoother | None = None
    ) -> Iterator[Prediction]:
        """Yield the prediction of each task for an image, with the image and its logits.

        Args:
            image: RGB, (H, W, 3), uint8.
            name: Name of the frame.
            smoother: Averages the logits over the images that it was given.

        Raises:
            BddsegError: the logits are not finite; see `Smoother.compute_logits` too.
        """
        inputs = self.prepare(image)
        if smoother:
            outputs = smoother.compute_logits(inputs, make_thumbnail(image), name)
        else:
            outputs = self.compute_logits([inputs])
        for task, logits in zip(self.tasks, outputs, strict=True):
            labels = self.argmax(logits, inputs.size_hw)[0]
            yield self.finish(inputs, labels, logits[0], task=task, image=image, name=name)

    def predict_frame(
        self, ref: FrameRef, image: Image, smoother: Smoother | None = None
    ) -> Iterator[Prediction]:
        """Yield the prediction of each task for a frame of a source, with its time and latency.

        The parameters and errors are those of `predict_tasks`.
        """
        for prediction in self.predict_tasks(image, ref.name, smoother):
            yield replace(prediction, time=ref.time, latency_ms=ref.get_latency_ms())

    def in_float32(self, tasks: Sequence[Task]) -> "Predictor":
        """Return the same model computing in float32, for some of its tasks."""
        names = [task.name for task in tasks]
        return Predictor(self.entry, self.runtime.in_float32(), tasks=names, tta=self.tta)

    def _predict_all(self, images: Sequence[Image]) -> list[Prediction]:
        by_shape: defaultdict[object, list[int]] = defaultdict(list)
        for number, image in enumerate(images):
            by_shape[image.shape].append(number)
        predictions: dict[int, Prediction] = {}
        for numbers in by_shape.values():
            # A CPU gains nothing from larger batches; on a GPU the caller chooses how many.
            size = 1 if self.device.type == "cpu" else len(numbers)
            for start in range(0, len(numbers), size):
                part = numbers[start : start + size]
                batch = [self.prepare(images[number]) for number in part]
                logits = self.compute_logits(batch)[0]
                labels = self.argmax(logits, batch[0].size_hw)
                for number, *outputs in zip(part, batch, labels, logits, strict=True):
                    predictions[number] = self.finish(*outputs, image=images[number])
        return [predictions[number] for number in range(len(images))]

    def _stack(self, batch: Sequence[Inputs]) -> list[Tensor]:
        """Return one batch (N, 3, h, w), float32, on the device, for each scale."""
        if self.device.type != "cuda":
            by_scale = zip(*(each.tensors for each in batch), strict=True)
            return [torch.stack(tensors).to(self.device) for tensors in by_scale]
        images = torch.stack([each.tensors[0].to(self.device, non_blocking=True) for each in batch])
        spec = self.entry.preprocessing
        return [preprocess_on_device(images, spec, scale=scale) for scale in self._scales]

    def _run(
        self, inputs: Tensor, size_hw: SizeHW, *, scale: float = 1.0, mirrored: bool = False
    ) -> list[Tensor]:
        """Return the logits of images of `size_hw`, or their mirror images, without padding."""
        outputs = compute_logits(
            self.runtime, inputs.flip(3) if mirrored else inputs, self.entry.sliding_window
        )
        rows, columns = get_image_area(size_hw, self.entry.preprocessing, scale=scale)
        if mirrored:
            columns = slice(inputs.shape[3] - columns.stop, inputs.shape[3] - columns.start)
        logits = []
        for name in (task.name for task in self.tasks):
            if name not in outputs:
                raise BddsegError(
                    f"The network of {self.entry.name} has no output '{name}', but "
                    f"{', '.join(outputs)}.",
                    "Correct task and extra_tasks in its entry.",
                )
            mapped = apply_class_map(outputs[name], self.entry.get_class_map(name))
            logits.append(mapped[:, :, rows, columns])
        return logits

    def _average(self, inputs: Sequence[Tensor], size_hw: SizeHW) -> list[Tensor]:
        """Return log-probabilities (N, K, *size_hw), averaged over inputs and their mirrors."""
        totals = [torch.zeros((), device=self.device) for _ in self.tasks]
        for each, scale in zip(inputs, self._scales, strict=True):
            for mirrored in (False, True):
                outputs = self._run(each, size_hw, scale=scale, mirrored=mirrored)
                for number, logits in enumerate(outputs):
                    resized = resize(logits, size_hw, align_corners=self.runtime.align_corners)
                    scores = resized.softmax(dim=1)
                    totals[number] = totals[number] + (scores.flip(3) if mirrored else scores)
        # The logarithm of 0 would be infinite, and stay so in averages over time.
        smallest = torch.finfo(torch.float32).tiny
        return [(total / (2 * len(inputs))).clamp(min=smallest).log() for total in totals]


def load_model(
    model: str | Path | Entry,
    *,
    weights: str | Path | None = None,
    task: str | Sequence[str] | None = None,
    runtime: str | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    tta: bool = False,
    compile: bool = False,  # noqa: A002
    num_threads: int = 0,
) -> Predictor:
    """Return a model ready to use.

    Args:
        model: A model's name, the path of an entry's TOML file, or an entry.
        weights: A checkpoint file; without, the entry's own, downloaded if necessary.
        task: Which of the model's tasks to predict; without, the main one. Of several, calls
            return the first.
        runtime: What executes the network: "torch", "openvino", "onnx", "tensorrt", or "auto" for
            OpenVINO where it is faster than torch on the first image, with the same labels;
            without, the entry's.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: What the network computes in: "fp32"; "fp16" or "bf16", half precision; "tf32",
            a CUDA GPU's faster float32.
        tta: Average over six scales and their mirror images: slower, and a little better.
        compile: Compile the network with torch.compile: each new size of images then takes a
            minute, or several, and the following ones of that size less time.
        num_threads: Threads that compute networks on a CPU, in the whole process; 0 leaves the
            number as it is.

    Raises:
        BddsegError: no such model, weights or device, or weights that do not fit; the runtime does
            not compile, or there is no compiler.

    Warns:
        BddsegWarning: the model's entry has a warning.
    """
    if num_threads:
        set_num_threads(num_threads)
    entry = find_entry(model)
    if entry.warning:
        warnings.warn(entry.warning, BddsegWarning, stacklevel=2)
    executor = RUNTIMES.load(runtime or entry.runtime)
    path = Path(weights) if weights else get_weights(entry)
    loaded = executor.load(entry, path, device=device, precision=precision)
    if compile:
        if not isinstance(loaded, Compilable):
            raise BddsegError(
                f"The runtime '{runtime or entry.runtime}' compiles nothing.",
                "Leave --compile out, or use --runtime torch.",
            )
        loaded.compile()
    _log.info("%s on %s with %s", entry.name, loaded.device, path)
    tasks = [task] if isinstance(task, str) else task or ()
    return Predictor(entry, loaded, tasks=tasks, tta=tta)
