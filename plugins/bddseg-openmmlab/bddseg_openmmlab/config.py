"""Configs of mmsegmentation 0.x: reading them and converting them to entries."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bddseg.errors import BddsegError
from bddseg.specs import Entry, Preprocessing, SlidingWindow
from bddseg.tasks.task import get_task


@dataclass(frozen=True, slots=True)
class TestPipeline:
    """What a config's test pipeline does to an image.

    Attributes:
        augmentation: The MultiScaleFlipAug step, which contains the others.
        size_hw: The bounds that the image is resized to fit.
        keep_ratio: Keep the image's aspect ratio.
        to_float32: Convert pixels to float before resizing, so that none is rounded.
        normalize: The Normalize step, with mean, std and to_rgb.
    """

    augmentation: Any
    size_hw: tuple[int, int]
    keep_ratio: bool
    to_float32: bool
    normalize: Any


def read_config(path: str | Path) -> Any:
    """Return a config of mmsegmentation. It is Python code, and is executed.

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
            f"{path} is not a config of mmsegmentation 0.x: {type(error).__name__}: {error}.",
            "Give the config that the weights were trained with.",
        ) from error
    return config


def import_mmseg() -> Any:
    """Return the package mmseg.

    Raises:
        BddsegError: It is missing.
    """
    try:
        with warnings.catch_warnings():
            # It warns about its own later versions.
            warnings.simplefilter("ignore")
            import mmseg
    except ImportError as error:
        raise BddsegError(
            f"mmsegmentation 0.x cannot be imported: {error}.",
            "See the README of bddseg-openmmlab for how to install it.",
        ) from error
    # Its modules warn about things that matter for training only, such as sizes of maps.
    warnings.filterwarnings("ignore", module=r"mmseg\.")
    return mmseg


def find_test_pipeline(config: Any, origin: str) -> TestPipeline:
    """Return what a config's test pipeline does.

    Raises:
        BddsegError: It is not Resize and Normalize in a MultiScaleFlipAug.
    """
    try:
        augmentation = config.data.test.pipeline[-1]
        steps = {step["type"]: step for step in augmentation["transforms"]}
        scale = augmentation["img_scale"]
        width, height = scale[0] if isinstance(scale[0], list | tuple) else scale
        keep_ratio = steps["Resize"].get("keep_ratio", True)
        to_float32 = config.data.test.pipeline[0].get("to_float32", False)
        normalize = steps["Normalize"]
        return TestPipeline(augmentation, (height, width), keep_ratio, to_float32, normalize)
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise BddsegError(
            f"{origin}: its test pipeline is not Resize and Normalize in a MultiScaleFlipAug "
            f"({type(error).__name__}: {error}).",
            "Change data.test.pipeline in the config.",
        ) from error


def make_entry(path: Path, task: str) -> Entry:
    """Return an entry that runs a config.

    Args:
        path: Path of the config.
        task: Name of the task that its classes are of.

    Raises:
        BddsegError: As `read_config` and `find_test_pipeline`; or numbers that make no inputs.
    """
    config = read_config(path)
    pipeline = find_test_pipeline(config, str(path))
    mean, std = (tuple(map(float, pipeline.normalize[key])) for key in ("mean", "std"))
    assert len(mean) == len(std) == 3
    head = config.model.decode_head
    try:
        preprocessing = Preprocessing(
            size_hw=pipeline.size_hw,
            keep_ratio=pipeline.keep_ratio,
            round_pixels=not pipeline.to_float32,
            channel_order="RGB" if pipeline.normalize.get("to_rgb", True) else "BGR",
            mean=mean,
            std=std,
        )
        window = _find_sliding_window(config)
    except ValueError as error:
        raise BddsegError(
            f"{path}: {error}.", "Correct Normalize or test_cfg in the config."
        ) from error
    return Entry(
        name=path.stem,
        title=str(head["type"] if isinstance(head, dict) else head[-1]["type"]),
        task=task,
        architecture="openmmlab",
        options={"config": str(path.resolve())},
        preprocessing=preprocessing,
        sliding_window=window,
    )


def _find_sliding_window(config: Any) -> SlidingWindow | None:
    test = config.model.get("test_cfg") or config.get("test_cfg") or {}
    if test.get("mode") != "slide":
        return None
    return SlidingWindow(crop_hw=tuple(test["crop_size"]), stride_hw=tuple(test["stride"]))


def find_reference(entry: Entry) -> Path:
    """Return mmsegmentation's own config of a model of the zoo; it has other classes.

    The zoo's models were trained with mmsegmentation's configs for Cityscapes, with other data and
    classes; these configs are part of its package.

    Raises:
        BddsegError: mmsegmentation is missing, or has no config for the model.
    """
    folder = Path(import_mmseg().__file__).with_name(".mim") / "configs"
    name = entry.short_name.replace("+", "plus")
    # The number of iterations does not change the network, and the name of a config without
    # dilation does not always contain the output stride.
    any_schedule = re.sub(r"_\d+k$", "_*k", name)
    for pattern in (name, any_schedule, any_schedule.replace("-d8", "")):
        found = sorted(folder.glob(f"*/{pattern}_cityscapes.py"))
        if found:
            return found[0]
    raise BddsegError(
        f"mmsegmentation has no config {name}_cityscapes.py in {folder}.",
        "Give a config with --config.",
    )


def adapt_to_zoo(config: Any, task: str) -> None:
    """Change mmsegmentation's own config as the zoo's configs do.

    All heads get the classes of a task, and images are resized in float (`to_float32` in the
    zoo's `bdd100k.py`).
    """
    config.data.test.pipeline[0]["to_float32"] = True
    heads = [config.model.decode_head, config.model.get("auxiliary_head")]
    for head in heads:
        for each in head if isinstance(head, list) else [head]:
            if each is not None:
                each["num_classes"] = get_task(task).num_classes
