"""What a runtime has to do."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from bddseg.inference.runtimes.runtime import Runtime
from bddseg.models.build import count_classes
from bddseg.specs import Entry
from bddseg.testing.check import check


def check_runtime(runtime: Runtime, entry: Entry) -> None:
    """Check a loaded runtime: logits for batches of any size, and from threads if it allows them.

    Images are of an odd size, or of the entry's where its preprocessing makes all images equal.

    Args:
        runtime: With the entry's network, as `load` returned it.
        entry: The model.

    Raises:
        AssertionError: it does something else.
    """
    check(str(runtime.device) != "", "the runtime has no device")
    check(isinstance(runtime.align_corners, bool), "align_corners has to be True or False")
    check(bool(type(runtime).list_devices()), "list_devices() lists no device")
    num_classes = count_classes(entry, entry.task)
    spec = entry.preprocessing
    size_hw = spec.size_hw if spec.has_fixed_size else (65, 97)
    for batch_size in (1, 2):
        images = torch.zeros(batch_size, 3, *size_hw, device=runtime.device)
        with torch.inference_mode():
            outputs = runtime.infer(images)
        check(entry.task in outputs, f"infer() gives no logits of {entry.task}")
        shape = tuple(outputs[entry.task].shape)
        check(
            len(shape) == 4 and shape[:2] == (batch_size, num_classes),
            f"logits of {batch_size} images and {num_classes} classes are {shape}",
        )
    if getattr(runtime, "is_thread_safe", False):
        _check_threads(runtime, torch.randn(8, 1, 3, *size_hw, device=runtime.device), entry.task)
    fitting = runtime.measure_batch_size(lambda: None, 4)
    check(1 <= fitting <= 4, f"measure_batch_size() with a limit of 4 gives {fitting}")
    check(not runtime.is_out_of_memory(ValueError()), "a ValueError counts as out of memory")


def _check_threads(runtime: Runtime, images: Tensor, task: str) -> None:
    def infer(image: Tensor) -> Tensor:
        with torch.inference_mode():
            return runtime.infer(image)[task].float().cpu()

    expected = [*map(infer, images)]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(infer, images), expected, strict=True):
            difference = (one - other).abs().max().item()
            check(
                difference <= 1e-3 * other.abs().max().item(),
                f"threads that call infer() in parallel get other logits: by {difference:.3g}",
            )
