"""A new plugin's package, from the template beside this file."""

import re
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.files import unwritable

_TEMPLATE = Path(__file__).with_name("template")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Template files end in this, so that no tool takes them for what they become.
_SUFFIX = ".in"


def write_package(name: str, folder: Path, *, taken: Collection[str]) -> Path:
    """Write the package `bddseg-NAME`, and return its folder; it is whole or absent.

    Args:
        name: of its architecture, its model and its command.
        folder: in which the package's own is made.
        taken: names that it cannot have.

    Raises:
        BddsegError: the name cannot be one, or is taken; the folder is there or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise BddsegError(
            f"'{name}' cannot be a plugin's name.",
            "Lower-case letters and digits, joined by underscores: `bddseg plugins new fast_net`.",
        )
    if name in taken:
        raise BddsegError(
            f"'{name}' is the name of an architecture or a command already.", "Choose another."
        )
    target = folder / f"bddseg-{name.replace('_', '-')}"
    if target.exists():
        raise BddsegError(f"{target} is there already.", "Choose another name, or -o FOLDER.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bddseg-", dir=folder) as temporary:
            whole = Path(temporary, target.name)
            for source in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
                place = _fill(str(source.relative_to(_TEMPLATE)), name).removesuffix(_SUFFIX)
                path = whole / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_fill(source.read_text(encoding="utf-8"), name), encoding="utf-8")
            shutil.move(whole, target)
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def _fill(text: str, name: str) -> str:
    title = "".join(part.capitalize() for part in name.split("_"))
    for key, value in (("NAME", name), ("TITLE", title), ("DASHED", name.replace("_", "-"))):
        text = text.replace(f"@{key}@", value)
    return text
