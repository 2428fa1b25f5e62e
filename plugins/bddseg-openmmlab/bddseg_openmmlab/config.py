"""Configs of mmsegmentation 0.x: reading them, and what they say as an entry of ours."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bddseg.errors import BddsegError
from bddseg.tasks import get_task
from bddseg.zoo.entry import Entry, Preprocessing, Test


@dataclass(frozen=True, slots=True)
class Steps:
    """What a test pipeline does to a frame.

    Attributes:
        augmentation: the step in which the others are.
        size_hw: the bounds that the frame is resized to fit.
        keep_ratio: whether its aspect ratio is kept.
        in_floats: whether pixels are widened before they are interpolated, so that none is rounded.
        normalize: mean, std and to_rgb.
    """

    augmentation: Any
    size_hw: tuple[int, int]
    keep_ratio: bool
    in_floats: bool
    normalize: Any


def read_config(path: str | Path) -> Any:
    """Return a config of mmsegmentation. It is Python, and is run.

    Raises:
        BddsegError: mmsegmentation is missing, or the file cannot be used.
    """
    import_mmseg()
    from mmcv import Config

    if not Path(path).is_file():
        raise BddsegError(f"There is no config {path}.", "Check the path.")
    try:
        config = Config.fromfile(str(path))
        assert "decode_head" in config.model
    # Configs are code: anything can happen in them.
    except Exception as error:
        raise BddsegError(
            f"{path} is no config of mmsegmentation 0.x: {type(error).__name__}: {error}.",
            "Name the config that the weights were trained with.",
        ) from error
    return config


def import_mmseg() -> Any:
    """Return the package mmseg.

    Raises:
        BddsegError: it is missing.
    """
    try:
        with warnings.catch_warnings():
            # It tells of its own later versions.
            warnings.simplefilter("ignore")
            import mmseg
    except ImportError as error:
        raise BddsegError(
            f"mmsegmentation 0.x cannot be imported: {error}.",
            "The README of bddseg-openmmlab says how it is installed today.",
        ) from error
    # What its modules warn of, such as sizes of maps, is for those who train.
    warnings.filterwarnings("ignore", module=r"mmseg\.")
    return mmseg


def find_steps(config: Any, origin: str) -> Steps:
    """Return what a config's test pipeline does.

    Raises:
        BddsegError: it is not Resize and Normalize in a MultiScaleFlipAug.
    """
    try:
        augmentation = config.data.test.pipeline[-1]
        steps = {step["type"]: step for step in augmentation["transforms"]}
        scale = augmentation["img_scale"]
        width, height = scale[0] if isinstance(scale[0], list | tuple) else scale
        keep_ratio = steps["Resize"].get("keep_ratio", True)
        in_floats = config.data.test.pipeline[0].get("to_float32", False)
        return Steps(augmentation, (height, width), keep_ratio, in_floats, steps["Normalize"])
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise BddsegError(
            f"{origin}: its test pipeline is not Resize and Normalize in a MultiScaleFlipAug "
            f"({type(error).__name__}: {error}).",
            "Change data.test.pipeline in the config.",
        ) from error


def make_entry(path: Path, task: str) -> Entry:
    """Return the entry that runs a config.

    Args:
        path: of the config.
        task: what its classes are.

    Raises:
        BddsegError: as `read_config` and `find_steps`.
    """
    config = read_config(path)
    steps = find_steps(config, str(path))
    is_bgr = not steps.normalize.get("to_rgb", True)
    mean, std = (list(steps.normalize[key]) for key in ("mean", "std"))
    head = config.model.decode_head
    test = config.model.get("test_cfg") or config.get("test_cfg") or {}
    slides = test.get("mode") == "slide"
    return Entry(
        name=path.stem,
        title=str(head["type"] if isinstance(head, dict) else head[-1]["type"]),
        task=task,
        architecture="openmmlab",
        options={"config": str(path.resolve()), "is_bgr": is_bgr},
        preprocessing=Preprocessing(
            size_hw=steps.size_hw,
            keep_ratio=steps.keep_ratio,
            round_pixels=not steps.in_floats,
            mean_rgb=tuple(mean[::-1] if is_bgr else mean),
            std_rgb=tuple(std[::-1] if is_bgr else std),
        ),
        test=Test(
            mode="slide" if slides else "whole",
            crop_hw=tuple(test["crop_size"]) if slides else None,
            stride_hw=tuple(test["stride"]) if slides else None,
        ),
    )


def find_reference(entry: Entry) -> Path:
    """Return mmsegmentation's own config of a model of the zoo; it has other classes.

    The zoo's models were trained with configs of mmsegmentation for Cityscapes, changed in data and
    classes; these come with its package.

    Raises:
        BddsegError: mmsegmentation is missing, or has no config for the model.
    """
    folder = Path(import_mmseg().__file__).with_name(".mim") / "configs"
    name = entry.short_name.replace("+", "plus")
    # The network does not depend on how long it was trained; and of a backbone that is not dilated,
    # the name does not always say the stride.
    anyhow = re.sub(r"_\d+k$", "_*k", name)
    for pattern in (name, anyhow, anyhow.replace("-d8", "")):
        found = sorted(folder.glob(f"*/{pattern}_cityscapes.py"))
        if found:
            return found[0]
    raise BddsegError(
        f"mmsegmentation has no config {name}_cityscapes.py in {folder}.",
        "Name one with --config.",
    )


def adapt_to_zoo(config: Any, task: str) -> None:
    """Change mmsegmentation's own config as the zoo's configs change it.

    All heads get the classes of a task, and frames are resized in floats (`to_float32` in the
    zoo's `bdd100k.py`).
    """
    config.data.test.pipeline[0]["to_float32"] = True
    heads = [config.model.decode_head, config.model.get("auxiliary_head")]
    for head in heads:
        for each in head if isinstance(head, list) else [head]:
            if each is not None:
                each["num_classes"] = len(get_task(task).classes)
