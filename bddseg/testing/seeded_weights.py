"""Weights and images that are the same everywhere, to compare two implementations of a network."""

import zlib

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


def load_seeded_weights(network: nn.Module, seed: int = 0) -> None:
    """Fill a network with numbers that depend only on the seed and each parameter's name and shape.

    Another implementation with the same names and shapes gets the same numbers in any environment,
    so that their outputs can be compared without published weights. A network on the meta device
    gets its tensors here.
    """
    state = {
        name: torch.from_numpy(seeded_array(name, tuple(tensor.shape), seed)).to(tensor.dtype)
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)


def seeded_array(name: str, shape: tuple[int, ...], seed: int = 0) -> npt.NDArray[np.float32]:
    """Return the values of one entry of a state dict; recorded outputs depend on them.

    running_var in [0.5, 1.5]; running_mean in [-0.2, 0.2]; other vectors and scalars that end in
    "weight" in [0.8, 1.2], else in [-0.1, 0.1]; anything with two or more dimensions is uniform
    with variance 1 / fan_in. num_batches_tracked is 0.
    """
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.float32)
    rng = np.random.default_rng(zlib.crc32(f"{seed}:{name}".encode()))
    if name.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        values = rng.uniform(-0.2, 0.2, shape)
    elif len(shape) <= 1 and name.endswith("weight"):
        values = rng.uniform(0.8, 1.2, shape)
    elif len(shape) <= 1:
        values = rng.uniform(-0.1, 0.1, shape)
    else:
        fan_in = int(np.prod(shape[1:]))
        values = rng.uniform(-1.0, 1.0, shape) * np.sqrt(3.0 / fan_in)
    return np.asarray(values, dtype=np.float32)


def make_seeded_images(height: int, width: int, seed: int = 0) -> Tensor:
    """Return images (1, 3, H, W), float32, standard normal; recorded outputs depend on them."""
    rng = np.random.default_rng(1000 + seed)
    return torch.from_numpy(rng.standard_normal((1, 3, height, width)).astype(np.float32))
