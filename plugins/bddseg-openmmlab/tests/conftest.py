"""Makes mmcv importable without torchvision."""

import importlib.util
import os
import sys
from pathlib import Path

_STAND_IN = str(Path(__file__).with_name("stand_in"))

# Only if mmcv is installed: other packages would use the empty torchvision as a real one.
if importlib.util.find_spec("mmcv") and importlib.util.find_spec("torchvision") is None:
    sys.path.append(_STAND_IN)
    # Workers are separate processes.
    paths = [os.environ.get("PYTHONPATH", ""), _STAND_IN]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
