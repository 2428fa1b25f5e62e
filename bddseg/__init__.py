"""Drivable-area masks from driving frames, with scores comparable to the BDD100K model zoo.

model = bddseg.load_model("swiftnet_lite")
prediction = model("street.jpg")
prediction.save("mask.png")

bddseg.infer("swiftnet_lite", "frames/", "out")
scores = bddseg.evaluate("ground_truth/", "out/masks")
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bddseg.errors import BddsegError
    from bddseg.inference.bench.bench import bench
    from bddseg.inference.bench.result import Configuration
    from bddseg.inference.export.run import export
    from bddseg.inference.prediction import Prediction
    from bddseg.inference.predictor import Predictor, load_model
    from bddseg.inference.quantization.quantize import quantize
    from bddseg.inference.run import infer
    from bddseg.inference.threads import limit_spinning
    from bddseg.metrics.evaluate import evaluate
    from bddseg.tasks.task import Task, get_task
    from bddseg.zoo.catalog import find_entry, list_models

    __version__: str

__all__ = [
    "BddsegError",
    "Configuration",
    "Prediction",
    "Predictor",
    "Task",
    "__version__",
    "bench",
    "evaluate",
    "export",
    "find_entry",
    "get_task",
    "infer",
    "limit_spinning",
    "list_models",
    "load_model",
    "quantize",
]

_MODULES = {
    "BddsegError": "bddseg.errors",
    "Configuration": "bddseg.inference.bench.result",
    "Prediction": "bddseg.inference.prediction",
    "Predictor": "bddseg.inference.predictor",
    "Task": "bddseg.tasks.task",
    "bench": "bddseg.inference.bench.bench",
    "evaluate": "bddseg.metrics.evaluate",
    "export": "bddseg.inference.export.run",
    "find_entry": "bddseg.zoo.catalog",
    "get_task": "bddseg.tasks.task",
    "infer": "bddseg.inference.run",
    "limit_spinning": "bddseg.inference.threads",
    "list_models": "bddseg.zoo.catalog",
    "load_model": "bddseg.inference.predictor",
    "quantize": "bddseg.inference.quantization.quantize",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: torch alone takes seconds."""
    if name == "__version__":
        from importlib.metadata import version

        return version("bddseg")
    if name not in _MODULES:
        raise AttributeError(f"module 'bddseg' has no attribute '{name}'")
    if _MODULES[name].startswith("bddseg.inference.") and "torch" not in sys.modules:
        from bddseg.inference.threads import limit_spinning

        limit_spinning()
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
