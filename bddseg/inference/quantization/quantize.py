"""From a model and frames to a folder with an int8 network, its entry and a report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from bddseg.errors import BddsegError
from bddseg.inference.export.graph import export_onnx
from bddseg.inference.predictor import Predictor
from bddseg.inference.quantization.folder import (
    MODEL_NAME,
    check_out,
    make_entry,
    save_model,
    write_folder,
)
from bddseg.inference.quantization.frames import Frames, open_frames
from bddseg.inference.quantization.layers import (
    QuantizedLayers,
    import_nncf,
    list_int8_layers,
    quantize_layers,
)
from bddseg.inference.quantization.recorder import Recorder
from bddseg.inference.quantization.score import Score, Scorer, time_networks
from bddseg.inference.run import list_versions
from bddseg.inference.runtimes.openvino import OpenVinoRuntime
from bddseg.inference.runtimes.runtime import Runtime
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.progress import Progress, SilentProgress
from bddseg.specs import Entry, Precision
from bddseg.tasks.task import get_task
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights

# Frames on which each group of layers is tried alone.
_RANKING_FRAMES = 8


@dataclass(frozen=True, kw_only=True)
class QuantizationReport:
    """What a quantization did.

    Attributes:
        model: Name of the model.
        weights: Its checkpoint file.
        frames: Where the frames came from.
        calibration_frames: Names of the frames that calibrated.
        scored_frames: Number of frames that were scored: all others. The int8 layers were chosen by
            these scores too.
        precision: Precision of the layers that are not int8.
        max_drop: What was allowed: points of official mean IoU or, without ground truth, percent of
            pixels.
        changed: Pixels whose label differs from fp32, in percent.
        miou_before: Official mean IoU in fp32, in percent; None without ground truth.
        miou_after: That of the int8 network.
        milliseconds: A frame's time in the network: torch in fp32, OpenVINO without int8 layers,
            and int8.
        int8_layers: Names of the convolutions and matrix products that this CPU computes in int8.
        num_layers: Number of convolutions and matrix products.
        trials: The scores of all networks that were tried.
        versions: Versions of packages.
    """

    model: str
    weights: str
    frames: str
    calibration_frames: list[str]
    scored_frames: int
    precision: Precision
    max_drop: float
    changed: float
    miou_before: float | None
    miou_after: float | None
    milliseconds: dict[str, float]
    int8_layers: list[str]
    num_layers: int
    trials: list[dict[str, Any]]
    versions: dict[str, str]


def quantize(
    model: str | Path | Entry,
    frames: str | Path,
    out: str | Path,
    *,
    ground_truth: str | Path | None = None,
    weights: str | Path | None = None,
    limit: int | None = None,
    max_drop: float = 0.5,
    precision: Precision = "fp32",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> QuantizationReport:
    """Write an int8 network for OpenVINO: `bddseg quantize` as a function.

    One of five frames, 64 at most, calibrates the ranges of numbers in the network; all others are
    scored. Layers that cost too much accuracy do not become int8.

    Args:
        model: A model's name, the path of an entry's TOML file, or an entry.
        frames: A source of frames, all of one size: an image folder, a glob pattern, a video...
        out: Folder for the network, its `entry.toml` and `report.json`.
        ground_truth: Masks or Scalabel JSON of the frames.
        weights: A checkpoint file; without, the entry's own, downloaded if necessary.
        limit: Only the first N frames.
        max_drop: How much may be lost: points of official mean IoU or, without ground truth,
            percent of pixels that get another label.
        precision: Precision of the layers that are not int8: "fp32" or, on CPUs that have it,
            "bf16". Run the network in the same one.
        overwrite: Replace the result of an earlier quantization.
        progress: Shows progress.

    Raises:
        BddsegError: a package is missing, or the CPU lacks the precision; the weights, the frames
            or the ground truth do not fit; or `max_drop` cannot be met. Nothing is written then.
    """
    out, progress = Path(out), progress or SilentProgress()
    check_out(out, overwrite=overwrite)
    entry = find_entry(model)
    if not entry.architecture:
        raise BddsegError(
            f"{entry.name} is a file of the runtime '{entry.runtime}', and only networks of an "
            "architecture can be quantized.",
            "`bddseg zoo list` shows models.",
        )
    import_nncf()
    OpenVinoRuntime.check(precision)
    truth = Path(ground_truth) if ground_truth else None
    opened = open_frames(frames, get_task(entry.task), ground_truth=truth, limit=limit)
    for note in opened.notes:
        progress.note(note)
    path = Path(weights) if weights else get_weights(entry)
    reference = TorchRuntime.load(entry, path, device="cpu", precision="fp32")
    inputs = _record_inputs(entry, reference, opened, frames)
    graph = _export(entry, reference, inputs)
    progress.note(f"Calibrating with {len(opened.calibration)} frames.")
    layers = quantize_layers(graph, inputs.images, inputs.num_classes)
    search = _Search(entry, reference, opened, layers, max_drop, precision, progress)
    made = layers.make(search.run())
    networks: dict[str, Runtime] = {
        "torch": reference,
        "openvino": search.compile(graph),
        "int8": search.compile(made),
    }
    first = torch.from_numpy(inputs.images[0])
    int8_layers, num_layers = list_int8_layers(made, precision)
    report = QuantizationReport(
        model=entry.name,
        weights=str(path),
        frames=str(frames),
        calibration_frames=[ref.name for ref in opened.calibration],
        scored_frames=len(opened.scored),
        precision=precision,
        max_drop=max_drop,
        changed=search.best.changed,
        miou_before=search.before.miou,
        miou_after=search.best.miou,
        milliseconds=time_networks(networks, first),
        int8_layers=int8_layers,
        num_layers=num_layers,
        trials=search.trials,
        versions=list_versions() | {name: version(name) for name in ("openvino", "nncf", "onnx")},
    )
    write_folder(out, entry, made, asdict(report), align_corners=reference.align_corners)
    return report


def _record_inputs(
    entry: Entry, reference: TorchRuntime, frames: Frames, source: object
) -> Recorder:
    """Return what the network is given for the frames that calibrate."""
    recorder = Recorder(reference, entry.task, source)
    predictor = Predictor(entry, recorder)
    for _, image in frames.read(frames.calibration):
        predictor(image)
    return recorder


def _export(entry: Entry, reference: TorchRuntime, inputs: Recorder) -> Any:
    """Return the network as an `openvino.Model`."""
    import openvino

    tasks = (entry.task, *entry.extra_tasks)
    content = export_onnx(reference.network, inputs.size_hw, dict.fromkeys(tasks, ()))
    return openvino.Core().read_model(content)


def rank_groups(changed: Sequence[float], multiplications: Sequence[int]) -> list[int]:
    """Return the numbers of the groups, by changed pixels for each multiplication, most first.

    Args:
        changed: Pixels that each group changes, in percent.
        multiplications: Number of multiplications in each group.
    """
    return sorted(
        range(len(changed)), key=lambda number: -changed[number] / max(multiplications[number], 1)
    )


class _Search:
    """Finds the groups of layers that must not be int8."""

    def __init__(
        self,
        entry: Entry,
        reference: TorchRuntime,
        frames: Frames,
        layers: QuantizedLayers,
        max_drop: float,
        precision: Precision,
        progress: Progress,
    ) -> None:
        self.trials: list[dict[str, Any]] = []
        self._entry = entry
        self._reference = reference
        self._layers = layers
        self._max_drop = max_drop
        self._precision = precision
        self._progress = progress
        self._scorer = Scorer(entry, reference, frames)
        self.before = self._scorer.score(None, progress=progress)
        self.best = self.before

    def compile(self, model: Any) -> OpenVinoRuntime:
        """Return a model ready to run, from files as they are written at the end."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / MODEL_NAME
            digest = save_model(model, path)
            entry = make_entry(self._entry, digest, align_corners=self._reference.align_corners)
            return OpenVinoRuntime(entry, path, self._precision)

    def run(self) -> list[int]:
        """Return the groups that are not int8.

        Raises:
            BddsegError: nothing can be int8.
        """
        if self._is_good([]):
            return []
        ranking = self._rank()
        # If the first `low` groups of the ranking are not int8, too much is lost; if the first
        # `high` are not, it is not too much.
        low, high = 0, len(ranking)
        while high - low > 1:
            middle = (low + high) // 2
            if self._is_good(ranking[:middle]):
                high = middle
            else:
                low = middle
        if high == len(ranking):
            raise BddsegError(self._explain_failure(), "Allow more with --max-drop.")
        return sorted(ranking[:high])

    def _rank(self) -> list[int]:
        """Return the groups, ranked by what they change when they alone are int8."""
        everything = range(len(self._layers))
        changed = []
        for number in everything:
            self._progress.update(done=number, total=len(everything))
            others = [each for each in everything if each != number]
            changed.append(self._score(others, _RANKING_FRAMES).changed)
        return rank_groups(changed, self._layers.multiplications)

    def _score(self, unquantized: list[int], limit: int | None = None) -> Score:
        network = self.compile(self._layers.make(unquantized))
        return self._scorer.score(network, limit, None if limit else self._progress)

    def _is_good(self, unquantized: list[int]) -> bool:
        score = self._score(unquantized)
        self.trials.append({"groups_not_int8": sorted(unquantized), **asdict(score)})
        if self._get_drop(score) > self._max_drop:
            return False
        self.best = score
        return True

    def _get_drop(self, score: Score) -> float:
        if score.miou is None or self.before.miou is None:
            return score.changed
        return self.before.miou - score.miou

    def _explain_failure(self) -> str:
        least = min(self._get_drop(Score(each["changed"], each["miou"])) for each in self.trials)
        unit = "% of pixels" if self.before.miou is None else " points of official mIoU"
        return (
            f"{self._entry.name} loses {least:.2g}{unit} with one group of layers in int8, and "
            f"{self._max_drop:g} is allowed."
        )
