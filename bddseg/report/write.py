"""Writing a report: a page in one file, or a folder with a page and its images."""

import base64
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bddseg.data.result_task import find_score_task
from bddseg.errors import BddsegError
from bddseg.io.atomic import open_atomically, write_atomically, write_error
from bddseg.io.overwrite import refuse_overwriting
from bddseg.io.walk import is_below
from bddseg.metrics.evaluation import list_warnings
from bddseg.progress import map_in_threads, pluralize
from bddseg.report.columns import choose_frames
from bddseg.report.content import Content, ScoreOptions, compute_content
from bddseg.report.frames import ReportInput, collect_frames
from bddseg.report.layers import draw_frame
from bddseg.report.page import EmbeddedImages, check_template, render_page
from bddseg.tasks.task import Task

# Results are called A to H.
_MAX_RESULTS = 8
# Frames whose images are part of a page that is one file, which grows by about 0.2 MB with each.
_MAX_EMBEDDED = 100
_PAGE_NAME, _IMAGES_FOLDER = "index.html", "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions(ScoreOptions):
    """Options of a report.

    Attributes:
        num_images: Number of frames with images; by default 100 in a file, and all in a folder.
        width: Width of images in pixels, at most.
        overwrite: Replace existing files.
    """

    num_images: int | None = None
    width: int = 1280
    overwrite: bool = False


DEFAULT_OPTIONS = ReportOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """What was written.

    Attributes:
        page: The HTML file.
        frames: Number of frames.
        with_images: Number of those with images.
        files: Number of files.
        size_bytes: Size of all files.
        notes: What is missing or was ignored, in sentences.
    """

    page: Path
    frames: int
    with_images: int
    files: int
    size_bytes: int
    notes: tuple[str, ...] = ()


def write_report(
    results: Sequence[str | Path],
    out: str | Path,
    *,
    ground_truth: str | Path | None = None,
    frames: str | Path | None = None,
    task: Task | str | None = None,
    options: ReportOptions = DEFAULT_OPTIONS,
) -> ReportSummary:
    """Write a page about predictions, which opens in a browser without a server or a network.

    Args:
        results: Predictions: folders of masks, output folders of runs, or Scalabel JSON; the others
            are compared with the first.
        out: A file, whose suffix is .html, or a folder, which gets index.html and images.
        ground_truth: Ground truth, likewise; without it there are no scores.
        frames: The frames: an image, a folder, a glob pattern or a list file.
        task: Task of the page, or its name; by default that of the run record, else drivable.
            Masks of a finer task are mapped; see `evaluate`.
        options: See `ReportOptions`.

    Raises:
        BddsegError: see `evaluate`; there are too many results; masks of a frame differ in size;
            jinja2 is missing; or the report would overwrite a file or lie in its own input.
    """
    check_template()
    paths, out = [Path(path) for path in results], Path(out)
    truth = Path(ground_truth) if ground_truth else None
    if not 1 <= len(paths) <= _MAX_RESULTS:
        raise BddsegError(
            f"There are {len(paths)} results, and 1 to {_MAX_RESULTS} were expected.",
            "Make several reports.",
        )
    task = find_score_task(task, truth, *paths)
    source = collect_frames(paths, truth, str(frames) if frames else None, task)
    is_file = out.suffix.lower() in (".html", ".htm")
    _check_output(out, source, is_file=is_file, overwrite=options.overwrite)
    content = compute_content(paths, truth, source, task, options)
    report = _Writer(content, options)
    if is_file:
        report.write_file(out, options.num_images or _MAX_EMBEDDED)
    else:
        report.write_folder(out, options.num_images or len(source.frames))
    return report.summarize(out if is_file else out / _PAGE_NAME)


def _check_output(out: Path, source: ReportInput, *, is_file: bool, overwrite: bool) -> None:
    """Refuse to write over a file, or a folder of images into the input."""
    inputs = (path for frame in source.frames for path in frame.list_files())
    if is_file:
        refuse_overwriting([out], inputs, overwrite=overwrite)
        return
    images = out / _IMAGES_FOLDER
    for folder in source.folders:
        # They would be frames and masks of the next report.
        if is_below(images, folder) or is_below(folder, images):
            raise BddsegError(
                f"Images would be written to {images}, and {folder} is an input.",
                "Choose another folder with -o.",
            )
    if out.is_file():
        raise BddsegError(
            f"{out} is a file.", "Give a folder, or a file whose name ends in .html, with -o."
        )
    # The images are only those of an earlier report: no input lies in this folder.
    refuse_overwriting([out / _PAGE_NAME, images], inputs, overwrite=overwrite)


def _remove_report(out: Path) -> None:
    """Remove the page and the images of an earlier report, which may have had more frames."""
    images = out / _IMAGES_FOLDER
    for path in (out / _PAGE_NAME, *images.glob("[0-9]*/[0-9]*-*.*")):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(path, error) from error


@dataclass(slots=True)
class _Writer:
    """Writes the images and the page, and counts what it wrote.

    Attributes:
        content: Content of the report.
        options: Options.
        present: Layers that each frame has images of, a bit for each.
        notes: Notes about images.
        files: Number of files.
        size_bytes: Their size.
    """

    content: Content
    options: ReportOptions
    present: list[int] = field(init=False)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    size_bytes: int = 0

    def __post_init__(self) -> None:
        self.present = [0] * len(self.content.source.frames)

    def write_file(self, page: Path, limit: int) -> None:
        """Write a page that holds the images of some frames."""
        with closing(self._draw(limit)) as drawn:
            embedded = (
                (index, {key: self._to_url(key, data) for key, data in images.items()})
                for index, images in drawn
            )
            self._write_page(page, embedded, None)

    def write_folder(self, out: Path, limit: int) -> None:
        """Write the images of some frames, and then the page, which an unfinished report lacks."""
        _remove_report(out)
        with closing(self._draw(limit)) as drawn:
            for index, images in drawn:
                number = f"{index:06}"
                folder = out / _IMAGES_FOLDER / number[:-3]
                for key, data in images.items():
                    write_atomically(folder / f"{number}-{key}.{self._get_suffix(key)}", data)
                    self._count(len(data))
        self._write_page(out / _PAGE_NAME, (), _IMAGES_FOLDER)

    def summarize(self, page: Path) -> ReportSummary:
        """Return what was written."""
        return ReportSummary(
            page=page,
            frames=len(self.present),
            with_images=sum(map(bool, self.present)),
            files=self.files,
            size_bytes=self.size_bytes,
            notes=tuple(self._list_notes()),
        )

    def _draw(self, limit: int) -> Generator[tuple[int, dict[str, bytes]], None, None]:
        """Yield index and images of the most important frames; few are in memory at a time."""
        content = self.content
        frames = content.source.frames
        chosen = choose_frames(content.columns, len(frames), limit)
        draw = partial(
            draw_frame, layers=content.layers, task=content.task, width=self.options.width
        )
        tracked = self.options.track([frames[index] for index in chosen], "Drawing")
        with map_in_threads(draw, tracked, self.options.num_threads) as outcomes:
            for index, outcome in zip(chosen, outcomes, strict=True):
                if isinstance(outcome, BddsegError):
                    raise outcome
                if outcome.note:
                    self.notes.append(outcome.note)
                self.present[index] = sum(
                    1 << bit
                    for bit, layer in enumerate(content.layers)
                    if layer.key in outcome.images
                )
                yield index, outcome.images

    def _write_page(
        self, page: Path, embedded: Iterable[EmbeddedImages], folder: str | None
    ) -> None:
        pieces = render_page(
            lambda: self.content.describe_sections(self._list_notes()),
            lambda: self.content.describe_frames(self.present, folder),
            embedded,
        )
        size_bytes = 0
        with open_atomically(page) as file:
            for piece in pieces:
                size_bytes += file.write(piece)
        self._count(size_bytes)

    def _count(self, size_bytes: int) -> None:
        self.files += 1
        self.size_bytes += size_bytes

    def _list_notes(self) -> list[str]:
        """Return what is missing or was ignored; of notes about images, their number."""
        notes = list(self.content.source.notes)
        if self.content.evaluations:
            notes += list_warnings(self.content.results, self.content.evaluations)
        if without := self.present.count(0):
            frames = pluralize(without, "frame")
            notes.append(f"{frames} without images: use --images N, or -o FOLDER for all.")
        if self.notes:
            number = pluralize(len(self.notes), "note")
            notes.append(f"{number} about images, such as: {self.notes[0]}")
        return notes

    def _get_suffix(self, key: str) -> str:
        suffixes = {layer.key: layer.suffix for layer in self.content.layers}
        return suffixes.get(key, "jpg")

    def _to_url(self, key: str, data: bytes) -> str:
        kind = "jpeg" if self._get_suffix(key) == "jpg" else "png"
        return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
