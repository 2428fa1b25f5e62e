"""A segmentation model of transformers as a network, with its classes mapped to a task's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.tasks.task import TASKS, Task, get_task


class TransformersNetwork(nn.Module):
    """Images to logits or scores of a task's classes.

    Models that classify pixels return logits. Models that classify masks (MaskFormer, Mask2Former,
    OneFormer, EoMT) return, for each pixel and class, the sum of probabilities over their queries,
    as in their own post-processing.

    Args:
        model: Model of transformers.
        groups: For each class of the task, the ids of the model's classes that are mapped to it;
            the highest score counts.
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
        # A class without one of the model's is never the highest.
        lowest = scores.amin(dim=1) - 1
        # Not `scores[:, group]`: a GPU would be waited for.
        highest = [
            torch.stack([scores[:, number] for number in group]).amax(dim=0) if group else lowest
            for group in self._groups
        ]
        return torch.stack(highest, dim=1)

    def convert_state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint of transformers under this network's names.

        Versions of transformers have renamed parameters; transformers converts them itself.
        """
        if state.keys() & self.state_dict().keys():
            return dict(state)
        model_class: Any = type(self.model)
        loaded, report = model_class.from_pretrained(
            None, config=self.model.config, state_dict=dict(state), output_loading_info=True
        )
        initialized = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
        converted = {
            f"model.{name}": tensor
            for name, tensor in loaded.state_dict().items()
            if name not in initialized
        }
        return converted | {name: state[name] for name in report["unexpected_keys"]}


def build_transformers(
    *, num_classes: int, folder: str, classes: Mapping[str, Sequence[str]] | None = None
) -> nn.Module:
    """Return the network of a model in transformers' format, with fresh parameters.

    Args:
        num_classes: K, the number of the task's classes.
        folder: Folder with the model's `config.json`.
        classes: For each class of the task, names of the model's classes; all classes that are not
            named become background. Without it, the model's classes are the task's, in order.

    Raises:
        BddsegError: The folder has no segmentation model, or the classes do not fit.
    """
    from transformers import AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation

    config = read_config(folder)
    names = [config.id2label[number] for number in sorted(config.id2label)]
    groups = _group_classes(names, num_classes, classes, folder)
    families: list[Any] = [AutoModelForSemanticSegmentation, AutoModelForUniversalSegmentation]
    for family in families:
        if type(config) in family._model_mapping:
            return TransformersNetwork(family.from_config(config), groups)
    raise BddsegError(
        f"{folder} contains a '{config.model_type}' model, which is not a segmentation model.",
        "Give the folder of a semantic or universal segmentation model.",
    )


def read_config(folder: str | Path) -> Any:
    """Return the configuration of the model in a folder; nothing is downloaded.

    Raises:
        BddsegError: There is none, or it cannot be used.
    """
    from transformers import AutoConfig
    from transformers.utils import logging

    # Our errors report what its messages would.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if not Path(folder, "config.json").is_file():
        raise BddsegError(
            f"{folder} contains no config.json.",
            "Give a folder in transformers' format: `hf download MODEL --local-dir FOLDER`.",
        )
    try:
        return AutoConfig.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise BddsegError(
            f"{folder}/config.json cannot be used: {error}.",
            "Download the folder again; a newer model may need a newer version of transformers.",
        ) from error


def _group_classes(
    names: Sequence[str],
    num_classes: int,
    classes: Mapping[str, Sequence[str]] | None,
    folder: str,
) -> list[list[int]]:
    if classes is None:
        if len(names) != num_classes:
            raise BddsegError(
                f"The model in {folder} has {len(names)} classes, but the task has {num_classes}.",
                "Map its classes to the task's under [options.classes].",
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
                f"Its classes: {', '.join(names)}.",
            )
        groups.append([known[name] for name in classes.get(wanted, ())])
    if task.background and task.background not in classes:
        named = {number for group in groups for number in group}
        groups[-1] = [number for number in range(len(names)) if number not in named]
    return groups


def _find_task(classes: Mapping[str, Sequence[str]], num_classes: int) -> Task:
    tasks = [get_task(name) for name in TASKS.list_names()]
    for task in tasks:
        if task.num_classes == num_classes and set(classes) <= set(task.classes):
            return task
    known = "; ".join(f"{task.name}: {', '.join(task.classes)}" for task in tasks)
    raise BddsegError(
        f"options.classes has {', '.join(classes)}; no task with {num_classes} classes has these.",
        f"Classes of the tasks: {known}.",
    )


def _sum_queries(output: Any) -> Tensor:
    """Return probabilities (N, C, h, w); the last class of each query is "no object"."""
    classes: Tensor = output.class_queries_logits.softmax(dim=-1)[..., :-1]
    return torch.einsum("nqc,nqhw->nchw", classes, output.masks_queries_logits.sigmoid())
