"""The specs that the zoo, the data and the models share: what a TOML entry says, checked."""

import math
from typing import Annotated, Any, Literal

import msgspec

Size = Annotated[int, msgspec.Meta(ge=1)]
# An image of more pixels along an edge does not fit into memory as the input of a network.
Edge = Annotated[int, msgspec.Meta(ge=1, le=16_384)]
SizeHW = tuple[Edge, Edge]
ChannelValues = tuple[float, float, float]
# "$" would accept a newline at the end.
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*\Z", max_length=128)]
Md5 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Sha1 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Sha256Prefix = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}\Z")]
Option = bool | int | float | str | list[Any] | dict[str, Any]
# Half precision ends at 65,504.
_LARGEST_INPUT = 60_000.0
Precision = Literal["fp32", "tf32", "fp16", "bf16"]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML table: unknown keys are errors."""


class Preprocessing(_Table, frozen=True, kw_only=True):
    """How an image becomes the network's input: resize, (pixel - mean) / std, times scale.

    Attributes:
        size_hw: With `keep_ratio`, the bounds that the image is resized to fit (the long edge
            within the larger, the short edge within the smaller, in portrait or landscape);
            without, the exact size in pixels.
        keep_ratio: Keep the image's aspect ratio.
        pad_value: Put the resized image in the middle of an input of exactly `size_hw`, and fill
            the rest with this grey level ("letterbox"); only with `keep_ratio`.
        round_pixels: Round resized pixels to whole grey levels, as many packages do that resize
            8-bit images; the zoo's models want them unrounded.
        channel_order: Order of the network's input channels, and of `mean` and `std`.
        mean: Subtracted from pixels of 0 to 255.
        std: Divides the difference.
        scale: Multiplies the result.
    """

    size_hw: SizeHW
    keep_ratio: bool = True
    pad_value: Annotated[float, msgspec.Meta(ge=0, le=255)] | None = None
    round_pixels: bool = False
    channel_order: Literal["RGB", "BGR"] = "RGB"
    mean: ChannelValues
    std: ChannelValues
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse keys that exclude each other, and numbers that make inputs of no use."""
        if not all(map(math.isfinite, (*self.mean, *self.std, self.scale))):
            raise ValueError("mean, std and scale have to be finite numbers")
        if min(self.std) <= 0:
            raise ValueError(f"each std has to be above 0, and std is {list(self.std)}")
        largest = abs(self.scale) * max(
            (255 + abs(mean)) / std for mean, std in zip(self.mean, self.std, strict=True)
        )
        if not 0 < largest < _LARGEST_INPUT:
            raise ValueError(
                f"mean, std and scale make inputs of up to {largest:.3g}, and networks expect "
                f"numbers above 0 and below {_LARGEST_INPUT:g}"
            )
        if self.pad_value is not None and not self.keep_ratio:
            raise ValueError("pad_value needs keep_ratio = true")

    @property
    def has_fixed_size(self) -> bool:
        """Whether every image becomes an input of exactly `size_hw`."""
        return not self.keep_ratio or self.pad_value is not None


class SlidingWindow(_Table, frozen=True, kw_only=True):
    """Overlapping crops on which a network is run instead of the whole image, in pixels."""

    crop_hw: SizeHW
    stride_hw: SizeHW

    def __post_init__(self) -> None:
        """Refuse strides that leave gaps between crops."""
        if any(stride > crop for stride, crop in zip(self.stride_hw, self.crop_hw, strict=True)):
            raise ValueError(
                f"stride_hw {list(self.stride_hw)} is larger than crop_hw {list(self.crop_hw)}: "
                "pixels between crops would have no logits"
            )


class Postprocessing(_Table, frozen=True, kw_only=True):
    """What is changed in a label map after the network, in pixels of the frame; 0 means nothing.

    Attributes:
        min_region: Smaller regions of a class become background.
        min_hole: Smaller regions of background get the class around them.
        ego_region_only: All classes become background but in the one region that the own vehicle
            stands in; masks of the entry's main task alone. It is for planning from the own
            position: the lanes beside it are often regions of their own, which ground truth has
            too, so scores get lower.
    """

    min_region: Annotated[int, msgspec.Meta(ge=0)] = 0
    min_hole: Annotated[int, msgspec.Meta(ge=0)] = 0
    ego_region_only: bool = False

    @property
    def is_active(self) -> bool:
        """Whether anything is changed."""
        return self.min_region > 0 or self.min_hole > 0 or self.ego_region_only


class Weights(_Table, frozen=True, kw_only=True):
    """Where the checkpoint is: URLs in order of preference, or a file beside the TOML.

    Attributes:
        urls: URLs of the same file, the preferred one first.
        file: A path relative to the TOML, instead of URLs.
        md5: MD5 of the file.
        sha256: SHA-256 of the file; takes precedence over `md5`.
        git_sha1: SHA-1 of the file as git stores it ("blob"), where nothing else is published.
        sha256_prefix: The first eight digits of the file's SHA-256, where only these are published:
            OpenMMLab and torch hub have them in the file's name.
        md5_url: URL of the published MD5.
    """

    urls: list[str] = []
    file: str | None = None
    md5: Md5 | None = None
    sha256: Sha256 | None = None
    git_sha1: Sha1 | None = None
    sha256_prefix: Sha256Prefix | None = None
    md5_url: str | None = None

    @property
    def digest(self) -> str | None:
        """The checksum that counts, in hex digits; its length tells its kind."""
        return self.sha256 or self.md5 or self.git_sha1 or self.sha256_prefix


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


class PublishedScores(_Table, frozen=True, kw_only=True):
    """Published mean IoU, in percent."""

    miou_val: float
    miou_test: float


class Links(_Table, frozen=True, kw_only=True):
    """URLs of other published files of the model."""

    config: str = ""
    scores_val: str = ""
    scores_test: str = ""
    preds: str = ""
    visuals: str = ""


class Entry(_Table, frozen=True, kw_only=True):
    """One model of the zoo: everything needed to run it and to cite it.

    Attributes:
        name: Name, unique among all catalogs.
        title: The architecture's name as its paper writes it.
        description: One line about the model, for lists.
        warning: What users must know before they trust its masks, a sentence; shown at each run.
        task: Name of the task that masks are of.
        extra_tasks: Names of further tasks that the network has outputs for.
        runtime: What executes the network, unless the user chooses another runtime.
        architecture: Name in the registry of architectures; none where the weights are a file that
            holds the network too, such as ONNX.
        options: Keywords of the architecture's builder; text that begins with "./" is a path
            relative to the TOML.
        class_map: For each class of the network, the class id of the task that it stands for;
            needed where the network was trained with another order of classes.
        extra_class_maps: The same for outputs of `extra_tasks`, by name of the task.
        preprocessing: From an image to the network's input.
        sliding_window: Crops to run the network on; without, it is run on the whole image.
        postprocessing: Changes of the label map, unless the user asks for others.
        weights: Where the checkpoint is.
        license: License of the weights, an SPDX expression; empty if the publisher states none.
        paper: The publication.
        training: How the weights were trained.
        scores: Published scores.
        parameters: Number of parameters.
        links: Other published files.
    """

    name: Name
    title: str
    description: str = ""
    warning: str = ""
    task: Name
    extra_tasks: tuple[Name, ...] = ()
    runtime: Name = "torch"
    architecture: str = ""
    options: dict[str, Option] = {}
    class_map: tuple[int, ...] = ()
    extra_class_maps: dict[Name, tuple[int, ...]] = {}
    preprocessing: Preprocessing
    sliding_window: SlidingWindow | None = None
    postprocessing: Postprocessing = Postprocessing()
    weights: Weights = Weights()
    license: str = ""
    paper: Paper | None = None
    training: Training | None = None
    scores: PublishedScores | None = None
    parameters: Size | None = None
    links: Links = Links()

    def __post_init__(self) -> None:
        """Refuse an entry without a network."""
        if self.runtime == "torch" and not self.architecture:
            raise ValueError("architecture is missing; only other runtimes do without")

    def get_class_map(self, task: str) -> tuple[int, ...]:
        """Return the class map of one of the entry's tasks; empty where the orders are the same."""
        return self.class_map if task == self.task else self.extra_class_maps.get(task, ())

    def get_postprocessing(self, task: str) -> Postprocessing:
        """Return the postprocessing of one of the entry's tasks."""
        if task == self.task:
            return self.postprocessing
        # Of lane lines, the vehicle stands in none.
        return msgspec.structs.replace(self.postprocessing, ego_region_only=False)

    @property
    def short_name(self) -> str:
        """The name without the suffix that all models of the zoo share."""
        return self.name.removesuffix("_drivable_bdd100k")


def change_postprocessing(entry: Entry, **values: int | None) -> Entry:
    """Return an entry with other values in its postprocessing; None keeps those that it has."""
    given = {name: value for name, value in values.items() if value is not None}
    changed = msgspec.structs.replace(entry.postprocessing, **given)
    return msgspec.structs.replace(entry, postprocessing=changed)
