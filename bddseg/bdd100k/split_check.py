"""Checking which split results are of, as far as folders show it."""

from collections.abc import Sequence
from pathlib import Path

from bddseg.bdd100k.layout import TRAIN, VALIDATION
from bddseg.errors import BddsegError
from bddseg.record import find_record

_SPLITS = (TRAIN, VALIDATION, "test")


def refuse_other_split(masks: Path, paths: Sequence[Path], split: str) -> None:
    """Check that no folder of frames is named after another split, as BDD100K names its folders.

    Looked at are the source in the run record or, without one, the folder of masks, and subfolders.
    Of several names in a path, the last one counts.

    Args:
        masks: Folder of the masks.
        paths: The masks.
        split: The split that they should be of.

    Raises:
        BddsegError: a folder has the name of another split.
    """
    record = find_record(masks)
    source = Path(str(record.identity.get("source", ""))) if record else masks.resolve()
    for subfolder in sorted({path.parent.relative_to(masks) for path in paths}):
        folder = source / subfolder
        found = next((part for part in reversed(folder.parts) if part in _SPLITS), split)
        if found != split:
            kind = "frames" if record else "masks"
            raise BddsegError(
                f"The {kind} in {folder} seem to be of the split {found}, and --split is {split}.",
                f"{_suggest(found)}; or give the names of all frames with --names FILE: then the "
                "names are checked, and not the folders.",
            )


def _suggest(found: str) -> str:
    if found == TRAIN:
        return "The server scores val and test: use results of their frames"
    return f"Use --split {found}"
