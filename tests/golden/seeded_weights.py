"""Deterministic weights for parity checks: the same numbers for the same name, everywhere.

A parameter's values depend only on (seed, name, shape), never on torch's generators, so two
implementations with the same names and shapes get the same network.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np


def seeded_array(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return float32 values for one entry of a state dict.

    running_var in [0.5, 1.5]; running_mean in [-0.2, 0.2]; other vectors and scalars that end in
    'weight' in [0.8, 1.2], else in [-0.1, 0.1]; anything with two or more dimensions is uniform
    with variance 1 / fan_in. 'num_batches_tracked' is 0 (the caller casts it to int64).
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


def seeded_state(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    """Return {name: float32 array} for {name: shape}."""
    return {name: seeded_array(name, tuple(shape), seed) for name, shape in shapes.items()}


def seeded_input(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a (1, 3, height, width) float32 input, standard normal."""
    rng = np.random.default_rng(1000 + seed)
    return rng.standard_normal((1, 3, height, width)).astype(np.float32)
