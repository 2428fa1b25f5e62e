"""What an export is asked to do, and what came of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bddseg.errors import BddsegError
from bddseg.specs import Entry
from bddseg.types import SizeHW

ExportFormat = Literal["onnx", "openvino", "pt2", "tensorrt"]
ExportPrecision = Literal["fp32", "fp16"]

# Frames on which a file is compared with torch, and the share of equal pixels that is enough.
NUM_FRAMES = 4
MIN_EQUAL = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """What an export is asked to do.

    Attributes:
        entry: The model.
        weights: Its checkpoint file.
        frames: Source of the frames on which the file is compared with torch.
        limit: Number of these frames.
        out: Folder of the files.
        to: Format of the file.
        size: Of the network's input, (H, W) in pixels, or "dynamic" for any; without, the entry's
            or, where the entry has none, that of the first frame.
        with_argmax: The file returns class ids instead of logits.
        precision: What the network computes in.
        tasks: Which of the model's tasks are outputs; without, the main one.
        overwrite: Replace the files of an earlier export.
    """

    entry: Entry
    weights: Path
    frames: str
    limit: int = NUM_FRAMES
    out: Path
    to: ExportFormat = "onnx"
    size: SizeHW | Literal["dynamic"] | None = None
    with_argmax: bool = False
    precision: ExportPrecision = "fp32"
    tasks: tuple[str, ...] = ()
    overwrite: bool = False

    @property
    def is_dynamic(self) -> bool:
        """Whether the file takes inputs of any size."""
        return self.size == "dynamic"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameParity:
    """How a frame's results differ from those of torch.

    Attributes:
        name: Name of the frame.
        task: The task of the labels.
        equal: Share of pixels with the same label: at the frame's size, or of files that return
            labels at the size of the input.
        equal_at_frame_size: The same at the frame's size, where the file's labels are enlarged.
        max_difference: Of logits, in standard deviations of torch's; None without logits, and where
            the inputs differ in size.
    """

    name: str
    task: str
    equal: float
    equal_at_frame_size: float
    max_difference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """A file's results, compared with those of torch.

    Attributes:
        frames: Each frame and task.
        other_sizes: Of a file that takes any size: the share of equal labels when the first input
            is resized, by size, HxW.
        num_classes_seen: How many classes torch's labels hold; one says little.
        torch_ms: Median time of the network and the interpolation to the input's size.
        exported_ms: The same of the exported file.
    """

    frames: tuple[FrameParity, ...]
    other_sizes: dict[str, float]
    num_classes_seen: int
    torch_ms: float
    exported_ms: float

    @property
    def equal(self) -> float:
        """The lowest share of equal labels, of all frames and sizes."""
        return min([*(each.equal for each in self.frames), *self.other_sizes.values()])

    @property
    def max_difference(self) -> float | None:
        """The largest difference of logits, in standard deviations."""
        known = [each.max_difference for each in self.frames if each.max_difference is not None]
        return max(known, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `parity.json`."""
        return {"equal": self.equal, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote.

    Attributes:
        out: The folder.
        files: Names of its files, the model first.
        size_hw: Size of the input; None if it takes any.
        parity: How results differ from torch's.
    """

    out: Path
    files: tuple[str, ...]
    size_hw: SizeHW | None
    parity: Parity

    def check(self, min_equal: float) -> None:
        """Check that enough labels equal those of torch.

        Raises:
            BddsegError: a smaller share than `min_equal` does, on some frame or size.
        """
        equal = self.parity.equal
        if equal < min_equal:
            raise BddsegError(
                f"Only {equal:.3%} of the labels equal those of torch, and {min_equal:.3%} were "
                f"expected: see {self.out / 'parity.json'}. The files were kept.",
                "Use --precision fp32, or a size that fits the frames (--size HxW, or frames of "
                f"one size with --frames); or accept it: --min-equal {_round_down(equal * 100)}",
            )


def _round_down(percent: float) -> float:
    return int(percent * 10) / 10
