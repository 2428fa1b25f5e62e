"""Many pictures at once: drawn in threads, each whole or absent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.files import write_atomically
from bddseg.progress import Track, map_in_threads, track_silently


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that is to be drawn.

    Attributes:
        target: the file that it is written to.
        sources: the files that it is made of.
        draw: returns the file's bytes, and a remark about what had to be done, mostly empty.
    """

    target: Path
    sources: tuple[Path, ...]
    draw: Callable[[], tuple[bytes, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What drawing came to.

    Attributes:
        drawn: number of pictures written.
        kept: pictures that were there already.
        remarks: of pictures that took something unusual.
        failures: one for each picture that could not be drawn.
        unpaired: frames that lack what they are to be drawn with.
    """

    drawn: int
    kept: int = 0
    remarks: tuple[str, ...] = ()
    failures: tuple[BddsegError, ...] = ()
    unpaired: tuple[Path, ...] = ()


def draw_pictures(
    pictures: Sequence[Picture],
    description: str,
    *,
    unpaired: Sequence[Path] = (),
    resume: bool = False,
    workers: int = 1,
    track: Track = track_silently,
) -> Outcome:
    """Draw and write pictures; what fails stops no other.

    Args:
        pictures: the pictures.
        description: of the work, for the one who waits.
        unpaired: handed on to the outcome.
        resume: keep pictures that are there and no older than what they are made of.
        workers: number of threads.
        track: shows progress.
    """
    step = partial(_draw, resume=resume)
    results = list(map_in_threads(step, track(pictures, description), workers))
    failures = tuple(result for result in results if isinstance(result, BddsegError))
    kept = sum(result is None for result in results)
    return Outcome(
        drawn=len(results) - len(failures) - kept,
        kept=kept,
        remarks=tuple(result for result in results if isinstance(result, str) and result),
        failures=failures,
        unpaired=tuple(unpaired),
    )


def _draw(picture: Picture, *, resume: bool) -> str | None:
    """Return the remark; None if the picture is kept."""
    if resume and _is_done(picture):
        return None
    data, remark = picture.draw()
    write_atomically(picture.target, data)
    return remark


def _is_done(picture: Picture) -> bool:
    try:
        made = picture.target.stat().st_mtime_ns
        return all(source.stat().st_mtime_ns <= made for source in picture.sources)
    except OSError:
        return False
