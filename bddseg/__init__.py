"""Drivable-area masks from driving frames, scored like the BDD100K model zoo.

From Python:

    model = bddseg.load_model("deeplabv3_r101-d8_512x1024_80k", weights=path)
    labels = model(frame)  # RGB (H, W, 3), uint8 -> class ids (H, W), uint8
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bddseg.engine.launch import infer
    from bddseg.engine.model import load_model
    from bddseg.metrics.evaluation import evaluate
    from bddseg.tasks import get_task
    from bddseg.zoo.catalog import list_entries

__all__ = ["__version__", "evaluate", "get_task", "infer", "list_entries", "load_model"]

_HOMES = {
    "evaluate": "bddseg.metrics.evaluation",
    "get_task": "bddseg.tasks",
    "infer": "bddseg.engine.launch",
    "list_entries": "bddseg.zoo.catalog",
    "load_model": "bddseg.engine.model",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for on first use: torch alone takes seconds."""
    if name == "__version__":
        from importlib.metadata import version

        return version("bddseg")
    if name not in _HOMES:
        raise AttributeError(f"module 'bddseg' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
