"""Scores, speed and size of every model whose weights are at hand, on frames with ground truth.

FOLDER has `images/` and `masks/` (ids of the task drivable). Models of the task drivable_binary are
scored on "drivable or not". Intervals are 95 % bootstrap intervals over frames. With --effects, a
line for each kind of postprocessing says what it does to the scores, and its time.

Run: python tests/benchmarks/bench_quality.py FOLDER [--models NAME ...] [--weights NAME=FILE ...]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

import bddseg
from bddseg.data.mask import read_mask, write_mask
from bddseg.data.regions import postprocess
from bddseg.metrics.bootstrap import Interval, estimate_intervals
from bddseg.metrics.conditions import read_attributes, score_conditions
from bddseg.metrics.evaluation import Evaluation
from bddseg.specs import Entry, Postprocessing
from bddseg.zoo.cache import get_weights_path
from bddseg.zoo.catalog import find_entry

_TASKS = ("drivable", "drivable_binary")
_EFFECTS = ({"min_region": 1000}, {"min_hole": 1000}, {"ego_region_only": True})


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--weights", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--effects", action="store_true")
    parser.add_argument("--attributes", type=Path, help="the dataset's label file")
    arguments = parser.parse_args()
    files = dict(text.split("=", 1) for text in arguments.weights)
    print("| model | official mIoU | standard mIoU | binary IoU | ms/frame | parameters | MB |")
    print("|---|---|---|---|---:|---:|---:|")
    for entry, weights in list_models(arguments.models, files):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            record = bddseg.infer(
                entry,
                arguments.folder / "images",
                out / "run",
                weights=weights,
                limit=arguments.limit,
            )
            assert record
            truth = select_truth(arguments.folder / "masks", out)
            evaluation = bddseg.evaluate(truth, out / "run", task=entry.task)
            effects = measure_effects(truth, evaluation, out) if arguments.effects else []
        intervals = estimate_intervals(evaluation)
        standard = intervals["standard_miou_without_background"]
        columns = [
            f"`{entry.name}`",
            describe(intervals["official_miou"]),
            describe(standard),
            # Of two classes, the standard score is the binary one.
            describe(intervals.get("binary_iou", standard)),
            f"{1000 * record.seconds['run'] / max(record.done, 1):.0f}",
            f"{(entry.parameters or 0) / 1e6:.2f} M",
            f"{weights.stat().st_size / 1e6:.2f}",
        ]
        print(f"| {' | '.join(columns)} |", flush=True)
        print_conditions(evaluation, arguments.attributes)
        for line in effects:
            print(f"    {line}", flush=True)


def list_models(names: list[str], files: dict[str, str]) -> Iterator[tuple[Entry, Path]]:
    """Yield the models that were asked for, or all that have weights, with their checkpoints."""
    entries = [find_entry(name) for name in names] or [
        entry for task in _TASKS for entry in bddseg.list_models(task=task) if entry.task == task
    ]
    for entry in entries:
        path = Path(files.get(entry.name, get_weights_path(entry)))
        if path.is_file():
            yield entry, path


def select_truth(truth: Path, out: Path) -> Path:
    """Return a folder of the masks that have a prediction."""
    folder = out / "truth"
    folder.mkdir()
    for prediction in sorted((out / "run" / "masks").glob("*.png")):
        (folder / prediction.name).symlink_to((truth / prediction.name).resolve())
    return folder


def measure_effects(truth: Path, before: Evaluation, out: Path) -> list[str]:
    """Return what each kind of postprocessing does to the scores, and its time."""
    lines = []
    for effect in _EFFECTS:
        spec, times = msgspec.convert(effect, Postprocessing), []
        for path in sorted((out / "run" / "masks").glob("*.png")):
            labels = read_mask(path)
            start = time.perf_counter()
            cleaned = postprocess(labels, spec, before.task)
            times.append(time.perf_counter() - start)
            write_mask(out / "cleaned" / path.name, cleaned)
        after = bddseg.evaluate(truth, out / "cleaned", task=before.task.name)
        scores = ", ".join(
            f"{name} {after.headlines[name] - value:+.2f}"
            for name, value in before.headlines.items()
        )
        lines.append(f"{effect}: {scores}, {1000 * median(times):.1f} ms")
    return lines


def describe(interval: Interval) -> str:
    """Return a score with its interval."""
    return f"{interval.value:.2f} ({interval.low:.1f}-{interval.high:.1f})"


def print_conditions(evaluation: Evaluation, attributes: Path | None) -> None:
    """Print the scores by weather and time of day."""
    if attributes is None:
        return
    for row in score_conditions(evaluation, read_attributes(attributes), ["weather", "timeofday"]):
        print(f"    {row}")


if __name__ == "__main__":
    main()
