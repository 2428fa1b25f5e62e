"""How scores were computed: what is needed to compute them again."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bddseg.metrics.bootstrap import LEVEL, METHOD, NUM_SAMPLES, SEED
from bddseg.metrics.metric import Metric
from bddseg.record import find_record


def describe_provenance(
    ground_truth: Path, predictions: Path, num_frames: int, metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    """Return how scores were computed, as plain data.

    The model and the SHA-256 of its weights are those of the run record; None without one.

    Args:
        ground_truth: Where the ground truth is.
        predictions: Where the predictions are.
        num_frames: Number of frames.
        metrics: The metrics that were computed, by name.

    Raises:
        BddsegError: the run record cannot be read.
    """
    record = find_record(predictions)
    parameters = {name: dict(metric.table.parameters) for name, metric in metrics.items()}
    return {
        "bddseg": version("bddseg"),
        "ground_truth": str(ground_truth),
        "predictions": str(predictions),
        "frames": num_frames,
        "model": record.model if record else None,
        "weights_sha256": record.weights.get("sha256") if record else None,
        "intervals": {
            "method": METHOD,
            "level": LEVEL,
            "resamples": NUM_SAMPLES,
            "seed": SEED,
        },
        "metrics": {name: each for name, each in parameters.items() if each},
    }
