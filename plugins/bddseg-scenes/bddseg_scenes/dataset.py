"""Writing scenes to a folder, as images and masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bddseg.data.image import write_jpeg
from bddseg.data.mask import read_mask, write_mask
from bddseg.errors import BddsegError
from bddseg.progress import Track, map_in_threads, track_silently
from bddseg.types import SizeHW
from bddseg_scenes.scenes import render_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderResult:
    """What `render_scenes` did.

    Attributes:
        images: Folder of the images.
        masks: Folder of the masks.
        rendered: Number of scenes that were rendered.
        skipped: Number of scenes that existed.
    """

    images: Path
    masks: Path
    rendered: int
    skipped: int


def render_scenes(
    seeds: Sequence[int],
    out: Path,
    size_hw: SizeHW,
    *,
    overwrite: bool = False,
    num_threads: int = 1,
    track: Track = track_silently,
) -> RenderResult:
    """Write the scenes of these seeds to `out/images` (JPEG) and `out/masks` (PNG).

    Args:
        seeds: Seeds of the scenes, 0 or more.
        out: Folder.
        size_hw: Height and width in pixels, at least (90, 160).
        overwrite: Render scenes that exist again; otherwise they are skipped.
        num_threads: Number of scenes rendered at a time.
        track: Shows progress.

    Raises:
        BddsegError: a scene exists with another size, or a file cannot be written.
    """
    images, masks = out / "images", out / "masks"
    render = partial(_render, images=images, masks=masks, size_hw=size_hw, overwrite=overwrite)
    rendered = 0
    with map_in_threads(render, track(seeds, "Rendering scenes"), num_threads) as outcomes:
        for is_new in outcomes:
            if isinstance(is_new, BddsegError):
                raise is_new
            rendered += is_new
    return RenderResult(
        images=images, masks=masks, rendered=rendered, skipped=len(seeds) - rendered
    )


def _render(seed: int, *, images: Path, masks: Path, size_hw: SizeHW, overwrite: bool) -> bool:
    """Write a scene; return whether it was rendered."""
    image, mask = images / f"scene-{seed:06}.jpg", masks / f"scene-{seed:06}.png"
    if not overwrite and image.exists() and mask.exists():
        _check_size(mask, size_hw)
        return False
    scene = render_scene(seed, size_hw)
    write_jpeg(image, scene.frame)
    write_mask(mask, scene.labels)
    return True


def _check_size(mask: Path, size_hw: SizeHW) -> None:
    height, width = read_mask(mask).shape
    if (height, width) != size_hw:
        raise BddsegError(
            f"{mask} is {height}x{width}, and --size is {size_hw[0]}x{size_hw[1]}.",
            "Use --overwrite to render it again, or choose another folder with -o.",
        )
