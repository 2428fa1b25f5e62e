"""One model of the zoo, as data: what TOML says, checked."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from bddseg.errors import BddsegError

Size = Annotated[int, msgspec.Meta(ge=1)]
SizeHW = tuple[Size, Size]
Rgb = tuple[float, float, float]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
Md5 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Option = bool | int | float | str | list[Any] | dict[str, Any]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML table: unknown keys are errors."""


class Preprocessing(_Table, frozen=True, kw_only=True):
    """How a frame becomes the network's input.

    Attributes:
        size_hw: with `keep_ratio`, the bounds that the frame is resized to fit (the long edge
            within the larger, the short edge within the smaller, whichever way the frame lies);
            without, the exact size in pixels.
        keep_ratio: whether the frame's aspect ratio is kept.
        round_pixels: whether resized pixels are rounded to whole grey levels, as many packages do
            that resize images of bytes; the zoo's models want them as they are.
        mean_rgb: subtracted from pixels of 0 to 255.
        std_rgb: what the difference is divided by.
    """

    size_hw: SizeHW
    keep_ratio: bool = True
    round_pixels: bool = False
    mean_rgb: Rgb
    std_rgb: Rgb


class Test(_Table, frozen=True, kw_only=True):
    """How the network is applied: to the whole input, or to crops that slide over it."""

    mode: Literal["whole", "slide"] = "whole"
    crop_hw: SizeHW | None = None
    stride_hw: SizeHW | None = None

    def __post_init__(self) -> None:
        """Refuse a slide without a window."""
        if self.mode == "slide" and (self.crop_hw is None or self.stride_hw is None):
            raise ValueError("mode 'slide' needs crop_hw and stride_hw")


class Weights(_Table, frozen=True, kw_only=True):
    """Where the checkpoint is: addresses in order of preference, or a file beside the TOML.

    Attributes:
        urls: addresses of the same file, the best one first.
        file: a path relative to the TOML, instead of addresses.
        md5: its checksum.
        sha256: likewise; counts before `md5`.
        md5_url: where its MD5 is published.
    """

    urls: list[str] = []
    file: str | None = None
    md5: Md5 | None = None
    sha256: Sha256 | None = None
    md5_url: str | None = None


class Paper(_Table, frozen=True, kw_only=True):
    """The publication behind the architecture."""

    title: str
    url: str
    venue: str = ""
    code_url: str = ""


class Training(_Table, frozen=True, kw_only=True):
    """How the weights were trained, as published."""

    backbone: str
    iterations: Size
    crop_hw: SizeHW


class Scores(_Table, frozen=True, kw_only=True):
    """Published mean IoU, in percent."""

    miou_val: float
    miou_test: float


class Links(_Table, frozen=True, kw_only=True):
    """Other published files of the model."""

    config: str = ""
    scores_val: str = ""
    scores_test: str = ""
    preds: str = ""
    visuals: str = ""


class Entry(_Table, frozen=True, kw_only=True):
    """One row of the zoo, whole: everything needed to run the model and to cite it.

    Attributes:
        name: unique among all catalogs.
        title: the architecture's name as its paper writes it.
        task: the name of a task.
        architecture: a name in the registry of architectures.
        options: the keywords of the architecture's builder; text that begins with "./" is a path
            beside the TOML.
        license: of the weights, an SPDX expression; empty if not stated by who published them.
    """

    name: Name
    title: str
    task: Name
    architecture: str
    options: dict[str, Option] = {}
    preprocessing: Preprocessing
    test: Test = Test()
    weights: Weights = Weights()
    license: str = ""
    paper: Paper | None = None
    training: Training | None = None
    scores: Scores | None = None
    links: Links = Links()

    @property
    def short_name(self) -> str:
        """The name without the suffix that all models of the zoo share."""
        return self.name.removesuffix("_drivable_bdd100k")


def parse_entry(table: Mapping[str, Any], origin: str, folder: Path) -> Entry:
    """Return the entry that a TOML table describes.

    Args:
        table: the parsed table.
        origin: what an error names.
        folder: what `weights.file` and paths in options are relative to.

    Raises:
        BddsegError: a key is unknown, missing or of the wrong type; it names `origin` and the key.
    """
    try:
        entry = msgspec.convert(table, Entry)
    except msgspec.ValidationError as error:
        raise BddsegError(
            f"{origin}: {str(error).replace('`$.', '`')}.",
            "Correct that key. `bddseg zoo show pspnet_r50-d8_512x1024_40k --json` shows a "
            "complete entry.",
        ) from error
    options = {key: _place(value, folder) for key, value in entry.options.items()}
    weights = entry.weights
    if weights.file is not None:
        weights = msgspec.structs.replace(weights, file=str(folder / weights.file))
    return msgspec.structs.replace(entry, options=options, weights=weights)


def _place(value: Option, folder: Path) -> Option:
    is_path = isinstance(value, str) and value.startswith("./")
    return str(folder / str(value)) if is_path else value


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        BddsegError: the file is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BddsegError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BddsegError(f"{path} is not valid TOML: {error}.", "Correct the file.") from error


def read_entry(path: Path) -> Entry:
    """Return the entry that a user's own TOML file describes.

    Raises:
        BddsegError: the file cannot be read, or a key in it is wrong.
    """
    return parse_entry(read_toml(path), str(path), path.parent)


def format_entry(entry: Entry) -> str:
    """Return the TOML of an entry, which `read_entry` reads; empty values are left out.

    TOML has no null, and all that can be empty is so by default.
    """
    import tomli_w

    return tomli_w.dumps(_drop_defaults(msgspec.to_builtins(entry)))


def _drop_defaults(table: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in table.items():
        short = _drop_defaults(value) if isinstance(value, dict) else value
        if short not in (None, "", [], (), {}):
            kept[key] = list(short) if isinstance(short, tuple) else short
    return kept
