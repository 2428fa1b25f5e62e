"""The demo: segment rendered frames, score the masks, and draw them."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from bddseg.data.mask import MASKS_FOLDER
from bddseg.data.sources.source import FrameRef
from bddseg.demo import GROUND_TRUTH, IMAGES
from bddseg.errors import BddsegWarning
from bddseg.inference.run import infer
from bddseg.io.atomic import write_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.metrics.evaluate import evaluate
from bddseg.metrics.evaluation import Evaluation
from bddseg.progress import Progress, Track, track_silently
from bddseg.record import RunRecord, read_record
from bddseg.tasks.task import get_task
from bddseg.vis.batch import DrawOptions
from bddseg.vis.colorize import colorize_masks
from bddseg.vis.grid import write_grid
from bddseg.vis.overlay import overlay_frames

MODEL = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The folders that the demo wrote, an image of all overlays, the run's record, and scores."""

    images: Path
    ground_truth: Path
    run: Path
    masks: Path
    colormaps: Path
    overlays: Path
    grid: Path
    record: RunRecord
    evaluation: Evaluation


def run_demo(
    out: Path,
    *,
    num_threads: int = 1,
    track: Track = track_silently,
    progress: Progress | None = None,
) -> DemoResult:
    """Run the model `demo` on the frames of the package, on the CPU; all files are below `out`.

    Args:
        out: Folder.
        num_threads: Number of threads that score and draw.
        track: Shows the progress of scoring and drawing.
        progress: Shows the progress of inference.

    Raises:
        BddsegError: a file cannot be written, or one that is not of an earlier demo exists.
    """
    images, truth, run = out / "images", out / "ground_truth", out / "run"
    # An earlier demo is replaced; nothing else is.
    earlier = read_record(run)
    overwrite = earlier is not None and earlier.model == MODEL
    _copy(IMAGES, images, overwrite=overwrite)
    _copy(GROUND_TRUTH, truth, overwrite=overwrite)
    with warnings.catch_warnings():
        # Of the model, on real frames: these are rendered.
        warnings.simplefilter("ignore", BddsegWarning)
        record = infer(
            MODEL, str(images), run, device="cpu", overwrite=overwrite, progress=progress
        )
    assert record is not None, "only workers of a distributed run return None"
    masks, task = run / MASKS_FOLDER, get_task(record.task)
    evaluation = evaluate(truth, run, num_threads=num_threads, track=track)
    colormaps, overlays = out / "colormaps", out / "overlays"
    options = DrawOptions(overwrite=overwrite, num_threads=num_threads, track=track)
    colorize_masks(masks, colormaps, task, options=options)
    overlay_frames(str(images), masks, overlays, task, options=options)
    grid = out / "overlays.jpg"
    refs = [FrameRef(str(path), path.stem) for path in sorted(overlays.glob("*.jpg"))]
    write_grid(
        refs, grid, columns=2, width=480, show_names=False, options=DrawOptions(overwrite=overwrite)
    )
    return DemoResult(
        images=images,
        ground_truth=truth,
        run=run,
        masks=masks,
        colormaps=colormaps,
        overlays=overlays,
        grid=grid,
        record=record,
        evaluation=evaluation,
    )


def _copy(source: Path, target: Path, *, overwrite: bool) -> None:
    files = {target / file.name: file.read_bytes() for file in sorted(source.iterdir())}
    # Those of a demo that was interrupted are there already.
    missing = [
        path for path, data in files.items() if not path.is_file() or path.read_bytes() != data
    ]
    refuse_overwriting(missing, overwrite=overwrite)
    for path in missing:
        write_atomically(path, files[path])
