"""The graph of a network as an ONNX file."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import bddseg
from bddseg.inference.export.graph import INPUT_NAME, export_onnx
from bddseg.inference.postprocess import apply_class_map, argmax
from bddseg.models.layers import resize
from bddseg.models.load import load_network
from bddseg.models.network import Network
from bddseg.testing.seeded_weights import make_seeded_images
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights


@pytest.fixture(scope="module")
def network() -> Network:
    entry = find_entry("demo")
    return load_network(entry, get_weights(entry))  # type: ignore[return-value]


@pytest.mark.parametrize("labels", [False, True])
def test_an_exported_graph_gives_what_the_network_gives(network: Network, labels: bool) -> None:
    images, class_map = make_seeded_images(96, 160), (2, 0, 1)
    content = export_onnx(network, (96, 160), {"drivable": class_map}, labels=labels)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (result,) = session.run(["drivable"], {INPUT_NAME: images.numpy()})
    with torch.inference_mode():
        logits = network(images)
        assert isinstance(logits, torch.Tensor)
        full = resize(logits, (96, 160), align_corners=network.align_corners)
        expected = apply_class_map(full, class_map)
    if labels:
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, argmax(expected).numpy())
    else:
        np.testing.assert_allclose(result, expected.numpy(), atol=1e-4 * float(expected.std()))


def test_an_exported_graph_holds_no_paths(network: Network) -> None:
    content = export_onnx(network, (96, 160), {"drivable": ()})
    assert str(Path(bddseg.__file__).parent).encode() not in content
