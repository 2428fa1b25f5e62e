"""What a report says: scores and measures of all frames, as plain data for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bddseg.errors import BddsegError
from bddseg.io.names import escape_names
from bddseg.metrics.conditions import (
    Attributes,
    group_frames,
    match_attributes,
    read_attributes,
)
from bddseg.metrics.evaluate import evaluate
from bddseg.metrics.evaluation import Evaluation
from bddseg.progress import Track, track_silently
from bddseg.report import sections
from bddseg.report.columns import Column, make_columns
from bddseg.report.frames import ReportInput
from bddseg.report.layers import Layer, list_layers, list_legends
from bddseg.report.measure import Measures, measure_frames
from bddseg.tasks.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """What is computed.

    Attributes:
        metrics: Names of metrics in addition to official, standard and binary.
        attributes: The dataset's label file, for scores by condition.
        by: Names of the attributes; by default all that the frames have.
        num_threads: Number of threads.
        track: Shows progress.
    """

    metrics: Sequence[str] = ()
    attributes: Path | None = None
    by: Sequence[str] = ()
    num_threads: int = 1
    track: Track = track_silently


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of a report of N frames with R results.

    Attributes:
        task: Task of the masks.
        results: Where the results are, (R,).
        ground_truth: Where the ground truth is, if there is one.
        source: The frames.
        evaluations: Scores, (R,); none without ground truth.
        measures: What else was measured.
        attributes: Attributes of frames by name.
        by: Those by which there are scores.
        columns: The numbers of each frame.
        layers: The images of each frame.
    """

    task: Task
    results: Sequence[Path]
    ground_truth: Path | None
    source: ReportInput
    evaluations: Sequence[Evaluation]
    measures: Measures
    attributes: Mapping[str, Attributes]
    by: Sequence[str]
    columns: Sequence[Column]
    layers: Sequence[Layer]

    @property
    def names(self) -> list[str]:
        """Names of the frames."""
        return [frame.name for frame in self.source.frames]

    def describe_sections(self, notes: Sequence[str]) -> dict[str, Any]:
        """Return what the template shows above the frames.

        Args:
            notes: What is missing or was ignored, in sentences.

        Raises:
            BddsegError: a run record cannot be read.
        """
        described = {
            "task": self.task.name,
            "num_frames": len(self.source.frames),
            "has_truth": bool(self.evaluations),
            "ground_truth": str(self.ground_truth or ""),
            "notes": list(notes),
            "results": sections.describe_results(self.results),
            "headlines": sections.describe_headlines(self.evaluations),
            "metrics": sections.describe_metrics(self.evaluations),
            "confusions": sections.describe_confusion(self.evaluations),
            "conditions": sections.describe_conditions(self.evaluations, self.attributes, self.by),
            "calibrations": sections.describe_calibration(self.measures),
            "areas": sections.describe_areas(self.task, self.measures),
            "changes": sections.describe_changes(self.measures),
            "provenance": sections.describe_provenance(self.evaluations),
        }
        escaped: dict[str, Any] = escape_names(described)
        return escaped

    def describe_frames(self, present: Sequence[int], folder: str | None) -> dict[str, Any]:
        """Return the data of the page's scripts.

        Args:
            present: Which layers each frame has images of, a bit for each layer, (N,).
            folder: Folder of the images beside the page; None if they are part of it.
        """
        groups = group_frames(self.names, self.attributes, self.by)
        described = {
            "results": [
                {"letter": row["letter"]} for row in sections.describe_results(self.results)
            ],
            "names": self.names,
            "columns": [
                {
                    "label": column.label,
                    "quantity": column.quantity,
                    "result": column.result,
                    "order": column.order,
                    "values": column.values.tolist(),
                }
                for column in self.columns
            ],
            "conditions": [
                {"name": name, "values": list(values), "index": _invert(values, len(self.names))}
                for name, values in groups.items()
            ],
            "layers": [
                {"key": each.key, "kind": each.kind, "label": each.label, "suffix": each.suffix}
                for each in self.layers
            ],
            "legends": list_legends(self.task),
            "present": list(present),
            "folder": folder,
            "thumbnail": "Errors" if self.evaluations else "Mask",
        }
        escaped: dict[str, Any] = escape_names(described)
        return escaped


def compute_content(
    results: Sequence[Path],
    ground_truth: Path | None,
    source: ReportInput,
    task: Task,
    options: ScoreOptions,
) -> Content:
    """Score and measure all frames.

    Raises:
        BddsegError: see `evaluate`, `measure_frames` and `read_attributes`.
    """
    names = [frame.name for frame in source.frames]
    attributes = read_attributes(options.attributes) if options.attributes else {}
    by = _choose_attributes(attributes, names, options)
    evaluations = [
        evaluate(
            ground_truth,
            path,
            task=task,
            metrics=options.metrics,
            num_threads=options.num_threads,
            track=options.track,
        )
        for path in results
        if ground_truth
    ]
    measures = measure_frames(
        source.frames, task, num_threads=options.num_threads, track=options.track
    )
    return Content(
        task=task,
        results=results,
        ground_truth=ground_truth,
        source=source,
        evaluations=evaluations,
        measures=measures,
        attributes=attributes,
        by=by,
        columns=make_columns(task, measures, evaluations),
        layers=list_layers(source.frames),
    )


def _choose_attributes(
    attributes: Mapping[str, Attributes], frames: Sequence[str], options: ScoreOptions
) -> list[str]:
    """Return the attributes by which there are scores; check that frames have them."""
    matched = match_attributes(attributes, frames)
    by = list(options.by) or sorted({key for values in matched for key in values})
    if options.attributes and not by:
        raise BddsegError(
            f"{options.attributes} has no attributes of these frames (such as {frames[0]}).",
            "Use the dataset's label file of these frames: names with attributes.",
        )
    group_frames(frames, attributes, by)
    return by


def _invert(groups: Mapping[str, Sequence[int]], num_frames: int) -> list[int]:
    """Return the number of each frame's group."""
    numbers = [0] * num_frames
    for number, indices in enumerate(groups.values()):
        for index in indices:
            numbers[index] = number
    return numbers
