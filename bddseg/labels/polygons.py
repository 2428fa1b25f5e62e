"""Polygons of the dataset's labels as masks, drawn by the official toolkit: the extra `bdd100k`."""

import os
import warnings
from contextlib import redirect_stderr
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.tasks import Task


def draw_polygons(source: Path, folder: Path, task: Task, workers: int) -> None:
    """Write a mask for each frame with the dataset's `poly2d` labels.

    Edges are drawn by matplotlib as the dataset's own masks were, which is why they are left to the
    toolkit and not drawn anew.

    Args:
        source: a JSON file of Scalabel's format, or a folder of such files.
        folder: gets the masks, each under its frame's name.
        task: "drivable" or "sem_seg".
        workers: number of processes.

    Raises:
        BddsegError: the toolkit is missing, or does not know the task.
    """
    # The toolkit writes bars and a log to stderr, and warns on current Python.
    with (
        warnings.catch_warnings(),
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere),
    ):
        warnings.simplefilter("ignore")
        try:
            from bdd100k.common.utils import load_bdd100k_config
            from bdd100k.label.to_mask import drivable_to_masks, semseg_to_masks
            from scalabel.label.io import load
        except ImportError as error:
            raise BddsegError(
                f"Drawing polygons takes the official toolkit, which cannot be imported: {error}.",
                "pip install 'bddseg[bdd100k]'",
            ) from error
        draw = {"drivable": drivable_to_masks, "sem_seg": semseg_to_masks}.get(task.name)
        if draw is None:
            raise BddsegError(
                f"The official toolkit draws no polygons of {task.name}.",
                "Say -t drivable or -t sem_seg.",
            )
        config = load_bdd100k_config(task.name).scalabel
        try:
            draw(load(str(source)).frames, str(folder), config, workers)
        # Among others, newer matplotlib lacks what it calls.
        except AttributeError as error:
            raise BddsegError(
                f"The official toolkit cannot draw the polygons: {error}.",
                "pip install 'bddseg[bdd100k]' brings the versions that it works with.",
            ) from error
