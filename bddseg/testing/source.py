"""What a source of frames has to do."""

from itertools import islice

import numpy as np

from bddseg.data.sources.source import Source
from bddseg.errors import BddsegError
from bddseg.testing.check import check

_MAX_FRAMES = 5


def check_source(source: Source) -> None:
    """Check an open source: names that differ, and RGB frames in the order asked for.

    Args:
        source: As `open` returned it; at least one of its first frames has to be readable.

    Raises:
        AssertionError: it does something else.
    """
    refs = list(islice(source.items(), _MAX_FRAMES))
    check(bool(refs), "items() lists no frames")
    names = [ref.name for ref in refs]
    check(len(set(names)) == len(names), f"names of frames repeat: {names}")
    for name in names:
        is_relative = not name.startswith("/") and ".." not in name.split("/")
        check(is_relative, f"the name '{name}' leads out of the output folder")
    if not source.is_live:
        again = [ref.name for ref in islice(source.items(), _MAX_FRAMES)]
        check(again == names, "items() lists other frames the second time")
    found = [pair for ref in refs for pair in source.read([ref])]
    check([ref for ref, _ in found] == refs, "read() gives other frames than it is asked for")
    images = [image for _, image in found if not isinstance(image, BddsegError)]
    check(bool(images), "read() reads none of the first frames")
    for image in images:
        is_rgb = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
        check(is_rgb, f"frames are {image.shape}, {image.dtype}, not RGB (H, W, 3), uint8")
