"""Makes steps.json.gz with mmsegmentation 0.30 and mmcv-full: python make_steps.py

It needs the environment of the plugin bddseg-openmmlab. All is computed in float64: in float32, the
gradients of the first layers differ by up to a hundredth between processors, because tiny maps are
normalised, and rounding errors grow from layer to layer.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bddseg.testing.seeded_weights import load_seeded_weights
from bddseg.zoo.catalog import find_entry

NAMES = (
    "apcnet_r50-d8_512x1024_40k",
    "ccnet_r50-d8_512x1024_40k",
    "deeplabv3+_r50-d8_512x1024_40k",
    "deeplabv3_r50-d8_512x1024_40k",
    "dmnet_r50-d8_769x769_40k",
    "dnl_r50-d8_512x1024_40k",
    "emanet_r50-d8_769x769_40k",
    "fcn_hr48_512x1024_40k",
    "gcnet_r50-d8_769x769_40k",
    "psanet_r50-d8_512x1024_40k",
    "pspnet_r50-d8_512x1024_40k",
    "upernet_r50-d8_769x769_40k",
)
NUM_STEPS = 3


def make_batch(step: int) -> tuple[Tensor, Tensor]:
    """Return images (2, 3, 65, 97) and class ids (2, 65, 97) of a step; the first rows are 255."""
    rng = np.random.default_rng(2000 + step)
    images = rng.standard_normal((2, 3, 65, 97))
    coarse = rng.integers(0, 3, (2, 5, 7))
    labels = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :65, :97].copy()
    labels[:, :8] = 255
    return torch.from_numpy(images), torch.from_numpy(labels)


def describe(tensors: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return of each tensor its L2 norm, and its product with a direction that its name gives."""
    found = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        # Of large tensors, every n-th number: directions take as long as the steps otherwise.
        values = tensor.detach().double().flatten()[:: 1 + tensor.numel() // 10_000].numpy()
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        norm = float(torch.linalg.vector_norm(tensor.detach().double()))
        found[name] = [norm, float(values @ rng.standard_normal(len(values)))]
    return found


def compute_rate(step: int) -> float:
    """Return the learning rate of a step of 40,000."""
    rest: float = (1 - step / 40_000) ** 0.9
    return (0.01 - 1e-4) * rest + 1e-4


def run_reference(name: str) -> dict[str, Any]:
    """Return what three steps of a model give."""
    # Imported here: the test of these numbers uses the functions above.
    from bddseg_openmmlab.config import adapt_to_zoo, find_reference, read_config
    from bddseg_openmmlab.network import build_segmentor

    entry = find_entry(name)
    path = find_reference(entry)
    config = read_config(path)
    adapt_to_zoo(config, entry.task)
    model = build_segmentor(config, str(path)).train()
    load_seeded_weights(model)
    model.double()
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=0.0005)
    losses, gradients = [], {}
    for step in range(NUM_STEPS):
        optimizer.param_groups[0]["lr"] = compute_rate(step)
        images, labels = make_batch(step)
        optimizer.zero_grad()
        found = model.forward_train(images, [{}] * 2, labels[:, None])
        loss = sum(value for key, value in found.items() if "loss" in key)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            named = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
            gradients = describe(named)
        optimizer.step()
    return {"losses": losses, "gradients": gradients, "state": describe(model.state_dict())}


def main() -> None:
    """Write the file."""
    # DNLNet's temperature is a tensor of its own, and rounding it would change the third loss.
    torch.set_default_dtype(torch.float64)
    content = {}
    for name in NAMES:
        content[name] = run_reference(name)
    data = json.dumps(content, separators=(",", ":")).encode()
    path = Path(__file__).with_name("steps.json.gz")
    path.write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main()
