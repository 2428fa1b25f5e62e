"""Drawing many images in threads. Each file is complete or absent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bddseg.data.label_set import LabelMapRef, LabelSet
from bddseg.data.sources.files import find_images
from bddseg.data.sources.source import FrameRef
from bddseg.errors import BddsegError
from bddseg.io.atomic import write_atomically
from bddseg.io.overwrite import refuse_overwriting
from bddseg.progress import Track, map_in_threads, track_silently


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """Options that all drawing functions share.

    Attributes:
        limit: Only the first N frames.
        resume: Keep images that are newer than the files they are made from, and replace others.
        overwrite: Replace existing files.
        num_threads: Number of threads.
        track: Shows progress.
    """

    limit: int | None = None
    resume: bool = False
    overwrite: bool = False
    num_threads: int = 1
    track: Track = track_silently


DEFAULT_OPTIONS = DrawOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawJob:
    """One image to draw.

    Attributes:
        target: File to write.
        inputs: Files that the image is made from.
        draw: Returns the bytes of the file, and a note if labels had to be resized, else "".
    """

    target: Path
    inputs: tuple[Path, ...]
    draw: Callable[[], tuple[bytes, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawResult:
    """Summary of a batch.

    Attributes:
        drawn: Number of images written.
        kept: Number of images that were up to date.
        resized: A note for each image whose labels were resized to the frame.
        failures: An error for each image that could not be drawn.
        unpaired: Frames without a mask.
        notes: Notes about the label maps, in sentences.
    """

    drawn: int
    kept: int = 0
    resized: tuple[str, ...] = ()
    failures: tuple[BddsegError, ...] = ()
    unpaired: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


class MatchedFrames(NamedTuple):
    """Frames that have a label map in each label set, with these; and those that lack one."""

    matched: tuple[tuple[FrameRef, tuple[LabelMapRef, ...]], ...]
    unpaired: tuple[Path, ...]


def match_frames(
    source: str, label_sets: Sequence[LabelSet], *, exclude: Path | None = None
) -> MatchedFrames:
    """Find the label maps of each frame; see `LabelSet.find`.

    Args:
        source: An image, a folder, a glob pattern or a list file.
        label_sets: Where the label maps come from.
        exclude: A folder without frames: where results go.

    Raises:
        BddsegError: there are no frames, none has its label maps, or a name is ambiguous.
    """
    files = {ref.path for labels in label_sets for ref in labels.values()}
    frames = find_images(source, exclude=exclude, labels=files)
    matched = []
    unpaired = []
    for frame in frames:
        refs = [labels.find(frame.name) for labels in label_sets]
        found = tuple(ref for ref in refs if ref is not None)
        if len(found) == len(refs):
            matched.append((frame, found))
        else:
            unpaired.append(frame.path)
    if not matched:
        folders = " and in ".join(str(labels.source) for labels in label_sets)
        raise BddsegError(
            f"No frame of {source} (such as {frames[0].name}) has a mask in {folders}.",
            "Frames and masks are paired by path or file name without the suffix: check both.",
        )
    return MatchedFrames(tuple(matched), tuple(unpaired))


def draw_images(
    jobs: Sequence[DrawJob],
    description: str,
    *,
    unpaired: Sequence[Path] = (),
    options: DrawOptions = DEFAULT_OPTIONS,
) -> DrawResult:
    """Draw and write images. A failure does not stop the others, once they are started.

    Args:
        jobs: The images; `options.limit` is not applied again.
        description: Text for the progress display.
        unpaired: Copied to the result.
        options: See `DrawOptions`.

    Raises:
        BddsegError: an image would overwrite a file; see `refuse_overwriting`.
    """
    refuse_overwriting(
        (job.target for job in jobs),
        (path for job in jobs for path in job.inputs),
        overwrite=options.overwrite or options.resume,
        hint="Use --resume to draw what is missing or old, --overwrite, or another output.",
    )
    step = partial(_run, resume=options.resume)
    tracked = options.track(jobs, description)
    with map_in_threads(step, tracked, options.num_threads) as outcomes:
        results = list(outcomes)
    failures = tuple(result for result in results if isinstance(result, BddsegError))
    kept = sum(result is None for result in results)
    return DrawResult(
        drawn=len(results) - len(failures) - kept,
        kept=kept,
        resized=tuple(result for result in results if isinstance(result, str) and result),
        failures=failures,
        unpaired=tuple(unpaired),
    )


def _run(job: DrawJob, *, resume: bool) -> str | None:
    """Return the note of a drawn image, or None if the image was kept."""
    if resume and _is_up_to_date(job):
        return None
    data, note = job.draw()
    write_atomically(job.target, data)
    return note


def _is_up_to_date(job: DrawJob) -> bool:
    try:
        written = job.target.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns <= written for path in job.inputs)
    except OSError:
        return False
