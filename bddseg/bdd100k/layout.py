"""Where the images and labels of a data set are, in BDD100K's folders or simpler ones."""

from dataclasses import dataclass
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.tasks.bdd100k import DRIVABLE, SEM_SEG
from bddseg.tasks.task import Task

# The splits that are trained on and evaluated on, as their folders are named.
TRAIN, VALIDATION = "train", "val"
WHERE_DATA_IS = (
    "BDD100K's images and labels can be downloaded, with an account, at "
    "http://bdd-data.berkeley.edu/ (100K Images, Drivable Area). `bddseg scenes render` of the "
    "plugin bddseg-scenes renders scenes with labels."
)

# Folders of images and of labels of a split, the preferred first: as the packages of BDD100K have
# them (bdd100k toolkit, doc/source/download.rst), then those of 2018 with legacy ids.
_Layout = tuple[tuple[str, ...], tuple[str, ...]]
_BDD100K: dict[str, _Layout] = {
    DRIVABLE.name: (
        ("images/100k/{split}",),
        (
            "labels/drivable/masks/{split}",
            "drivable_maps/labels/{split}",
            "labels/drivable/colormaps/{split}",
            "labels/drivable/rles/drivable_{split}.json",
            "drivable_maps/color_labels/{split}",
        ),
    ),
    SEM_SEG.name: (
        ("images/10k/{split}", "seg/images/{split}"),
        (
            "labels/sem_seg/masks/{split}",
            "seg/labels/{split}",
            "labels/sem_seg/colormaps/{split}",
            "labels/sem_seg/rles/sem_seg_{split}.json",
            "seg/color_labels/{split}",
        ),
    ),
}
_SIMPLE: _Layout = (("{split}/images",), ("{split}/masks",))
_ONLY_TRAIN: _Layout = (("images",), ("masks",))


@dataclass(frozen=True, slots=True)
class SplitPaths:
    """Where a split is.

    Attributes:
        images: Folder of images.
        labels: Folder of label files, or Scalabel JSON.
    """

    images: Path
    labels: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """What a folder of data has.

    Attributes:
        splits: The splits, of "train" and "val".
        incomplete: Of splits with images or labels alone, what is missing, in sentences.
    """

    splits: dict[str, SplitPaths]
    incomplete: tuple[str, ...]


def find_splits(root: Path, task: Task) -> DataFolder:
    """Return the splits that a folder has.

    Known are BDD100K's folders (`images/100k/train` and `labels/drivable/masks/train`, or what the
    packages of 2018 and `sem_seg` have), also in a folder `bdd100k`; `train/images` and
    `train/masks`; and `images` and `masks` alone, which are the split "train".

    Args:
        root: The folder.
        task: Task of the labels.

    Raises:
        BddsegError: it does not exist, or has no split with images and labels.
    """
    if not root.is_dir():
        state = "is a file" if root.exists() else "does not exist"
        raise BddsegError(f"{root} {state}; a folder of data was expected.", WHERE_DATA_IS)
    layouts = [_BDD100K[task.name]] if task.name in _BDD100K else []
    incomplete: list[str] = []
    for folder in (root, root / "bdd100k"):
        for layout in (*layouts, _SIMPLE):
            found = {split: _find(folder, layout, split) for split in (TRAIN, VALIDATION)}
            incomplete += [each for each in found.values() if isinstance(each, str)]
            splits = {name: each for name, each in found.items() if isinstance(each, SplitPaths)}
            if splits:
                return DataFolder(splits=splits, incomplete=tuple(incomplete))
    alone = _find(root, _ONLY_TRAIN, TRAIN)
    if isinstance(alone, SplitPaths):
        return DataFolder(splits={TRAIN: alone}, incomplete=())
    if incomplete:
        raise BddsegError(incomplete[0], WHERE_DATA_IS)
    names = [names[0].format(split=TRAIN) for layout in (*layouts, _SIMPLE) for names in layout]
    raise BddsegError(
        f"{root} holds no data of the task {task.name}: none of the folders {', '.join(names)}, "
        "images, masks is there.",
        f"Check the path and -t. {WHERE_DATA_IS}",
    )


def _find(folder: Path, layout: _Layout, split: str) -> SplitPaths | str | None:
    """Return where a split is, what is missing of it, or None if there is nothing of it."""
    candidates = [[folder / name.format(split=split) for name in names] for names in layout]
    images, labels = (next((path for path in paths if path.exists()), None) for paths in candidates)
    if images and labels:
        return SplitPaths(images, labels)
    if not images and not labels:
        return None
    kind, missing = ("labels", candidates[1]) if images else ("images", candidates[0])
    listed = " or ".join(str(path.relative_to(folder)) for path in missing)
    return f"{images or labels} has no {kind}: {folder} has no {listed}."
