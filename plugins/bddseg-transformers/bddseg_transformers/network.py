"""A segmentation model of transformers as a network, its classes mapped to those of a task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.tasks import TASKS, Task


class TransformersNetwork(nn.Module):
    """Images to scores of a task's classes.

    Models that label pixels give logits; models that classify masks (MaskFormer, Mask2Former,
    OneFormer, EoMT) give, for each pixel and class, the sum of probabilities over their queries, as
    their own post-processing does.

    Args:
        model: of transformers.
        groups: for each class of the task, the model's classes that it stands for; the best one
            counts.
    """

    align_corners = False

    def __init__(self, model: nn.Module, groups: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.model = model
        self._groups = [list(group) for group in groups]

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), normalised -> scores (N, K, h, w) at the model's own size."""
        output = self.model(pixel_values=images)
        scores = _sum_queries(output) if "masks_queries_logits" in output else output.logits
        # A class that the model does not know is never the best one.
        nothing = scores.amin(dim=1) - 1
        best = [scores[:, group].amax(dim=1) if group else nothing for group in self._groups]
        return torch.stack(best, dim=1)

    def translate_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a checkpoint of transformers holds, under this network's names.

        Versions of transformers have renamed parameters; it knows how itself.
        """
        if state.keys() & self.state_dict().keys():
            return dict(state)
        kind: Any = type(self.model)
        loaded, report = kind.from_pretrained(
            None, config=self.model.config, state_dict=dict(state), output_loading_info=True
        )
        made_up = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
        translated = {
            f"model.{name}": tensor
            for name, tensor in loaded.state_dict().items()
            if name not in made_up
        }
        return translated | {name: state[name] for name in report["unexpected_keys"]}


def build_transformers(
    *, num_classes: int, folder: str, classes: Mapping[str, Sequence[str]] | None = None
) -> nn.Module:
    """Return the network of a model in transformers' format, with fresh parameters.

    Args:
        num_classes: K, of the task.
        folder: holds the model's `config.json`.
        classes: for each class of the task, names of the model's classes; the background stands for
            all that are not named. Without, the model's classes are the task's, in order.

    Raises:
        BddsegError: there is no such model there, it is for another purpose, or classes do not fit.
    """
    from transformers import AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation

    config = read_config(folder)
    names = [config.id2label[number] for number in sorted(config.id2label)]
    groups = _group(names, num_classes, classes, folder)
    for family in (AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation):
        if type(config) in family._model_mapping:
            return TransformersNetwork(family.from_config(config), groups)
    raise BddsegError(
        f"{folder} holds a model of the kind '{config.model_type}', which does not segment.",
        "Name the folder of a semantic or universal segmentation model.",
    )


def read_config(folder: str | Path) -> Any:
    """Return the configuration of the model in a folder; nothing is fetched.

    Raises:
        BddsegError: there is none.
    """
    from transformers import AutoConfig
    from transformers.utils import logging

    # What it would tell, errors of ours tell.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if not Path(folder, "config.json").is_file():
        raise BddsegError(
            f"{folder} holds no config.json.",
            "Name a folder in transformers' format: `hf download MODEL --local-dir FOLDER`.",
        )
    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise BddsegError(
            f"{folder}/config.json cannot be used: {error}.",
            "Fetch the folder again; a newer model may need a newer transformers.",
        ) from error


def _group(
    names: Sequence[str],
    num_classes: int,
    classes: Mapping[str, Sequence[str]] | None,
    folder: str,
) -> list[list[int]]:
    if classes is None:
        if len(names) != num_classes:
            raise BddsegError(
                f"The model in {folder} has {len(names)} classes, and the task {num_classes}.",
                "Say which of them is which under [options.classes].",
            )
        return [[number] for number in range(num_classes)]
    task = _find_task(classes, num_classes)
    known = {name: number for number, name in enumerate(names)}
    groups = []
    for wanted in task.classes:
        unknown = [name for name in classes.get(wanted, ()) if name not in known]
        if unknown:
            raise BddsegError(
                f"options.classes.{wanted}: the model in {folder} has no class '{unknown[0]}'.",
                f"It has: {', '.join(names)}.",
            )
        groups.append([known[name] for name in classes.get(wanted, ())])
    if task.background and task.background not in classes:
        named = {number for group in groups for number in group}
        groups[-1] = [number for number in range(len(names)) if number not in named]
    return groups


def _find_task(classes: Mapping[str, Sequence[str]], num_classes: int) -> Task:
    for task in TASKS.values():
        if len(task.classes) == num_classes and set(classes) <= set(task.classes):
            return task
    raise BddsegError(
        f"options.classes has {', '.join(classes)}, which are not classes of one task with "
        f"{num_classes}.",
        f"Tasks: {'; '.join(f'{t.name}: ' + ', '.join(t.classes) for t in TASKS.values())}.",
    )


def _sum_queries(output: Any) -> Tensor:
    """Return probabilities (N, C, h, w); the last class of each query is "no object"."""
    classes = output.class_queries_logits.softmax(dim=-1)[..., :-1]
    return torch.einsum("nqc,nqhw->nchw", classes, output.masks_queries_logits.sigmoid())
