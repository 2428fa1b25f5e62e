"""The contracts of an architecture: what every network that it builds must do."""

import copy
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bddseg.inference.postprocess import apply_class_map, argmax
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.inference.sliding_window import compute_logits
from bddseg.models.build import build_network, count_classes
from bddseg.models.network import Fusible, Network, convert_to_half
from bddseg.specs import Entry
from bddseg.tasks.task import get_task
from bddseg.testing.check import check
from bddseg.zoo.catalog import find_entry

# Odd, and not a multiple of any stride.
_SIZE_HW = (65, 97)
# Largest difference that rounding explains, in standard deviations of the logits.
_ROUNDING = 1e-4
# The mean difference in bfloat16, which has 8 bits.
_HALF_ROUNDING = 0.5


@dataclass(frozen=True, slots=True)
class Example:
    """A network to test.

    Attributes:
        entry: Entry with the network's architecture and options.
        network: Network in evaluation mode, with random parameters.
    """

    entry: Entry
    network: nn.Module

    @property
    def num_classes(self) -> dict[str, int]:
        """Number of classes of each output, by task name."""
        entry = self.entry
        return {name: count_classes(entry, name) for name in (entry.task, *entry.extra_tasks)}

    def make_images(self) -> Tensor:
        """Return two different images (2, 3, H, W) of an odd size, the same at each call."""
        return torch.randn(2, 3, *_SIZE_HW, generator=torch.Generator().manual_seed(1))

    def infer(self, images: Tensor, network: nn.Module | None = None) -> dict[str, Tensor]:
        """Return the logits of each output, by task name, without gradients.

        Args:
            images: (N, 3, H, W).
            network: A changed copy of the network, to run instead.
        """
        with torch.inference_mode():
            outputs = (network or self.network)(images)
        return dict(outputs) if isinstance(outputs, Mapping) else {self.entry.task: outputs}


def make_example(model: str | Entry) -> Example:
    """Return the network of an entry, with parameters that let every part affect the outputs.

    Args:
        model: An entry, its name in the catalogs, or the path of its TOML file.

    Raises:
        BddsegError: There is no such entry, or its options do not fit the architecture.
    """
    entry = find_entry(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(entry)
        for name, parameter in network.named_parameters():
            # A factor that starts at 0 would hide the layers before it.
            if parameter.dim() <= 1 and not parameter.any() and not name.endswith("bias"):
                nn.init.constant_(parameter, 0.5)
    return Example(entry, network.eval())


def returns_logits_for_each_class(example: Example) -> None:
    """Images (N, 3, H, W) become finite logits (N, K, h, w) for each task of the entry.

    A network with one output returns it as a tensor, one with several a mapping from task name to
    tensor. `align_corners` is a bool.
    """
    outputs = example.infer(example.make_images())
    expected = ", ".join(sorted(example.num_classes))
    found = ", ".join(sorted(outputs))
    check(found == expected, f"expected outputs for {expected}, got {found}")
    for task, logits in outputs.items():
        kind, num_classes = type(logits).__name__, example.num_classes[task]
        check(isinstance(logits, Tensor), f"{task}: expected a tensor, got {kind}")
        check(
            logits.dim() == 4 and logits.shape[:2] == (2, num_classes),
            f"{task}: expected logits (2, {num_classes}, h, w), got {tuple(logits.shape)}",
        )
        check(bool(logits.isfinite().all()), f"{task}: some logits are not finite")
    align_corners = getattr(example.network, "align_corners", None)
    check(isinstance(align_corners, bool), f"expected a bool align_corners, got {align_corners}")


def treats_images_of_a_batch_separately(example: Example) -> None:
    """An image's logits do not depend on the other images of its batch."""
    images = example.make_images()
    together = example.infer(images)
    alone = [example.infer(image[None]) for image in images]
    for task, logits in together.items():
        _check_close(logits, torch.cat([each[task] for each in alone]))
        check(not torch.allclose(logits[0], logits[1]), f"{task}: two images have the same logits")


def labels_every_pixel_of_odd_sizes(example: Example) -> None:
    """Images of any size, landscape or portrait, get a class id of the task for each pixel."""
    network = cast(Network, example.network)
    runtime = TorchRuntime(network, example.entry.task, torch.device("cpu"))
    for size_hw in (_SIZE_HW, _SIZE_HW[::-1]):
        with torch.inference_mode():
            outputs = compute_logits(runtime, torch.randn(1, 3, *size_hw))
        main = apply_class_map(outputs[example.entry.task], example.entry.class_map)
        for task, logits in (outputs | {example.entry.task: main}).items():
            labels = argmax(logits)
            check(labels.shape == (1, *size_hw), f"{task}: {size_hw} became {tuple(labels.shape)}")
            check(labels.dtype == torch.uint8, f"{task}: the label map's type is {labels.dtype}")
            highest = int(labels.max())
            has_class = highest < get_task(task).num_classes
            check(has_class, f"{task}: class id {highest} is not one of the task")


def trains_every_parameter(example: Example) -> None:
    """Each parameter that requires a gradient gets a finite one.

    A network with heads that only training uses has a method `forward_heads`, which returns the
    logits of all heads.
    """
    trained = copy.deepcopy(example.network).train()
    forward = getattr(trained, "forward_heads", trained)
    outputs = forward(example.make_images())
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    heads = [outputs] if isinstance(outputs, Tensor) else outputs
    torch.autograd.backward(torch.stack([logits.square().mean() for logits in heads]).sum())
    for name, parameter in trained.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            raise AssertionError(f"{name} gets no gradient")
        if parameter.grad is not None:
            is_finite = bool(parameter.grad.isfinite().all())
            check(is_finite, f"the gradient of {name} is not finite")


def loads_its_own_state_dict(example: Example) -> None:
    """The state dict, saved and loaded with `weights_only=True`, gives the same network."""
    file = io.BytesIO()
    torch.save(example.network.state_dict(), file)
    file.seek(0)
    loaded = copy.deepcopy(example.network)
    for tensor in (*loaded.parameters(), *loaded.buffers()):
        nn.init.zeros_(tensor)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    images = example.make_images()
    expected = example.infer(images)
    for task, logits in example.infer(images, loaded).items():
        is_equal = torch.equal(logits, expected[task])
        check(is_equal, f"{task}: logits change when the network loads its own state dict")


def returns_equal_logits_when_fused(example: Example) -> None:
    """`fuse`, if the network has it, changes logits by rounding only."""
    network = copy.deepcopy(example.network)
    if not isinstance(network, Fusible):
        return
    # The statistics of new norms would hide a mistake in the folding.
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.bias, -0.1, 0.1, generator=generator)
    images = example.make_images()
    expected = example.infer(images, network)
    with torch.inference_mode():
        network.fuse()
    for task, logits in example.infer(images, network).items():
        change = float((logits - expected[task]).abs().max() / expected[task].std())
        check(change < _ROUNDING, f"{task}: fuse() changes logits by {change:.1e} of their std")


def returns_equal_logits_in_training_mode(example: Example) -> None:
    """Training mode differs from evaluation only in batch normalisation and dropout.

    Stochastic depth (a module whose class name contains "drop") counts as dropout.
    """
    trained = copy.deepcopy(example.network).train()
    for module in trained.modules():
        is_dropout = "drop" in type(module).__name__.lower()
        if is_dropout or isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    images = example.make_images()
    expected = example.infer(images)
    for task, logits in example.infer(images, trained).items():
        _check_close(logits, expected[task])


def runs_in_half_precision(example: Example) -> None:
    """With weights and images in half precision, logits are half precision, and nearly the same."""
    half = copy.deepcopy(example.network)
    convert_to_half(half, torch.bfloat16)
    images = example.make_images()
    expected = example.infer(images)
    for task, logits in example.infer(images.bfloat16(), half).items():
        check(logits.dtype == torch.bfloat16, f"{task}: the logits' type is {logits.dtype}")
        change = float((logits - expected[task]).abs().mean() / expected[task].std())
        check(change < _HALF_ROUNDING, f"{task}: logits change by {change:.2f} of their std")


def can_be_exported(example: Example) -> None:
    """`torch.export` accepts the network at the input size of its entry."""
    window = example.entry.sliding_window
    size_hw = window.crop_hw if window else example.entry.preprocessing.size_hw
    program = torch.export.export(example.network, (torch.randn(1, 3, *size_hw),))
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    outputs = program.graph_signature.user_outputs
    shapes = sorted(tuple(values[name].shape[:2]) for name in outputs)
    expected = sorted((1, number) for number in example.num_classes.values())
    check(shapes == expected, f"the exported program returns (N, K) = {shapes}, not {expected}")


ARCHITECTURE_CONTRACTS: tuple[Callable[[Example], None], ...] = (
    returns_logits_for_each_class,
    treats_images_of_a_batch_separately,
    labels_every_pixel_of_odd_sizes,
    trains_every_parameter,
    loads_its_own_state_dict,
    returns_equal_logits_when_fused,
    returns_equal_logits_in_training_mode,
    runs_in_half_precision,
    can_be_exported,
)


def _check_close(logits: Tensor, expected: Tensor) -> None:
    tolerance = _ROUNDING * expected.std().item()
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=tolerance)
