"""The whole job on rendered scenes: what `bddseg demo` does, in order."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bddseg.data.frames import write_jpeg
from bddseg.data.masks import write_mask
from bddseg.demo.scenes import render_scene
from bddseg.engine.job import Job, Record
from bddseg.engine.launch import run_job
from bddseg.errors import BddsegError
from bddseg.metrics.evaluation import Evaluation, evaluate
from bddseg.progress import Display, Track, map_in_threads, track_silently
from bddseg.tasks import get_task
from bddseg.vis.colorize import colorize_masks
from bddseg.vis.overlay import overlay_frames
from bddseg.vis.sheet import Cell, write_sheet
from bddseg.zoo.download import get_weights
from bddseg.zoo.entry import read_entry

ENTRY = Path(__file__).with_name("entry.toml")
# Chosen for variety: day, dusk and night, dry, rain and fog, one lane to five. Training uses seeds
# from a million on (`train.py`), so these scenes are new to the network.
SEEDS = (2, 4, 100, 105, 106, 107, 108, 111)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """Where the demo's files are, and what came out.

    Attributes:
        frames: folder of the rendered frames.
        truth: folder of their exact masks.
        masks: folder of the masks that the network made, with `run.json`.
        colormaps: folder of those masks in colour.
        overlays: folder of the frames with the masks blended in.
        sheet: all overlays in one picture.
        record: of the inference run.
        evaluation: of the masks against the truth.
    """

    frames: Path
    truth: Path
    masks: Path
    colormaps: Path
    overlays: Path
    sheet: Path
    record: Record
    evaluation: Evaluation


def take_tour(
    out: Path, *, workers: int = 1, track: Track = track_silently, display: Display | None = None
) -> Tour:
    """Render scenes, segment them, score the masks and draw them, all below `out`.

    Raises:
        BddsegError: `out` cannot be written.
    """
    frames, truth, masks, colormaps, overlays = (
        out / name for name in ("frames", "truth", "masks", "colormaps", "overlays")
    )
    write = partial(_write_scene, frames=frames, truth=truth)
    for outcome in map_in_threads(write, track(SEEDS, "Rendering scenes"), workers):
        if isinstance(outcome, BddsegError):
            raise outcome
    entry = read_entry(ENTRY)
    task = get_task(entry.task)
    job = Job(
        entry=entry,
        weights=get_weights(entry),
        source=str(frames),
        out=masks,
        device="cpu",
        overwrite=True,
    )
    record = run_job(job, display)
    assert record is not None, "the demo is no worker of another run"
    evaluation = evaluate(truth, masks, task, workers=workers, track=track)
    colorize_masks(masks, colormaps, task, workers=workers, track=track)
    overlay_frames(str(frames), masks, overlays, task, workers=workers, track=track)
    sheet = out / "overlays.jpg"
    pictures = sorted(overlays.glob("*.jpg"))
    write_sheet([Cell(path) for path in pictures], sheet, columns=2, cell_width=480)
    return Tour(
        frames=frames,
        truth=truth,
        masks=masks,
        colormaps=colormaps,
        overlays=overlays,
        sheet=sheet,
        record=record,
        evaluation=evaluation,
    )


def _write_scene(seed: int, *, frames: Path, truth: Path) -> None:
    scene = render_scene(seed)
    name = f"scene-{seed:03}"
    write_jpeg(frames / f"{name}.jpg", scene.frame)
    write_mask(truth / f"{name}.png", scene.labels)
