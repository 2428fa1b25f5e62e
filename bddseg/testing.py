"""The contracts of an architecture, for a plugin's own tests.

    import pytest
    from bddseg.testing import CONTRACTS, make_example

    @pytest.fixture(scope="module")
    def example():
        return make_example("my_model")

    @pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
    def test_contract(contract, example):
        contract(example)

A contract returns if it is kept, and raises AssertionError if not.
"""

import copy
import io
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bddseg.models.architectures import Optimizable, build_network
from bddseg.models.segmenter import Segmenter
from bddseg.tasks import get_task
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.entry import Entry

# Odd, and no multiple of any stride.
_SMALL_HW = (65, 97)
# Largest difference that rounding explains, in standard deviations of the logits.
_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Example:
    """A network to be tested.

    Attributes:
        entry: whose architecture and options it has.
        network: in evaluation mode, with random parameters.
    """

    entry: Entry
    network: nn.Module

    @property
    def num_classes(self) -> int:
        """K."""
        return len(get_task(self.entry.task).classes)

    def make_images(self) -> Tensor:
        """Return two different images (2, 3, H, W) of an odd size, the same ones at each call."""
        return torch.randn(2, 3, *_SMALL_HW, generator=torch.Generator().manual_seed(1))


def make_example(model: str | Entry) -> Example:
    """Return the network of an entry, with parameters that let every part of it matter.

    Args:
        model: an entry, its name in the catalogs, or the path of its TOML file.

    Raises:
        BddsegError: there is none, or its options do not fit.
    """
    entry = find_entry(model) if isinstance(model, str) else model
    classes = len(get_task(entry.task).classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(entry.architecture, num_classes=classes, options=entry.options)
        for name, parameter in network.named_parameters():
            # Factors that start at 0 would hide the attention behind them.
            if parameter.dim() <= 1 and not parameter.any() and not name.endswith("bias"):
                nn.init.constant_(parameter, 0.5)
    return Example(entry, network.eval())


def gives_logits_for_each_class(example: Example) -> None:
    """Images (N, 3, H, W) become finite logits (N, K, h, w), and `align_corners` is stated."""
    with torch.inference_mode():
        logits = example.network(example.make_images())
    _expect(isinstance(logits, Tensor), f"a tensor was expected, not {type(logits).__name__}")
    expected = (2, example.num_classes)
    _expect(
        logits.dim() == 4 and tuple(logits.shape[:2]) == expected,
        f"logits (N, K, h, w) with N, K = {expected} were expected, and they are "
        f"{tuple(logits.shape)}",
    )
    _expect(bool(logits.isfinite().all()), "some logits are not finite")
    stated = getattr(example.network, "align_corners", None)
    _expect(isinstance(stated, bool), "the network has no align_corners, True or False")


def does_not_mix_images_of_a_batch(example: Example) -> None:
    """What an image's logits are does not depend on its neighbours."""
    images = example.make_images()
    with torch.inference_mode():
        together = example.network(images)
        alone = torch.cat([example.network(image[None]) for image in images])
    _expect_close(together, alone)
    _expect(not torch.allclose(together[0], together[1]), "two images have the same logits")


def labels_every_pixel_of_odd_sizes(example: Example) -> None:
    """Images of any size, either way round, get a label for each pixel."""
    segmenter = Segmenter(example.network)
    with torch.inference_mode():
        for size_hw in (_SMALL_HW, _SMALL_HW[::-1]):
            labels = segmenter.label(torch.randn(1, 3, *size_hw), size_hw)
            _expect(labels.shape == (1, *size_hw), f"{size_hw} became {tuple(labels.shape)}")
            _expect(labels.dtype == torch.uint8, f"labels are {labels.dtype}")


def trains_every_parameter(example: Example) -> None:
    """Each parameter that wants a gradient gets one, and it is finite.

    A network with heads that serve training alone has a method `forward_heads`, which returns the
    logits of all.
    """
    trained = copy.deepcopy(example.network).train()
    heads = getattr(trained, "forward_heads", lambda images: [trained(images)])
    loss = torch.stack([logits.square().mean() for logits in heads(example.make_images())]).sum()
    torch.autograd.backward(loss)
    for name, parameter in trained.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            _expect(gradient is not None, f"{name} gets no gradient")
            _expect(
                gradient is not None and bool(gradient.isfinite().all()),
                f"the gradient of {name} is not finite",
            )


def keeps_its_state(example: Example) -> None:
    """The state dict, saved and loaded as plain tensors, gives the same network."""
    file = io.BytesIO()
    torch.save(example.network.state_dict(), file)
    file.seek(0)
    twin = copy.deepcopy(example.network)
    for tensor in (*twin.parameters(), *twin.buffers()):
        nn.init.zeros_(tensor)
    twin.load_state_dict(torch.load(file, weights_only=True))
    images = example.make_images()
    with torch.inference_mode():
        _expect(
            torch.equal(twin(images), example.network(images)),
            "after loading its own state dict, a network gives other logits",
        )


def optimizes_without_change(example: Example) -> None:
    """`optimize`, where a network has it, changes outputs by no more than rounding."""
    # Published networks have norms that moved; fresh ones would hide a mistake in the folding.
    trained = copy.deepcopy(example.network)
    if not isinstance(trained, Optimizable):
        return
    generator = torch.Generator().manual_seed(2)
    for module in trained.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.bias, -0.1, 0.1, generator=generator)
    images = example.make_images()
    with torch.inference_mode():
        expected = trained(images)
        trained.optimize()
        difference = (trained(images) - expected).abs().max() / expected.std()
    _expect(bool(difference < _ROUNDING), f"optimize() changes logits by {difference:.1e} of them")


def trains_as_it_evaluates(example: Example) -> None:
    """Training differs in batch normalisation and dropout alone, of units or of whole paths."""
    trained = copy.deepcopy(example.network).train()
    for module in trained.modules():
        # Many packages have a module of their own for dropped paths.
        is_dropout = "drop" in type(module).__name__.lower()
        if is_dropout or isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    images = example.make_images()
    with torch.inference_mode():
        expected = example.network(images)
        _expect_close(trained(images), expected)


def is_exported(example: Example) -> None:
    """`torch.export` takes the network at the size that it is applied to."""
    size_hw = example.entry.test.crop_hw or example.entry.preprocessing.size_hw
    program = torch.export.export(example.network, (torch.randn(1, 3, *size_hw),))
    (output,) = program.graph.find_nodes(op="output")
    shape = tuple(output.args[0][0].meta["val"].shape[:2])
    _expect(shape == (1, example.num_classes), f"the exported program gives {shape}")


CONTRACTS: tuple[Callable[[Example], None], ...] = (
    gives_logits_for_each_class,
    does_not_mix_images_of_a_batch,
    labels_every_pixel_of_odd_sizes,
    trains_every_parameter,
    keeps_its_state,
    optimizes_without_change,
    trains_as_it_evaluates,
    is_exported,
)


def _expect_close(logits: Tensor, expected: Tensor) -> None:
    tolerance = _ROUNDING * expected.std().item()
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=tolerance)


def _expect(kept: bool, otherwise: str) -> None:
    if not kept:
        raise AssertionError(otherwise)
