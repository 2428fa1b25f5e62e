"""Writing the package of a new plugin, from the folder `template`."""

import re
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.io.atomic import write_error

_TEMPLATE = Path(__file__).with_name("template")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# The suffix keeps tools from reading template files as Python or TOML.
_SUFFIX = ".in"


def write_package(name: str, folder: Path, *, reserved: Collection[str]) -> Path:
    """Write the package `bddseg-NAME`, completely or not at all; return its folder.

    Args:
        name: Name of the architecture, the model and the command.
        folder: Folder in which the package's folder is made.
        reserved: Names that are used already.

    Raises:
        BddsegError: the name is invalid or reserved, or the folder exists or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise BddsegError(
            f"'{name}' is not a valid plugin name.",
            "Use lower-case letters and digits, joined by underscores: `bddseg plugins new "
            "fast_net`.",
        )
    if name in reserved:
        raise BddsegError(
            f"An architecture or a command named '{name}' exists already.", "Choose another name."
        )
    target = folder / f"bddseg-{name.replace('_', '-')}"
    if target.exists():
        raise BddsegError(f"{target} exists already.", "Choose another name, or use -o FOLDER.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".bddseg-", dir=folder) as temporary:
            package = Path(temporary, target.name)
            _write_files(package, name)
            shutil.move(package, target)
    except OSError as error:
        raise write_error(target, error) from error
    return target


def _write_files(package: Path, name: str) -> None:
    """Write each file of the template, with its placeholders filled in."""
    for source in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
        relative = _fill(str(source.relative_to(_TEMPLATE)), name).removesuffix(_SUFFIX)
        path = package / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_fill(source.read_text(encoding="utf-8"), name), encoding="utf-8")


def _fill(text: str, name: str) -> str:
    title = "".join(part.capitalize() for part in name.split("_"))
    for key, value in (("NAME", name), ("TITLE", title), ("DASHED", name.replace("_", "-"))):
        text = text.replace(f"@{key}@", value)
    return text
