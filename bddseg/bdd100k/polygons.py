"""Polygons of the dataset's labels as masks, drawn by the official toolkit: the extra `bdd100k`."""

import os
import warnings
from contextlib import redirect_stderr
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.tasks.task import Task


def rasterize_polygons(source: Path, folder: Path, task: Task, num_workers: int) -> None:
    """Write a mask for each frame with `poly2d` labels.

    The official toolkit draws them, because edges have to be drawn by matplotlib as in the
    dataset's own masks.

    Args:
        source: A JSON file in Scalabel format, or a folder of such files.
        folder: Folder for the masks, each named as its frame.
        task: The task "drivable" or "sem_seg".
        num_workers: Number of processes.

    Raises:
        BddsegError: the toolkit is not installed, does not know the task, or fails.
    """
    # The toolkit writes progress bars and a log to stderr, and warns on current Python versions.
    with (
        warnings.catch_warnings(),
        Path(os.devnull).open("w") as devnull,
        redirect_stderr(devnull),
    ):
        warnings.simplefilter("ignore")
        try:
            from bdd100k.common.utils import load_bdd100k_config
            from bdd100k.label.to_mask import drivable_to_masks, semseg_to_masks
            from scalabel.label.io import load
        except ImportError as error:
            raise BddsegError(
                f"Drawing polygons needs the official toolkit, which cannot be imported: {error}.",
                "Install it: pip install 'bddseg[bdd100k]'",
            ) from error
        draw = {"drivable": drivable_to_masks, "sem_seg": semseg_to_masks}.get(task.name)
        if draw is None:
            raise BddsegError(
                f"The official toolkit cannot draw polygons of the task {task.name}.",
                "Use -t drivable or -t sem_seg.",
            )
        config = load_bdd100k_config(task.name).scalabel
        try:
            draw(load(str(source)).frames, str(folder), config, num_workers)
        # Newer versions of matplotlib lack functions that it calls; wrong polygons make it raise
        # almost anything.
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise BddsegError(
                f"The official toolkit cannot draw the polygons of {source}: {reason}.",
                'Labels need an id and a category; polygons need "vertices": [[x, y], ...] and '
                '"types", a letter for each vertex. If they have them, install the versions that '
                "the toolkit works with: pip install 'bddseg[bdd100k]'",
            ) from error
