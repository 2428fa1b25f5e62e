"""Training the weights of the model `demo` on rendered scenes.

No scene is used twice, and none for scoring: training uses the seeds from `FIRST_SEED` on, and the
scenes of the demo and of the final score have smaller seeds.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from bddseg.data.preprocess import preprocess
from bddseg.inference.predictor import Predictor, load_model
from bddseg.io.atomic import write_atomically
from bddseg.metrics.confusion import count_pixels
from bddseg.metrics.metric import Scores
from bddseg.metrics.official import compute_official_score
from bddseg.models.build import build_network
from bddseg.models.layers import resize
from bddseg.specs import Preprocessing
from bddseg.zoo.catalog import find_entry
from bddseg_scenes.scenes import render_scene

FIRST_SEED = 1_000_000


class SceneDataset(Dataset[tuple[Tensor, Tensor]]):
    """Scenes as inputs (3, h, w), float32, and class ids (h, w), int64, at the spec's size."""

    def __init__(self, spec: Preprocessing, count: int) -> None:
        self.spec = spec
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the scene of the seed `FIRST_SEED + index`."""
        scene = render_scene(FIRST_SEED + index, self.spec.size_hw)
        image = preprocess(scene.frame, self.spec)
        return torch.from_numpy(image), torch.from_numpy(scene.labels.astype(np.int64))


def train_demo(
    out: Path,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    num_workers: int = 1,
    show: Callable[[str], None] = lambda _: None,
) -> Predictor:
    """Train the network of the model `demo` on rendered scenes; return it with its new weights.

    Weights are saved every 500 steps and at the end.

    Args:
        out: File for the weights, in the format of safetensors.
        steps: Number of batches.
        batch_size: Number of scenes in a batch, at least 2: batch normalization needs several.
        learning_rate: Highest learning rate of a one-cycle schedule.
        num_workers: Number of processes that render.
        show: Is called with a line of text every 50 steps and after the last.
    """
    torch.manual_seed(0)
    entry = find_entry("demo")
    network = build_network(entry)
    dataset = SceneDataset(entry.preprocessing, steps * batch_size)
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=num_workers)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=steps
    )
    for step, loss in enumerate(_run_steps(network, loader, optimizer), start=1):
        schedule.step()
        if step % 50 == 0 or step == steps:
            show(f"Step {step} of {steps}, loss {loss:.4f}")
        if step % 500 == 0 or step == steps:
            save_half(network, out)
    return load_model(entry, weights=out)


def _run_steps(
    network: nn.Module,
    loader: DataLoader[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
) -> Iterator[float]:
    """Run an optimizer step for each batch, and yield its loss."""
    network.train()
    for images, labels in loader:
        size_hw = (labels.shape[1], labels.shape[2])
        logits = resize(network(images), size_hw, align_corners=False)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield loss.item()


def save_half(network: nn.Module, out: Path) -> None:
    """Save the parameters in half precision.

    That halves the file, and changes no score by 0.01.
    """
    state = network.state_dict()
    halved = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    write_atomically(out, save({name: t.contiguous() for name, t in halved.items()}))


def score_scenes(predictor: Predictor, seeds: range) -> Scores:
    """Return the official score on the scenes of these seeds, rendered at 720x1280."""
    size = predictor.task.num_classes + 1
    counts = np.zeros((size, size), np.int64)
    for seed in seeds:
        scene = render_scene(seed)
        counts += count_pixels(scene.labels, predictor(scene.frame).labels, size)
    return compute_official_score(counts, predictor.task)
