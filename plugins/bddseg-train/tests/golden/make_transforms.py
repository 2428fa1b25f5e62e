"""Makes transforms.npz with mmsegmentation 0.30 and mmcv-full: python make_transforms.py

It needs the environment of the plugin bddseg-openmmlab, with bddseg-scenes in it. Its own random
numbers are recorded: `*_draws` is JSON, a list of (function, value) for each transform.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from bddseg_scenes.scenes import render_scene
from mmseg.datasets.pipelines import (
    Normalize,
    Pad,
    PhotoMetricDistortion,
    RandomCrop,
    RandomFlip,
    Resize,
)

SIZE_WH = (160, 90)
CROP_HW = (48, 96)
# Seeds of a scene, and of the random numbers: the image is smaller than the crop; the crop is
# accepted at the 8th place, the 5th, never, at once, at the 2nd. Three images are flipped.
CASES = ((0, 9), (0, 3), (0, 15), (3, 3), (3, 2), (3, 0))
NUM_JITTERS = 48
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

Array = npt.NDArray[Any]
Draws = list[tuple[str, float]]


@contextmanager
def record() -> Iterator[Draws]:
    """Append each random number that NumPy gives to a list."""
    draws: Draws = []

    def wrap(name: str) -> Callable[..., Any]:
        original = getattr(np.random, name)

        def call(*arguments: float) -> Any:
            value = original(*arguments)
            draws.append((name, float(value)))
            return value

        return call

    with ExitStack() as patches:
        for name in ("rand", "randint", "random_sample", "uniform"):
            patches.enter_context(patch.object(np.random, name, wrap(name)))
        yield draws


def run_pipeline(image: Array, labels: Array) -> dict[str, Array]:
    """Return what the training pipeline makes of an RGB image; arrays of images are RGB again."""
    steps = {
        "resize": Resize(img_scale=SIZE_WH, ratio_range=(0.5, 2.0)),
        "crop": RandomCrop(crop_size=CROP_HW, cat_max_ratio=0.75),
        "flip": RandomFlip(prob=0.5),
        "jitter": PhotoMetricDistortion(),
        "normalize": Normalize(mean=MEAN, std=STD, to_rgb=True),
        "pad": Pad(size=CROP_HW, pad_val=0, seg_pad_val=255),
    }
    results: dict[str, Any] = {
        "img": image[..., ::-1].copy(),
        "gt_semantic_seg": labels,
        "seg_fields": ["gt_semantic_seg"],
    }
    made: dict[str, Array] = {}
    draws: dict[str, Draws] = {}
    for name, step in steps.items():
        with record() as draws[name]:
            results = step(results)
        if name in ("crop", "jitter"):
            made[f"{name}_image"] = results["img"][..., ::-1].copy()
    made["labels"] = results["gt_semantic_seg"]
    if results["img_shape"] != results["pad_shape"]:
        made["inputs"] = results["img"]
    made["draws"] = np.array(json.dumps(draws))
    return made


def run_jitter(colors: Array) -> dict[str, Array]:
    """Return many distortions of one RGB image, and their random numbers."""
    np.random.seed(100)
    distort = PhotoMetricDistortion()
    images, draws = [], []
    for _ in range(NUM_JITTERS):
        with record() as recorded:
            images.append(distort({"img": colors[..., ::-1].copy()})["img"][..., ::-1])
        draws.append(recorded)
    return {"colors": colors, "images": np.stack(images), "draws": np.array(json.dumps(draws))}


def main() -> None:
    """Write transforms.npz beside this file."""
    arrays: dict[str, Array] = {}
    for scene_seed, seed in CASES:
        scene = render_scene(scene_seed, SIZE_WH[::-1])
        # Ignored pixels, as of a polygon's border.
        scene.labels[40:60, 30:50] = 255
        arrays[f"scene{scene_seed}_image"] = scene.frame
        arrays[f"scene{scene_seed}_labels"] = scene.labels
        np.random.seed(seed)
        case = run_pipeline(scene.frame, scene.labels)
        arrays |= {f"case{scene_seed}-{seed}_{name}": each for name, each in case.items()}
    colors = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    arrays |= {f"jitter_{name}": each for name, each in run_jitter(colors).items()}
    np.savez_compressed(Path(__file__).with_name("transforms.npz"), **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
