"""The size at which frames are trained, compared with the size that the model sees in inference."""

import math

from bddseg.data.preprocess import fit_size, get_image_area
from bddseg.specs import Preprocessing
from bddseg.types import SizeHW
from bddseg_train.recipe import Recipe

# The zoo's recipes train at 0.5 to 2 times the size of inference, at random. A network that always
# sees roads, lanes and cars at another size than that does not find them again in inference:
# trained at a third of the size, scores stay near chance while the loss falls.
_SMALLEST, _LARGEST = 0.5, 2.0
# Transforms that leave an image's scale alone.
_NO_SCALING = frozenset({"crop", "flip", "color_jitter"})


def describe_scale(recipe: Recipe, spec: Preprocessing, frame_hw: SizeHW) -> list[str]:
    """Return what the user should know about the scale of training, in sentences.

    Args:
        recipe: The recipe; its transforms can be built.
        spec: What happens to frames in inference.
        frame_hw: Size of a frame, in pixels.
    """
    trained_hw = _compute_trained_size(recipe, frame_hw)
    if trained_hw is None:
        return []
    seen_hw = tuple(part.stop - part.start for part in get_image_area(frame_hw, spec))
    ratio = math.sqrt(math.prod(trained_hw) / math.prod(seen_hw))
    if _SMALLEST <= ratio <= _LARGEST:
        return []
    sizes = ", ".join("x".join(map(str, size)) for size in (trained_hw, seen_hw))
    return [
        f"Frames are trained at about {ratio:.2f} of the size that the model sees in inference "
        f"({sizes}): change the transform resize, or preprocessing.size_hw of the model."
    ]


def _compute_trained_size(recipe: Recipe, frame_hw: SizeHW) -> SizeHW | None:
    """Return the mean size of a whole frame in training; None if a transform is not known."""
    for table in recipe.transforms:
        if table["name"] == "resize":
            mean = sum(table.get("ratio_range", (1.0, 1.0))) / 2
            height, width = (int(edge * mean) for edge in table["size_hw"])
            frame_hw = fit_size(frame_hw, (height, width))
        elif table["name"] not in _NO_SCALING:
            return None
    return frame_hw
