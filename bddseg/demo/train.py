"""How the demo's weights were made: `python -m bddseg.demo.train -o weights.safetensors`.

Every step sees scenes that no other step saw, rendered on the way. The demo and the score at the
end use scenes below `FIRST_SEED`, which training never does.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from bddseg.data.transforms import prepare_frame
from bddseg.demo.scenes import render_scene
from bddseg.demo.tour import ENTRY
from bddseg.engine.model import Model, load_model
from bddseg.files import write_atomically
from bddseg.metrics.confusion import count_pixels
from bddseg.metrics.scores import OfficialScore, compute_official_score
from bddseg.models.architectures import build_network
from bddseg.models.layers import resize
from bddseg.tasks import get_task
from bddseg.zoo.entry import Entry, read_entry

FIRST_SEED = 1_000_000

_log = logging.getLogger("bddseg.demo.train")


class Scenes(Dataset[tuple[Tensor, Tensor]]):
    """Scenes as prepared images (3, h, w) and labels (h, w), int64, at the entry's size."""

    def __init__(self, entry: Entry, count: int) -> None:
        self.preprocessing = entry.preprocessing
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the scene of seed `FIRST_SEED + index`."""
        preprocessing = self.preprocessing
        scene = render_scene(FIRST_SEED + index, preprocessing.size_hw)
        image = prepare_frame(
            scene.frame,
            size_hw=preprocessing.size_hw,
            keep_ratio=preprocessing.keep_ratio,
            mean_rgb=preprocessing.mean_rgb,
            std_rgb=preprocessing.std_rgb,
        )
        return torch.from_numpy(image), torch.from_numpy(scene.labels.astype(np.int64))


def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the weights.")],
    steps: Annotated[int, typer.Option(help="Number of batches.")] = 3000,
    batch: Annotated[int, typer.Option(help="Scenes in a batch.")] = 8,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 3e-3,
    processes: Annotated[int, typer.Option(help="Processes that render.")] = 1,
) -> None:
    """Train the demo's network on rendered scenes, save it, and score it on scenes held out."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(0)
    entry = read_entry(ENTRY)
    network = build_network(
        entry.architecture, num_classes=len(get_task(entry.task).classes), options=entry.options
    )
    loader = DataLoader(Scenes(entry, steps * batch), batch_size=batch, num_workers=processes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    for step, loss in enumerate(_fit(network, loader, optimizer), start=1):
        schedule.step()
        if step % 50 == 0:
            _log.info("step %d of %d, loss %.4f", step, steps, loss)
        if step % 500 == 0 or step == steps:
            _save_half(network, out)
    score = score_scenes(load_model(entry, weights=out), range(1000, 1100))
    _log.info("100 scenes held out: %s", score)


def _fit(
    network: nn.Module,
    loader: DataLoader[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
) -> Iterator[float]:
    """Take a step for each batch and yield its loss."""
    network.train()
    for images, labels in loader:
        size_hw = (labels.shape[1], labels.shape[2])
        logits = resize(network(images), size_hw, align_corners=False)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield loss.item()


def _save_half(network: nn.Module, out: Path) -> None:
    """Save the parameters with 16 bits, which halves the file and moves no score by 0.01."""
    state = network.state_dict()
    halved = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    write_atomically(out, save({name: t.contiguous() for name, t in halved.items()}))


def score_scenes(model: Model, seeds: range) -> OfficialScore:
    """Return the official score on the scenes of these seeds, rendered at 720x1280."""
    classes = model.task.scored_classes
    size = len(classes) + 1
    counts = np.zeros((size, size), np.int64)
    for seed in seeds:
        scene = render_scene(seed)
        counts += count_pixels(scene.labels, model(scene.frame), size)
    return compute_official_score(counts, classes)


if __name__ == "__main__":
    typer.run(train)
