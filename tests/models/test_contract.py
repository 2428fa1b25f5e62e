"""What every architecture has to do, ours and each installed plugin's alike.

An architecture takes part as soon as an entry of some catalog uses it.
"""

import copy

import pytest
import torch
from torch import nn

from bddseg.models.architectures import ARCHITECTURES, Optimizable, build_network
from bddseg.models.segmenter import Segmenter
from bddseg.tasks import get_task
from bddseg.zoo.catalog import list_entries

EXAMPLES = {
    entry.architecture: entry
    for entry in reversed(list_entries())
    if entry.architecture in ARCHITECTURES.list_names()
}
SMALL = (65, 97)  # odd, and no multiple of any stride


def count_classes(entry):
    return len(get_task(entry.task).classes)


@pytest.fixture(scope="module", params=sorted(EXAMPLES))
def entry(request):
    return EXAMPLES[request.param]


@pytest.fixture(scope="module")
def network(entry):
    """A network of each architecture, with parameters that let every part of it matter."""
    torch.manual_seed(0)
    network = build_network(
        entry.architecture, num_classes=count_classes(entry), options=entry.options
    )
    for name, parameter in network.named_parameters():
        # Factors that start at 0 would hide the attention behind them.
        if parameter.dim() <= 1 and not parameter.any() and not name.endswith("bias"):
            nn.init.constant_(parameter, 0.5)
    return network.eval()


@pytest.fixture
def images():
    return torch.randn(2, 3, *SMALL, generator=torch.Generator().manual_seed(1))


def test_every_architecture_has_an_example():
    assert set(EXAMPLES) == set(ARCHITECTURES.list_names())


def test_a_frames_logits_do_not_depend_on_its_neighbours(network, images):
    with torch.inference_mode():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4 * alone.std().item())
    assert not torch.allclose(together[0], together[1])


def test_odd_sizes_of_either_orientation_give_labels_of_every_pixel(network):
    segmenter = Segmenter(network)
    with torch.inference_mode():
        for size_hw in (SMALL, SMALL[::-1]):
            labels = segmenter.label(torch.randn(1, 3, *size_hw), size_hw)
            assert labels.shape == (1, *size_hw)
            assert labels.dtype == torch.uint8


def test_every_parameter_gets_a_finite_gradient(network, images):
    trained = copy.deepcopy(network).train()
    heads = getattr(trained, "forward_heads", lambda x: [trained(x)])
    sum(logits.square().mean() for logits in heads(images)).backward()
    for name, parameter in trained.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_the_state_dict_makes_the_round_trip(network, images, tmp_path):
    torch.save(network.state_dict(), tmp_path / "w.pth")
    twin = copy.deepcopy(network)
    for parameter in twin.parameters():
        nn.init.zeros_(parameter)
    twin.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))
    with torch.inference_mode():
        assert torch.equal(twin(images), network(images))


def test_what_makes_it_faster_changes_nothing_but_rounding(network, images):
    if not isinstance(network, Optimizable):
        pytest.skip("the architecture leaves its network as it is")
    # Published networks have norms that moved; fresh ones would hide a mistake in the folding.
    trained = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(2)
    for module in trained.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.bias, -0.1, 0.1, generator=generator)
    with torch.inference_mode():
        expected = trained(images)
        optimized = copy.deepcopy(trained)
        optimized.optimize()
        result = optimized(images)
    norms = [
        sum(isinstance(module, nn.BatchNorm2d) for module in each.modules())
        for each in (trained, optimized)
    ]
    assert norms[1] < norms[0]
    assert (result - expected).abs().max() < 1e-4 * expected.std()


def test_training_differs_only_in_dropout_and_normalisation(network, images):
    trained = copy.deepcopy(network).train()
    for module in trained.modules():
        if isinstance(module, nn.Dropout2d | nn.BatchNorm2d):
            module.eval()
    with torch.inference_mode():
        torch.testing.assert_close(trained(images), network(images))


def test_the_network_is_exported_at_its_test_size(entry, network):
    size_hw = entry.test.crop_hw or entry.preprocessing.size_hw
    program = torch.export.export(network, (torch.randn(1, 3, *size_hw),))
    (output,) = program.graph.find_nodes(op="output")
    assert output.args[0][0].meta["val"].shape[:2] == (1, count_classes(entry))
